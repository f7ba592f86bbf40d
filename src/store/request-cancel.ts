import type { CancelMode } from '../domain/model.ts';
import { executionMoveFrom } from '../domain/states.ts';
import type { Db } from './database.ts';

/**
 * Commits the request to cancel; no item starts after it.
 *
 * The answer is the new revision, or null when the execution is not in a state that can be cancelled. A request
 * to ABORT also turns a DRAIN that is under way into an abort.
 */
export async function requestCancel(
  db: Db,
  projectId: string,
  executionId: string,
  request: { mode: CancelMode; reason: string | null; now: Date },
): Promise<number | null> {
  const first = await db
    .updateTable('batchExecution')
    .set((eb) => ({
      status: 'CANCELLING' as const,
      pauseReason: null,
      cancelMode: request.mode,
      cancelReason: request.reason,
      cancelRequestedAt: request.now,
      lastActivityAt: request.now,
      revision: eb('revision', '+', 1),
    }))
    .where('id', '=', executionId)
    .where('projectId', '=', projectId)
    .where('status', 'in', executionMoveFrom('cancel'))
    .returning('revision')
    .executeTakeFirst();
  if (first !== undefined || request.mode !== 'ABORT') return first?.revision ?? null;
  const escalated = await db
    .updateTable('batchExecution')
    .set((eb) => ({ cancelMode: 'ABORT' as const, revision: eb('revision', '+', 1) }))
    .where('id', '=', executionId)
    .where('projectId', '=', projectId)
    .where('status', '=', 'CANCELLING')
    .where('cancelMode', '=', 'DRAIN')
    .returning('revision')
    .executeTakeFirst();
  return escalated?.revision ?? null;
}
