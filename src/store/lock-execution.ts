import type { Tx } from './database.ts';

/** Locks an execution's row before anything else of it; undefined when there is none. */
export async function lockExecution(tx: Tx, executionId: string) {
  return await tx
    .selectFrom('batchExecution')
    .select([
      ...['status', 'revision', 'round', 'spec', 'retryLimit', 'startedAt', 'endedAt'] as const,
      ...['total', 'queued', 'retrying', 'poolCursor', 'retryCursor'] as const,
    ])
    .where('id', '=', executionId)
    .forNoKeyUpdate()
    .executeTakeFirst();
}
