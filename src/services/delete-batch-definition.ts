import type { Actor, BatchDefinition } from '../domain/model.ts';
import { NotFoundError } from '../domain/user-error.ts';
import { deleteVersions, lockDefinitions } from '../store/definition-versions.ts';
import { findDefinition } from '../store/definitions.ts';
import type { ServiceDeps } from './ports.ts';
import { requireRole } from './require-role.ts';

/** What to delete of a definition: all versions of its name, or the one that the id names. */
export const DEFINITION_SCOPES = ['ALL_VERSIONS', 'THIS_VERSION'] as const;
export type DefinitionScope = (typeof DEFINITION_SCOPES)[number];

/** Which definition to delete, and what of it; all versions by default. */
export interface DeleteBatchDefinitionInput {
  readonly batchDefinitionId: string;
  readonly scope?: DefinitionScope | null | undefined;
}

/**
 * Takes versions out of the lists; nothing new is made from them, and what was made stays whole.
 *
 * Answers the version as it is then, and how many were deleted now: none, when a call before did. Needs MEMBER;
 * throws NotFoundError.
 */
export async function deleteBatchDefinition(
  deps: Pick<ServiceDeps, 'db' | 'now'>,
  actor: Actor,
  { batchDefinitionId, scope }: DeleteBatchDefinitionInput,
): Promise<{ definition: BatchDefinition; deletedCount: number }> {
  requireRole(actor, 'MEMBER');
  const { projectId } = actor;
  const found = await findDefinition(deps.db, projectId, batchDefinitionId);
  if (found === null) throw new NotFoundError('batch definition', batchDefinitionId);
  return await deps.db.transaction().execute(async (tx) => {
    await lockDefinitions(tx, projectId);
    // A version that is deleted no longer stands for its name, which may have been taken up again.
    const now = await findDefinition(tx, projectId, found.id);
    const isGone = now === null || now.deletedAt !== null;
    const which = { projectId, name: found.name, ...(scope === 'THIS_VERSION' && { id: found.id }) };
    const deletedCount = isGone ? 0 : await deleteVersions(tx, which, deps.now());
    return { definition: (await findDefinition(tx, projectId, found.id)) ?? found, deletedCount };
  });
}
