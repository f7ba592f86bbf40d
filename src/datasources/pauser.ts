/** Lets other work run between slices of a long loop in our one thread. */
import { setImmediate } from 'node:timers/promises';

const SLICE_MS = 15;

/** Tells when a slice is used up, and gives the thread away for a turn. */
export interface Pauser {
  isDue(): boolean;
  pause(): Promise<void>;
}

/** A pauser whose slices are 15 ms: a socket waits no longer for its turn. */
export function createPauser(): Pauser {
  let since = performance.now();
  return {
    isDue: () => performance.now() - since > SLICE_MS,
    async pause() {
      await setImmediate();
      since = performance.now();
    },
  };
}
