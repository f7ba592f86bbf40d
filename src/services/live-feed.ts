/** The live feed on the real database and the real time. */
import { LIMITS } from '../domain/limits.ts';
import { newestChanges } from '../store/change-reads.ts';
import type { Db } from '../store/database.ts';
import { findExecution } from '../store/execution-rows.ts';
import type { ExecutionEvents } from './execution-events.ts';
import { createExecutionFeed, type ExecutionFeed } from './execution-feed.ts';
import type { FeedClock } from './execution-hub.ts';

const FLOOR_MS = 5_000;

const SYSTEM_CLOCK: FeedClock = {
  now: () => performance.now(),
  after: (ms, callback) => {
    // A watched execution alone is no reason for the process to stay.
    const timer = setTimeout(callback, ms).unref();
    return () => clearTimeout(timer);
  },
};

/** Makes the process's feed; `events` is the target that the engine's events appear on. */
export function createLiveFeed(
  db: Db,
  events: ExecutionEvents,
  onReadError: (error: unknown, executionId: string) => void,
): ExecutionFeed {
  return createExecutionFeed({
    events,
    readExecution: (projectId, executionId) => findExecution(db, projectId, executionId),
    readChanges: ({ projectId, id, revision }, since) => newestChanges(db, projectId, id, { since, upTo: revision }),
    onReadError,
    clock: SYSTEM_CLOCK,
    times: { intervalMs: LIMITS.updateIntervalMs, floorMs: FLOOR_MS },
  });
}
