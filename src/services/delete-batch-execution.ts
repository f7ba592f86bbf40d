import type { Actor } from '../domain/model.ts';
import { InvalidStateError, NotFoundError } from '../domain/user-error.ts';
import { deleteExecution } from '../store/delete-execution.ts';
import type { ServiceDeps } from './ports.ts';
import { requireRole } from './require-role.ts';

/**
 * Deletes an execution that has ended, or a draft, with everything that belongs to it; its id.
 *
 * It is invisible at once, and its streams end; rows go by and by, also after a crash. Deleting it again is a
 * success for a week. Needs MEMBER; throws NotFoundError, or InvalidStateError while it is open.
 */
export async function deleteBatchExecution(
  deps: Pick<ServiceDeps, 'db' | 'now' | 'publish'>,
  actor: Actor,
  { batchExecutionId: id }: { readonly batchExecutionId: string },
): Promise<string> {
  requireRole(actor, 'MEMBER');
  const deletion = await deleteExecution(deps.db, { projectId: actor.projectId, id }, deps.now());
  if (deletion.outcome === 'missing') throw new NotFoundError('batch execution', id);
  if (deletion.outcome === 'refused') {
    const { status } = deletion;
    const message = `The execution is ${status}; only a DRAFT or one that has ended can be deleted. End it with cancelBatchExecution first.`;
    throw new InvalidStateError(message, status);
  }
  if (deletion.outcome === 'deleted') deps.publish(id, deletion.revision);
  return id;
}
