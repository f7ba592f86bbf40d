import type { Actor } from '../domain/model.ts';
import { InvalidStateError, NotFoundError } from '../domain/user-error.ts';
import * as store from '../store/datasources.ts';
import { noteDeletion } from '../store/delete-execution.ts';
import type { ServiceDeps } from './ports.ts';
import { requireRole } from './require-role.ts';

/**
 * Deletes a datasource with its elements; the files of a folder stay, and so do results with their items.
 *
 * Refused with InvalidStateError while an execution reads it, open (`IN_USE`) or ended (`REFERENCED`): a retry
 * of an ended one reads the elements again; and while an open one writes its results to it (`IN_USE`). An ended
 * one that did has no output datasource from then on. Needs MEMBER; throws NotFoundError.
 */
export async function deleteDatasource(
  deps: Pick<ServiceDeps, 'db' | 'now'>,
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
    const writer = await store.findExecutionWriting(tx, datasourceId);
    if (writer !== null) {
      throw new InvalidStateError(`The batch execution ${writer} is writing its results to this datasource.`, 'IN_USE');
    }
    await store.deleteDatasource(tx, actor.projectId, datasourceId);
    // Its elements go by and by: in one statement with it, a million of them would stall everything.
    await noteDeletion(tx, { projectId: actor.projectId, id: datasourceId }, 'DATASOURCE', deps.now());
    return datasourceId;
  });
}

const inUse = ({ id, isOpen }: { id: string; isOpen: boolean }): InvalidStateError =>
  isOpen
    ? new InvalidStateError(`The batch execution ${id} is reading this datasource.`, 'IN_USE')
    : new InvalidStateError(`The batch execution ${id} ran on this datasource and may be retried.`, 'REFERENCED');
