/** Gathers which executions this process changed, and logs them for those who follow lists. */
import type { Db } from '../store/database.ts';
import { findUnlogged, logChanges, type ProjectHead } from '../store/listed-changes.ts';

/** The shortest time between two writes of the log, in ms: most of what any number of executions cost it. */
const EVERY_MS = 500;
/** How often changes are looked for that nobody logged, in ms. */
const LOOK_MS = 1_000;
const AT_ONCE = 1_000;

/** The log of one process; both may be repeated, and `stop` resolves when what was noted is written. */
export interface ChangeLog {
  start(): void;
  stop(): Promise<void>;
  /** An execution has a newer revision, or is new or gone; returns at once. */
  note(executionId: string): void;
}

/** Makes the log; `onLogged` is told of the projects that have a new number, after its commit. */
export function createChangeLog(
  db: Db,
  onLogged: (heads: readonly ProjectHead[]) => void,
  onError: (error: unknown) => void,
): ChangeLog {
  const noted = new Set<string>();
  let timer: NodeJS.Timeout | undefined;
  let running: Promise<unknown> = Promise.resolve();
  let isBusy = false;
  let lookAt = 0;
  let looksAtAll = true;

  const write = async (ids: readonly string[]): Promise<void> => {
    if (ids.length > 0) onLogged(await logChanges(db, ids));
  };
  const round = async (): Promise<void> => {
    const ids = [...noted].slice(0, AT_ONCE);
    for (const id of ids) noted.delete(id);
    try {
      await write(ids);
    } catch (error) {
      // They are found again by the look; not at once, for the database may be away.
      lookAt = performance.now() + LOOK_MS;
      throw error;
    }
    if (performance.now() < lookAt) return;
    lookAt = performance.now() + LOOK_MS;
    const missed = await findUnlogged(db, looksAtAll, AT_ONCE);
    await write(missed);
    // What died with a process before this one began: looked for until nothing is left.
    if (missed.length < AT_ONCE) looksAtAll = false;
    else lookAt = 0;
  };
  const begin = (): void => {
    if (isBusy || (noted.size === 0 && performance.now() < lookAt)) return;
    isBusy = true;
    running = round()
      .catch(onError)
      .finally(() => {
        isBusy = false;
      });
  };
  return {
    note: (executionId) => void noted.add(executionId),
    start: () => {
      timer ??= setInterval(begin, EVERY_MS).unref();
    },
    stop: async () => {
      clearInterval(timer);
      await running;
      await write([...noted].slice(0, AT_ONCE)).catch(onError);
      noted.clear();
    },
  };
}
