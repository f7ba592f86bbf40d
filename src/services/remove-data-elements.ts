import { z } from 'zod';
import { LIMITS } from '../domain/limits.ts';
import type { Actor, Datasource } from '../domain/model.ts';
import { NotFoundError } from '../domain/user-error.ts';
import { deleteElements } from '../store/data-elements.ts';
import { lockDatasource } from '../store/datasources.ts';
import { mustBeStored } from './add-data-elements.ts';
import { checkInput } from './check-input.ts';
import type { ServiceDeps } from './ports.ts';
import { requireRole } from './require-role.ts';
import { storableString } from './storable-string.ts';

const schema = z.object({
  datasourceId: z.string(),
  elementIds: z.array(storableString(LIMITS.elementIdBytes)).min(1).max(LIMITS.inlineItems),
});

/** Which elements to delete from where. */
export type RemoveDataElementsInput = z.input<typeof schema>;

/**
 * Deletes elements of a STORED datasource and answers the ids of those that were there.
 *
 * An item of an execution whose element is gone fails as `element_not_found` when it is run. Needs MEMBER; throws
 * ValidationError, NotFoundError, or InvalidStateError for a datasource of another kind.
 */
export async function removeDataElements(
  deps: Pick<ServiceDeps, 'db'>,
  actor: Actor,
  input: RemoveDataElementsInput,
): Promise<{ datasource: Datasource; removedIds: readonly string[] }> {
  requireRole(actor, 'MEMBER');
  const { datasourceId, elementIds } = checkInput(schema, input);
  return await deps.db.transaction().execute(async (tx) => {
    const datasource = await lockDatasource(tx, actor.projectId, datasourceId);
    if (datasource === null) throw new NotFoundError('datasource', datasourceId);
    mustBeStored(datasource);
    const removed = new Set(await deleteElements(tx, datasource.id, elementIds));
    return { datasource, removedIds: [...new Set(elementIds)].filter((id) => removed.has(id)) };
  });
}
