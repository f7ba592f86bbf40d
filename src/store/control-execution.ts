/** Steering an execution that is open. */
import type { PauseReason } from '../domain/model.ts';
import { claimableStatuses, executionMoveFrom } from '../domain/states.ts';
import type { Db } from './database.ts';
import { logChanges } from './listed-changes.ts';
import { named } from './statement-name.ts';

/** Pauses an execution: nothing starts any more; its new revision, or null when its status does not allow it. */
export async function pauseExecution(
  db: Db,
  executionId: string,
  reason: PauseReason,
  now: Date,
): Promise<number | null> {
  const row = await named(db, 'pauseExecution')
    .updateTable('batchExecution')
    .set((eb) => ({
      status: 'PAUSED' as const,
      pauseReason: reason,
      waitReason: null,
      waitUntil: null,
      lastActivityAt: now,
      revision: eb('revision', '+', 1),
    }))
    .where('id', '=', executionId)
    .where('status', 'in', executionMoveFrom('pause'))
    .returning('revision')
    .executeTakeFirst();
  return row?.revision ?? null;
}

/** Lets a paused execution go on, past its sample too; its new revision, or null when it is not paused. */
export async function resumeExecution(db: Db, executionId: string, now: Date): Promise<number | null> {
  const row = await named(db, 'resumeExecution')
    .updateTable('batchExecution')
    .set((eb) => ({
      status: eb
        .case()
        .when('startedAt', 'is', null)
        .then('QUEUED' as const)
        .else('RUNNING' as const)
        .end(),
      pauseReason: null,
      sampleSize: null,
      lastActivityAt: now,
      revision: eb('revision', '+', 1),
    }))
    .where('id', '=', executionId)
    .where('status', 'in', executionMoveFrom('resume'))
    .returning('revision')
    .executeTakeFirst();
  return row?.revision ?? null;
}

/** What may be changed of an execution; what is absent stays. The name and the metadata may be at any time. */
export interface ExecutionChange {
  readonly name?: string;
  /** JSON text; null takes it away. */
  readonly metadata?: string | null;
  readonly concurrency?: number;
  readonly retryLimit?: number;
  readonly priority?: number;
  /** null takes the deadline away. */
  readonly deadlineAt?: Date | null;
  /** null takes the bound away. */
  readonly tokenBudget?: number | null;
  readonly costBudget?: string | null;
}

/** Changes an execution and its lane's share; its new revision, or null when it has ended and the change steers it. */
export async function changeExecution(db: Db, executionId: string, change: ExecutionChange): Promise<number | null> {
  const { name: _name, metadata: _metadata, ...steering } = change;
  const mustBeOpen = Object.keys(steering).length > 0;
  return await db.transaction().execute(async (tx) => {
    const row = await named(tx, 'changeExecution')
      .updateTable('batchExecution')
      .set((eb) => ({ ...change, revision: eb('revision', '+', 1) }))
      .where('id', '=', executionId)
      .$if(mustBeOpen, (query) => query.where('endedAt', 'is', null))
      .returning(['revision', 'endedAt'])
      .executeTakeFirst();
    // Nobody looks for changes of those that have ended, so this one is not left to be logged later.
    if (row !== undefined && row.endedAt !== null) await logChanges(tx, [executionId]);
    if (row !== undefined && change.concurrency !== undefined) {
      await named(tx, 'changeShare')
        .updateTable('executionLane')
        .set({ share: change.concurrency })
        .where('executionId', '=', executionId)
        .execute();
    }
    return row?.revision ?? null;
  });
}

/** Says what a running execution waits for; its new revision, or null when nothing of it may start anyway. */
export async function noteWait(
  db: Db,
  executionId: string,
  wait: { readonly reason: string; readonly until: Date } | null,
): Promise<number | null> {
  const row = await named(db, 'noteWait')
    .updateTable('batchExecution')
    .set((eb) => ({
      waitReason: wait?.reason ?? null,
      waitUntil: wait?.until ?? null,
      revision: eb('revision', '+', 1),
    }))
    .where('id', '=', executionId)
    .where('status', 'in', claimableStatuses())
    .returning('revision')
    .executeTakeFirst();
  return row?.revision ?? null;
}

/** Records why an execution cannot go on; what is open of it is then closed by whoever holds it. */
export async function stopExecution(db: Db, executionId: string, reason: string): Promise<void> {
  await named(db, 'stopExecution')
    .updateTable('batchExecution')
    .set((eb) => ({ stopReason: eb.fn.coalesce('stopReason', eb.val(reason)) }))
    .where('id', '=', executionId)
    .where('status', 'in', executionMoveFrom('fail'))
    .execute();
}
