import { z } from 'zod';
import { LIMITS } from '../domain/limits.ts';
import type { Actor, Execution } from '../domain/model.ts';
import { NotFoundError } from '../domain/user-error.ts';
import { removeDraftItems } from '../store/draft-items.ts';
import { lockDraft, touchDraft } from '../store/drafts.ts';
import { findExecution } from '../store/execution-rows.ts';
import { checkInput } from './check-input.ts';
import { MAX_INDEX, mustBeDraft } from './draft-items.ts';
import type { ServiceDeps } from './ports.ts';
import { requireRole } from './require-role.ts';
import { storableString } from './storable-string.ts';

const schema = z
  .object({
    batchExecutionId: z.string(),
    indexes: z.array(z.int().min(0).max(MAX_INDEX)).max(LIMITS.inlineItems).nullish(),
    dataElementIds: z.array(storableString(LIMITS.elementIdBytes)).max(LIMITS.inlineItems).nullish(),
  })
  .refine(({ indexes, dataElementIds }) => (indexes?.length ?? 0) + (dataElementIds?.length ?? 0) > 0, {
    message: 'names no item: give indexes or dataElementIds',
  });

/** Which items to take out of which draft. */
export type RemoveBatchItemsInput = z.input<typeof schema>;

/**
 * Takes items out of a draft; what is not there is no problem, so that a call may be repeated.
 *
 * The others keep their indexes. One that is free so may be given again, and needs not be: what runs has no holes.
 * Needs MEMBER; throws ValidationError, NotFoundError, or InvalidStateError when the execution is no DRAFT.
 */
export async function removeBatchItems(
  deps: Pick<ServiceDeps, 'db' | 'now' | 'publish'>,
  actor: Actor,
  input: RemoveBatchItemsInput,
): Promise<{ readonly execution: Execution; readonly removedCount: number }> {
  requireRole(actor, 'MEMBER');
  const { batchExecutionId: id, indexes, dataElementIds } = checkInput(schema, input);
  const { removedCount, revision } = await deps.db.transaction().execute(async (tx) => {
    const draft = await mustBeDraft(tx, actor.projectId, id, await lockDraft(tx, actor.projectId, id));
    const removed = await removeDraftItems(tx, draft, { ids: dataElementIds ?? [], indexes: indexes ?? [] });
    return { removedCount: removed, revision: removed === 0 ? null : await touchDraft(tx, id, deps.now()) };
  });
  if (revision !== null) deps.publish(id, revision);
  const execution = await findExecution(deps.db, actor.projectId, id);
  // Deleted since.
  if (execution === undefined) throw new NotFoundError('batch execution', id);
  return { execution, removedCount };
}
