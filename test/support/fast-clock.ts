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
