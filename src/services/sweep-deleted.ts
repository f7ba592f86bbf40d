/** What happens to deleted and outlived executions behind the callers' backs. */
import { setTimeout as delay, setImmediate } from 'node:timers/promises';
import { deleteExecution, findOutlived } from '../store/delete-execution.ts';
import { findUnswept, forgetDeletions, markSwept, SWEPT, sweepChunk, type Unswept } from '../store/sweep-deleted.ts';
import type { ServiceDeps } from './ports.ts';

const EVERY_MS = 5_000;
const RETENTION_EVERY_MS = 60_000;
const AT_ONCE = 100;
const REMEMBER_MS = 7 * 86_400_000;
/** The longest pause between two chunks, in ms. */
const PAUSE_MS = 50;

type Deps = Pick<ServiceDeps, 'db' | 'now' | 'publish'>;

/** The sweep of one process; both calls may be repeated, and `stop` resolves when the chunk under way is done. */
export interface DeletionSweep {
  start(): void;
  stop(): Promise<void>;
}

/** Deletes executions of every project that ended longer ago than they are kept; how many. */
export async function deleteOutlived({ db, now, publish }: Deps, retentionDays: number | null): Promise<number> {
  let deleted = 0;
  for (const { endedBefore, ...key } of await findOutlived(db, retentionDays, now(), AT_ONCE)) {
    const answer = await deleteExecution(db, key, now(), endedBefore);
    if (answer.outcome !== 'deleted') continue;
    publish(key.id, answer.revision);
    deleted += 1;
  }
  return deleted;
}

/**
 * Deletes every row that a deletion left, until there is none or `signal` says to stop.
 *
 * After a chunk as much time goes by as it took: all share the embedded database. Several nodes may sweep at
 * once, and a sweep that was cut off begins again.
 */
export async function sweepDeleted({ db, now }: Pick<Deps, 'db' | 'now'>, signal?: AbortSignal): Promise<void> {
  for (;;) {
    const found = await findUnswept(db, AT_ONCE);
    for (const one of found) {
      if (!(await sweepOne(db, one, signal))) return;
      await markSwept(db, one.id, now());
    }
    if (found.length < AT_ONCE) break;
  }
  await forgetDeletions(db, new Date(now().getTime() - REMEMBER_MS));
}

/** `false` when it was told to stop before the last row. */
async function sweepOne(db: Deps['db'], { id, kind }: Unswept, signal: AbortSignal | undefined): Promise<boolean> {
  for (const table of SWEPT[kind]) {
    let from: number | null = 0;
    while (from !== null) {
      if (signal?.aborted === true) return false;
      const began = performance.now();
      from = await sweepChunk(db, id, table, from);
      const tookMs = performance.now() - began;
      // Also behind the last one: a batch of small deletions must not hold up a socket.
      if (from === null) await setImmediate();
      else await delay(Math.min(tookMs, PAUSE_MS));
    }
  }
  return true;
}

/** Sweeps, and deletes what has outlived its retention (days, null for ever), by itself until it is stopped. */
export function createDeletionSweep(
  deps: Deps,
  retentionDays: number | null,
  onError: (error: unknown) => void,
): DeletionSweep {
  const stopping = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  let running: Promise<unknown> | null = null;
  let retentionDueAt = 0;
  const round = async (): Promise<void> => {
    if (performance.now() >= retentionDueAt) {
      const deleted = await deleteOutlived(deps, retentionDays);
      // As many as one round takes: there may be more.
      retentionDueAt = performance.now() + (deleted < AT_ONCE ? RETENTION_EVERY_MS : 0);
    }
    await sweepDeleted(deps, stopping.signal);
  };
  const begin = (): void => {
    running ??= round()
      .catch(onError)
      .finally(() => {
        running = null;
      });
  };
  return {
    start: () => {
      if (timer !== undefined || stopping.signal.aborted) return;
      timer = setInterval(begin, EVERY_MS).unref();
      begin();
    },
    stop: async () => {
      clearInterval(timer);
      stopping.abort();
      await running;
    },
  };
}
