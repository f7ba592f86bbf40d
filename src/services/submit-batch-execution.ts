import type { Actor, Execution } from '../domain/model.ts';
import { InvalidStateError, NotFoundError, ValidationError } from '../domain/user-error.ts';
import { advanceDraft, type Draft, findDraft, lockDraft, submitDraft } from '../store/drafts.ts';
import { findExecution } from '../store/execution-rows.ts';
import type { ServiceDeps } from './ports.ts';
import { requireRole } from './require-role.ts';

export interface SubmitInput {
  readonly batchExecutionId: string;
}

/**
 * Seals a draft's items and starts it; one that was submitted before is answered as it stands.
 *
 * Needs MEMBER. Throws ValidationError with the first missing index where the indexes have a hole, NotFoundError,
 * and InvalidStateError for one that was cancelled.
 */
export async function submitBatchExecution(
  deps: Pick<ServiceDeps, 'db' | 'now' | 'publish' | 'engine'>,
  actor: Actor,
  { batchExecutionId: id }: SubmitInput,
): Promise<Execution> {
  requireRole(actor, 'MEMBER');
  const revision = await submit(deps, actor.projectId, id);
  if (revision !== null) {
    deps.publish(id, revision);
    deps.engine.wake(id);
  }
  const execution = await findExecution(deps.db, actor.projectId, id);
  if (execution === undefined) throw new NotFoundError('batch execution', id);
  if (revision === null && (execution.status === 'CANCELLING' || execution.status === 'CANCELLED')) {
    throw new InvalidStateError(`The execution is ${execution.status} and cannot be submitted.`, execution.status);
  }
  return execution;
}

/** The revision that sealed it, or null when it is no draft. */
async function submit(
  { db, now }: Pick<ServiceDeps, 'db' | 'now'>,
  projectId: string,
  id: string,
): Promise<number | null> {
  for (;;) {
    const draft = await findWholeDraft(db, projectId, id);
    if (draft?.status !== 'DRAFT') return null;
    if (draft.nextIndex < draft.slotCount) throw missingIndex(draft);
    const revision = await db.transaction().execute(async (tx) => {
      const locked = await lockDraft(tx, projectId, id);
      // Someone added items meanwhile, perhaps not all of them: look again.
      if (locked?.status === 'DRAFT' && locked.nextIndex < locked.slotCount) return 'look-again';
      return await submitDraft(tx, id, now());
    });
    if (revision !== 'look-again') return revision;
  }
}

/** The draft, whatever its status, with its first missing index found; null when the project has no such draft. */
export async function findWholeDraft(db: ServiceDeps['db'], projectId: string, id: string): Promise<Draft | null> {
  let draft = await findDraft(db, projectId, id);
  while (draft !== null && draft.nextIndex < draft.slotCount) {
    const { nextIndex, done } = await advanceDraft(db, draft);
    draft = { ...draft, nextIndex };
    if (done) break;
  }
  return draft;
}

const missingIndex = ({ nextIndex, itemCount }: Draft): ValidationError =>
  new ValidationError([
    {
      ...{ loc: ['input', 'batchExecutionId'], type: 'missing_index' },
      msg: `has ${itemCount} items, but none at index ${nextIndex}`,
      ctx: { index: nextIndex },
    },
  ]);
