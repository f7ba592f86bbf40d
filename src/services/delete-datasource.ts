import type { Actor } from '../domain/model.ts';
import { InvalidStateError, NotFoundError } from '../domain/user-error.ts';
import * as store from '../store/datasources.ts';
import type { ServiceDeps } from './ports.ts';
import { requireRole } from './require-role.ts';

/**
 * Deletes a datasource with its elements; the files of a folder stay.
 *
 * Refused with InvalidStateError while an execution refers to it, open (`IN_USE`) or ended (`REFERENCED`): a retry
 * of an ended one reads the elements again. Needs MEMBER; throws NotFoundError.
 */
export async function deleteDatasource(
  deps: Pick<ServiceDeps, 'db'>,
  actor: Actor,
  datasourceId: string,
): Promise<string> {
  requireRole(actor, 'MEMBER');
  return await deps.db.transaction().execute(async (tx) => {
    // An execution that is being created holds the row by its foreign key; it is waited for and then seen.
    if (!(await store.lockDatasourceWhole(tx, actor.projectId, datasourceId)))
      throw new NotFoundError('datasource', datasourceId);
    const reader = await store.findExecutionReading(tx, datasourceId);
    if (reader !== null) throw inUse(reader);
    await store.deleteDatasource(tx, actor.projectId, datasourceId);
    return datasourceId;
  });
}

const inUse = ({ id, isOpen }: { id: string; isOpen: boolean }): InvalidStateError =>
  isOpen
    ? new InvalidStateError(`The batch execution ${id} is reading this datasource.`, 'IN_USE')
    : new InvalidStateError(`The batch execution ${id} ran on this datasource and may be retried.`, 'REFERENCED');
