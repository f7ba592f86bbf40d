/** The frozen inputs of items. */
import { sql } from 'kysely';
import type { Datasource, DocumentName } from '../domain/model.ts';
import type { Db } from './database.ts';
import { findDatasource } from './datasources.ts';
import { named } from './statement-name.ts';

/** What was listed of an item's element when it was frozen. */
export interface InputRow {
  readonly ordinal: number;
  readonly elementId: string;
  readonly filename: string;
  readonly mediaType: string;
  readonly metadata: unknown;
  readonly documentNames: readonly DocumentName[] | null;
}

/** The inputs of these items, in no order. */
export async function readInputs(
  db: Db,
  executionId: string,
  ordinals: readonly number[],
): Promise<readonly InputRow[]> {
  const [first = 0, last = 0] = [ordinals.at(0), ordinals.at(-1)];
  // The id is hidden from the planner in `x`: statistics that do not know it yet promise a single row, by any index.
  if (ordinals.every((ordinal, index) => ordinal === first + index)) {
    // A stretch, as a claim on a fresh execution is: read in one go, in half the time.
    const stretch = await sql<InputRow>`/* readInputStretch */
    with x as materialized (select ${executionId}::text as id)
    select i.* from x, lateral (
      select ordinal, element_id, filename, media_type, metadata, document_names from batch_item_input
      where execution_id = x.id and ordinal between ${first}::int and ${last}::int offset 0
    ) i`.execute(db);
    return stretch.rows;
  }
  // Raw: one array instead of a parameter each; `abs` makes the planner look each up by key (see `settle`).
  const { rows } = await sql<InputRow>`/* readInputs */
    with x as materialized (select ${executionId}::text as id)
    select i.ordinal, i.element_id, i.filename, i.media_type, i.metadata, i.document_names
    from x cross join unnest(${ordinals}::int[]) as u(ordinal)
    join batch_item_input i on i.execution_id = x.id and i.ordinal = u.ordinal
    where abs(u.ordinal) = u.ordinal`.execute(db);
  return rows;
}

/** The datasource that an execution reads, or null when there is no such execution. */
export async function findExecutionDatasource(db: Db, executionId: string): Promise<Datasource | null> {
  const row = await named(db, 'findExecutionDatasource')
    .selectFrom('batchExecution')
    .select(['projectId', 'inputDatasourceId'])
    .where('id', '=', executionId)
    .executeTakeFirst();
  return row === undefined ? null : await findDatasource(db, row.projectId, row.inputDatasourceId);
}
