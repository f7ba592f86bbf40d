import type { EngineLog, EngineParts } from './ports.ts';

const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 5_000;

/**
 * The answer of a call to the database, asked again after growing pauses for as long as it throws; null once `over`
 * says that nobody wants it any more.
 */
export async function patiently<T>(
  parts: Pick<EngineParts, 'clock'> & { readonly log: Pick<EngineLog, 'warn'> },
  what: Readonly<Record<string, unknown>>,
  over: () => boolean,
  ask: () => Promise<T>,
): Promise<T | null> {
  for (let pause = FIRST_PAUSE_MS; !over(); pause = Math.min(pause * 2, LONGEST_PAUSE_MS)) {
    try {
      return await ask();
    } catch (error) {
      parts.log.warn({ ...what, err: error, retryInMs: pause }, 'the database did not answer, will be asked again');
      await new Promise<void>((resolve) => parts.clock.after(pause, resolve));
    }
  }
  return null;
}
