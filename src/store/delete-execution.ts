/** Deleting an execution: its row at once, what hangs on it later. */
import { sql } from 'kysely';
import { type ExecutionStatus, isDeletable } from '../domain/states.ts';
import type { Db, Tx } from './database.ts';
import { lockDatasourceWhole } from './datasources.ts';
import { logDeletion } from './listed-changes.ts';
import { named } from './statement-name.ts';

/** What a deletion came to; `repeated`: it was deleted before. */
export type Deletion =
  | { readonly outcome: 'deleted'; readonly revision: number }
  | { readonly outcome: 'repeated' | 'missing' }
  | { readonly outcome: 'refused'; readonly status: ExecutionStatus };

type Key = { readonly projectId: string; readonly id: string };

/**
 * Deletes an execution that has ended, or a draft, in one transaction: from then on nobody can find it.
 *
 * With it go the datasources that were made for it alone, and the definition that only such a datasource had. Their
 * rows are few; items and elements may be millions, are found through those rows only, and are left to be swept.
 * With `endedBefore` an execution that has not ended by then is left alone.
 */
export async function deleteExecution(
  db: Db,
  { projectId, id }: Key,
  now: Date,
  endedBefore?: Date,
): Promise<Deletion> {
  return await db.transaction().execute(async (tx) => {
    const row = await named(tx, 'lockToDelete')
      .selectFrom('batchExecution')
      .select(['status', 'revision', 'endedAt', 'definitionId', 'inputDatasourceId', 'outputDatasourceId'])
      .where('id', '=', id)
      .where('projectId', '=', projectId)
      .forUpdate()
      .executeTakeFirst();
    if (row === undefined) return { outcome: (await isDeleted(tx, { projectId, id })) ? 'repeated' : 'missing' };
    const isLater = endedBefore !== undefined && (row.endedAt === null || row.endedAt >= endedBefore);
    if (isLater || !isDeletable(row.status)) return { outcome: 'refused', status: row.status };
    await noteDeletion(tx, { projectId, id }, 'EXECUTION', now);
    await logDeletion(tx, projectId, id);
    await named(tx, 'deleteExecution').deleteFrom('batchExecution').where('id', '=', id).execute();
    const own = new Set([row.inputDatasourceId, ...(row.outputDatasourceId === null ? [] : [row.outputDatasourceId])]);
    for (const datasourceId of own) await deleteUnused(tx, { projectId, id: datasourceId }, row.definitionId, now);
    return { outcome: 'deleted', revision: row.revision + 1 };
  });
}

/** Notes that an object's row is deleted, so that what hung on it is swept. */
export async function noteDeletion(
  tx: Tx,
  { projectId, id }: Key,
  kind: 'EXECUTION' | 'DATASOURCE',
  now: Date,
): Promise<void> {
  await named(tx, 'noteDeletion')
    .insertInto('deletion')
    .values({ id, projectId, kind, deletedAt: now, sweptAt: null })
    .execute();
}

/** Executions that ended longer ago than their project keeps them (`days` where it says nothing; null: for ever). */
export async function findOutlived(
  db: Db,
  days: number | null,
  now: Date,
  limit: number,
): Promise<readonly (Key & { readonly endedBefore: Date })[]> {
  const projects = await named(db, 'findRetention')
    .selectFrom('project')
    .select(['id', 'retentionDays'])
    .$if(days === null, (query) => query.where('retentionDays', 'is not', null))
    .execute();
  const found: (Key & { endedBefore: Date })[] = [];
  for (const { id: projectId, retentionDays } of projects) {
    const endedBefore = new Date(now.getTime() - (retentionDays ?? days ?? 0) * DAY_MS);
    const rows = await named(db, 'findOutlived')
      .selectFrom('batchExecution')
      .select('id')
      .where('projectId', '=', projectId)
      .where('endedAt', '<', endedBefore)
      .orderBy('endedAt')
      .limit(limit)
      .execute();
    found.push(...rows.map(({ id }) => ({ projectId, id, endedBefore })));
  }
  return found;
}

const DAY_MS = 86_400_000;

async function isDeleted(tx: Tx, { projectId, id }: Key): Promise<boolean> {
  const row = await named(tx, 'isDeleted')
    .selectFrom('deletion')
    .select('id')
    .where('id', '=', id)
    .where('projectId', '=', projectId)
    .executeTakeFirst();
  return row !== undefined;
}

/** Deletes a datasource that came with an execution, unless an execution or a definition still names it. */
async function deleteUnused(tx: Tx, key: Key, definitionId: string, now: Date): Promise<void> {
  const { kind } = (await named(tx, 'findKind')
    .selectFrom('datasource')
    .select('kind')
    .where('id', '=', key.id)
    .executeTakeFirst()) ?? { kind: null };
  if (kind !== 'INLINE' && kind !== 'EXECUTION_RESULTS') return;
  // Whoever makes an execution of it holds the row by a foreign key; it is waited for and then seen.
  if (!(await lockDatasourceWhole(tx, key.projectId, key.id))) return;
  if (await isNamed(tx, key)) return;
  // Nothing but this datasource made it worth keeping, and what is soft-deleted breaks no reference.
  await named(tx, 'deleteOwnDefinition')
    .updateTable('batchDefinition')
    .set({ deletedAt: now })
    .where('id', '=', definitionId)
    .where('implicit', '=', true)
    .where('deletedAt', 'is', null)
    .where(sql`spec -> 'input' ->> 'datasourceId'`, '=', key.id)
    .execute();
  await named(tx, 'deleteOwnDatasource').deleteFrom('datasource').where('id', '=', key.id).execute();
  await noteDeletion(tx, key, 'DATASOURCE', now);
}

/** Whether an execution or a definition that somebody asked for names the datasource. */
async function isNamed(tx: Tx, { projectId, id }: Key): Promise<boolean> {
  const byExecution = await named(tx, 'isNamedByExecution')
    .selectFrom('batchExecution')
    .select('id')
    .where((eb) => eb.or([eb('inputDatasourceId', '=', id), eb('outputDatasourceId', '=', id)]))
    .limit(1)
    .executeTakeFirst();
  if (byExecution !== undefined) return true;
  const byDefinition = await named(tx, 'isNamedByDefinition')
    .selectFrom('batchDefinition')
    .select('id')
    .where('projectId', '=', projectId)
    .where('implicit', '=', false)
    .where('deletedAt', 'is', null)
    // Raw: Kysely would type the path through a union of the specs' shapes.
    .where(sql<boolean>`${id} in (spec -> 'input' ->> 'datasourceId', spec -> 'output' ->> 'datasourceId')`)
    .limit(1)
    .executeTakeFirst();
  return byDefinition !== undefined;
}
