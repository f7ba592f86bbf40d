/** Datasources: named sets of inputs. */
import { sql } from 'kysely';
import type { Datasource, DatasourceKind } from '../domain/model.ts';
import type { Page } from '../domain/page.ts';
import type { Db, Tx } from './database.ts';
import { keysetPage } from './keyset.ts';
import { type Blanks, frequent, named } from './statement-name.ts';

/** A datasource to store; `contentHash` for INLINE only. */
export interface NewDatasource extends Datasource {
  readonly contentHash: string | null;
}

interface DatasourceRow {
  id: string;
  projectId: string;
  kind: DatasourceKind;
  name: string;
  description: string | null;
  folderPath: string | null;
  folderGlob: string | null;
  createdAt: Date;
}

const COLUMNS = ['id', 'projectId', 'kind', 'name', 'description', 'folderPath', 'folderGlob', 'createdAt'] as const;

function toDatasource({ folderPath, folderGlob, ...row }: DatasourceRow): Datasource {
  return { ...row, folder: folderPath === null || folderGlob === null ? null : { path: folderPath, glob: folderGlob } };
}

/** Stores a named datasource; `false` when the project has one with this name. */
export async function insertDatasource(db: Db, { folder, ...datasource }: NewDatasource): Promise<boolean> {
  const stored = await named(db, 'insertDatasource')
    .insertInto('datasource')
    .values({ ...datasource, folderPath: folder?.path ?? null, folderGlob: folder?.glob ?? null })
    .onConflict((conflict) => conflict.doNothing())
    .returning('id')
    .executeTakeFirst();
  return stored !== undefined;
}

/** The project's datasource with this id, or null. */
export async function findDatasource(db: Db, projectId: string, id: string): Promise<Datasource | null> {
  const row = await named(db, 'findDatasource')
    .selectFrom('datasource')
    .select(COLUMNS)
    .where('id', '=', id)
    .where('projectId', '=', projectId)
    .executeTakeFirst();
  return row === undefined ? null : toDatasource(row);
}

/** The datasource that an execution reads; null when it is gone, or the execution. */
export async function findExecutionDatasource(db: Db, executionId: string): Promise<Datasource | null> {
  const [row] = await executionDatasource(db, { executionId });
  return row === undefined ? null : toDatasource(row);
}

const executionDatasource = frequent(
  'findExecutionDatasource',
  (db, { executionId }: Blanks<{ executionId: string }>) =>
    db
      .selectFrom('datasource')
      .select(COLUMNS)
      .where(({ eb, refTuple, selectFrom }) =>
        eb(
          refTuple('id', 'projectId'),
          'in',
          selectFrom('batchExecution')
            .select(['inputDatasourceId', 'projectId'])
            .where('batchExecution.id', '=', executionId)
            .$asTuple('inputDatasourceId', 'projectId'),
        ),
      ),
);

/** The project's datasources with these ids, in no order. */
export async function findDatasources(
  db: Db,
  projectId: string,
  ids: readonly string[],
): Promise<readonly Datasource[]> {
  if (ids.length === 0) return [];
  const rows = await named(db, 'findDatasources')
    .selectFrom('datasource')
    .select(COLUMNS)
    .where('projectId', '=', projectId)
    .where('id', 'in', ids)
    .execute();
  return rows.map(toDatasource);
}

/** The id of the project's datasource with this name (INLINE and EXECUTION_RESULTS ones have no name of their own), or null. */
export async function findDatasourceIdByName(db: Db, projectId: string, name: string): Promise<string | null> {
  const row = await named(db, 'findDatasourceIdByName')
    .selectFrom('datasource')
    .select('id')
    .where('projectId', '=', projectId)
    .where('name', '=', name)
    .where('kind', 'not in', ['INLINE', 'EXECUTION_RESULTS'])
    .executeTakeFirst();
  return row?.id ?? null;
}

/** The project's INLINE datasource whose items have this hash, kept from being deleted; null when there is none. */
export async function keepInlineDatasource(tx: Tx, projectId: string, contentHash: string): Promise<Datasource | null> {
  const row = await named(tx, 'keepInlineDatasource')
    .selectFrom('datasource')
    .select(COLUMNS)
    .where('projectId', '=', projectId)
    .where('contentHash', '=', contentHash)
    .where('kind', '=', 'INLINE')
    .forKeyShare()
    .executeTakeFirst();
  return row === undefined ? null : toDatasource(row);
}

