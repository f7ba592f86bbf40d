import type { Clock } from './ports.ts';

/** The longest delay that a timer holds; a longer one fires at once. */
const LONGEST_MS = 2_147_483_647;

/** The machine's clock. */
export const systemClock: Clock = {
  now: () => new Date(),
  after(ms, callback) {
    const timer = setTimeout(callback, Math.min(ms, LONGEST_MS));
    return () => clearTimeout(timer);
  },
};
