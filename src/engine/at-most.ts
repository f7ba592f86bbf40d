import type { Clock } from './ports.ts';

/** Resolves when `done` does, at most `ms` later; rejects as it does. */
export async function atMost(clock: Clock, ms: number, done: Promise<unknown>): Promise<void> {
  let cancel: () => void = () => undefined;
  const late = new Promise<void>((resolve) => {
    cancel = clock.after(ms, resolve);
  });
  try {
    await Promise.race([done, late]);
  } finally {
    cancel();
  }
}
