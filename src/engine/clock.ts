import type { Clock } from './ports.ts';

/** The longest delay that a timer holds; a longer one fires at once. */
const LONGEST_MS = 2_147_483_647;

/** One for all that ask in the same millisecond: a call asks twice. Nobody changes an instant. */
let latest = new Date(0);

/** The machine's clock. */
export const systemClock: Clock = {
  now() {
    // oxlint-disable-next-line no-restricted-properties -- This is the clock.
    const now = Date.now();
    if (now !== latest.getTime()) latest = new Date(now);
    return latest;
  },
  after(ms, callback) {
    const timer = setTimeout(callback, Math.min(ms, LONGEST_MS));
    return () => clearTimeout(timer);
  },
};
