/** Changing an execution: what steers it while it is open, its name and metadata at any time. */
import type { Actor, Execution } from '../domain/model.ts';
import { InvalidStateError, NotFoundError } from '../domain/user-error.ts';
import { changeExecution, type ExecutionChange } from '../store/control-execution.ts';
import { findExecution } from '../store/execution-rows.ts';
import { checkInput } from './check-input.ts';
import { type ChangesInput, changesSchema } from './execution-control.ts';
import type { ServiceDeps } from './ports.ts';
import { requireRole } from './require-role.ts';

/**
 * Commits the changes and tells the engine, which follows them within a second.
 *
 * A lower concurrency ends no call: the surplus runs out. `deadlineAt: null`, `metadata: null` and a budget of null take these away. Of
 * an execution that has ended only name and metadata can be changed; else it is an InvalidStateError, and nothing is.
 */
export async function updateBatchExecution(deps: ServiceDeps, actor: Actor, input: ChangesInput): Promise<Execution> {
  requireRole(actor, 'MEMBER');
  const { batchExecutionId: id, deadlineAt, ...given } = checkInput(changesSchema(deps.now()), input);
  const execution = await findExecution(deps.db, actor.projectId, id);
  if (execution === undefined) throw new NotFoundError('batch execution', id);
  const change: ExecutionChange = {
    ...(given.concurrency != null && { concurrency: given.concurrency }),
    ...(given.retryLimit != null && { retryLimit: given.retryLimit }),
    ...(given.priority != null && { priority: given.priority }),
    ...(deadlineAt !== undefined && { deadlineAt }),
    ...(given.tokenBudget !== undefined && { tokenBudget: given.tokenBudget }),
    ...(given.costBudget !== undefined && { costBudget: given.costBudget?.toString() ?? null }),
    ...(given.name != null && { name: given.name }),
    ...(given.metadata !== undefined && {
      metadata: given.metadata === null ? null : JSON.stringify(given.metadata),
    }),
  };
  if (Object.keys(change).length === 0) return execution;
  const revision = await changeExecution(deps.db, id, change);
  const after = await findExecution(deps.db, actor.projectId, id);
  if (after === undefined) throw new NotFoundError('batch execution', id);
  if (revision === null) {
    throw new InvalidStateError(
      `The execution has ended as ${after.status}: only its name and metadata can be changed.`,
      after.status,
    );
  }
  deps.publish(id, revision);
  deps.engine.wake(id);
  return after;
}