/** Keeps a datasource from being deleted until the transaction ends; `false` when the project has no such datasource. */
export async function keepDatasource(tx: Tx, projectId: string, id: string): Promise<boolean> {
  const row = await named(tx, 'keepDatasource')
    .selectFrom('datasource')
    .select('id')
    .where('id', '=', id)
    .where('projectId', '=', projectId)
    .forKeyShare()
    .executeTakeFirst();
  return row !== undefined;
}

/** A page of the project's datasources of these kinds, oldest first. */
export async function listDatasources(
  db: Db,
  projectId: string,
  page: Page,
  kinds: readonly DatasourceKind[],
): Promise<readonly Datasource[]> {
  let query = named(db, 'listDatasources')
    .selectFrom('datasource')
    .select(COLUMNS)
    .where('projectId', '=', projectId)
    .where('kind', 'in', kinds);
  // As literals, which the planner finds in the condition of the index of the named ones.
  for (const kind of ['INLINE', 'EXECUTION_RESULTS'] as const) {
    if (!kinds.includes(kind)) query = query.where('kind', '<>', sql.lit(kind));
  }
  const rows = await keysetPage(query, ['createdAt', 'id'], page).execute();
  return rows.map(toDatasource);
}

/** Locks the datasource's row against other writers of its elements; null when the project has no such datasource. */
export async function lockDatasource(tx: Tx, projectId: string, id: string): Promise<Datasource | null> {
  const row = await named(tx, 'lockDatasource')
    .selectFrom('datasource')
    .select(COLUMNS)
    .where('id', '=', id)
    .where('projectId', '=', projectId)
    .forNoKeyUpdate()
    .executeTakeFirst();
  return row === undefined ? null : toDatasource(row);
}

/** Locks the datasource's row also against new references to it; `false` when the project has no such datasource. */
export async function lockDatasourceWhole(tx: Tx, projectId: string, id: string): Promise<boolean> {
  const row = await named(tx, 'lockDatasourceWhole')
    .selectFrom('datasource')
    .select('id')
    .where('id', '=', id)
    .where('projectId', '=', projectId)
    .forUpdate()
    .executeTakeFirst();
  return row !== undefined;
}

/** Deletes a datasource; its elements are left to be swept. Fails when an execution refers to it. */
export async function deleteDatasource(tx: Tx, projectId: string, id: string): Promise<void> {
  await named(tx, 'deleteDatasource')
    .deleteFrom('datasource')
    .where('id', '=', id)
    .where('projectId', '=', projectId)
    .execute();
}

/** An open execution whose results the datasource gathers, or null. */
export async function findExecutionWriting(db: Db, datasourceId: string): Promise<string | null> {
  const row = await named(db, 'findExecutionWriting')
    .selectFrom('batchExecution')
    .select('id')
    .where('outputDatasourceId', '=', datasourceId)
    .where('endedAt', 'is', null)
    .limit(1)
    .executeTakeFirst();
  return row?.id ?? null;
}

/** An execution that reads the datasource, an open one if there is any; null when none does. */
export async function findExecutionReading(
  db: Db,
  datasourceId: string,
): Promise<{ id: string; isOpen: boolean } | null> {
  const row = await named(db, 'findExecutionReading')
    .selectFrom('batchExecution')
    .select(['id', 'endedAt'])
    .where('inputDatasourceId', '=', datasourceId)
    .orderBy('endedAt', (order) => order.desc().nullsFirst())
    .limit(1)
    .executeTakeFirst();
  return row === undefined ? null : { id: row.id, isOpen: row.endedAt === null };
}

/** The names that a project's folder may have: its id, then its slug unless another project has the same. */
export async function findProjectFolders(db: Db, projectId: string): Promise<readonly string[]> {
  const row = await named(db, 'findProjectFolders')
    .selectFrom('project as p')
    .select(['p.id', 'p.slug'])
    .select(({ exists, selectFrom }) =>
      exists(
        selectFrom('project as other')
          .select('other.id')
          .whereRef('other.slug', '=', 'p.slug')
          .whereRef('other.id', '<>', 'p.id'),
      ).as('shared'),
    )
    .where('p.id', '=', projectId)
    .executeTakeFirst();
  if (row === undefined) return [];
  return row.shared ? [row.id] : [row.id, row.slug];
}
