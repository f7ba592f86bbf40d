import type { Clock } from '../../src/engine/ports.ts';

/** The clock, with the timers noted that are set and neither heard of nor cancelled. */
export function countingClock(clock: Clock, timers: Set<object>): Clock {
  return {
    now: () => clock.now(),
    after(ms, callback) {
      const timer = {};
      timers.add(timer);
      const cancel = clock.after(ms, () => {
        timers.delete(timer);
        callback();
      });
      return () => {
        timers.delete(timer);
        cancel();
      };
    },
  };
}
