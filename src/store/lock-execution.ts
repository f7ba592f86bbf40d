import { closing } from './count-moves.ts';
import type { Tx } from './database.ts';

/** Locks an execution's row before anything else of it; undefined when there is none. */
export async function lockExecution(tx: Tx, executionId: string, now: Date) {
  return await tx
    .selectFrom('batchExecution as x')
    .select([
      ...(['status', 'revision', 'round', 'retryLimit', 'startedAt', 'endedAt'] as const),
      ...(['total', 'queued', 'retrying', 'poolCursor', 'retryCursor', 'sampleSize'] as const),
      closing(now).as('closing'),
    ])
    .where('id', '=', executionId)
    .forNoKeyUpdate()
    .executeTakeFirst();
}
