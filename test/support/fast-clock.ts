import type { Clock } from '../../src/engine/ports.ts';

/** A clock that runs `factor` times as fast as the machine's, so that backoffs and pauses cost a test little. */
export function fastClock(factor: number): Clock {
  const began = Date.now();
  return {
    now: () => new Date(began + (Date.now() - began) * factor),
    after(ms, callback) {
      const timer = setTimeout(callback, Math.min(ms / factor, 2_147_483_647));
      return () => clearTimeout(timer);
    },
  };
}

/** A clock that someone sets: its timers run on, as the machine's do. */
export interface SettableClock extends Clock {
  /** Sets it by so much forwards, or back. */
  set(ms: number): void;
}

/** The clock until it is set. */
export function settableClock(clock: Clock): SettableClock {
  let offset = 0;
  return {
    now: () => new Date(clock.now().getTime() + offset),
    after: (ms, callback) => clock.after(ms, callback),
    set(ms) {
      offset += ms;
    },
  };
}
