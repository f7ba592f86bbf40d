/** Cancelling an execution. */
import { z } from 'zod';
import { type Actor, CANCEL_MODES, type CancelMode, type Execution } from '../domain/model.ts';
import { InvalidStateError, NotFoundError } from '../domain/user-error.ts';
import { findExecution } from '../store/execution-rows.ts';
import { requestCancel } from '../store/request-cancel.ts';
import { checkInput } from './check-input.ts';
import type { ServiceDeps } from './ports.ts';
import { requireRole } from './require-role.ts';
import { storableString } from './storable-string.ts';

export interface CancelBatchExecutionInput {
  readonly batchExecutionId: string;
  readonly mode?: CancelMode | null | undefined;
  readonly reason?: string | null | undefined;
}

const schema = z.object({
  batchExecutionId: z.string(),
  mode: z.enum(CANCEL_MODES).nullish(),
  reason: storableString(1_000).nullish(),
});

/**
 * Commits the cancel and tells the engine; the answer is the execution as CANCELLING, or further on.
 *
 * Idempotent: an execution that is being or has been cancelled is answered as it stands, and ABORT turns a DRAIN
 * under way into an abort. One that ended otherwise is an InvalidStateError.
 */
export async function cancelBatchExecution(
  deps: ServiceDeps,
  actor: Actor,
  input: CancelBatchExecutionInput,
): Promise<Execution> {
  requireRole(actor, 'MEMBER');
  const { batchExecutionId: id, mode, reason } = checkInput(schema, input);
  const request = { mode: mode ?? 'ABORT', reason: reason ?? null, now: deps.now() } as const;
  const revision = await requestCancel(deps.db, actor.projectId, id, request);
  if (revision !== null) {
    deps.engine.hold(id);
    deps.publish(id, revision);
    deps.engine.wake(id);
  }
  const execution = await findExecution(deps.db, actor.projectId, id);
  if (execution === undefined) throw new NotFoundError('batch execution', id);
  if (revision === null && execution.status !== 'CANCELLING' && execution.status !== 'CANCELLED') {
    throw new InvalidStateError(
      `The execution has ended as ${execution.status} and cannot be cancelled.`,
      execution.status,
    );
  }
  return execution;
}
