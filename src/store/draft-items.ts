/** The items of a draft: elements whose place in their datasource is their index. */
import { type RawBuilder, sql } from 'kysely';
import { anyOf } from './any-of.ts';
import type { Db, Tx } from './database.ts';
import { draftRows, ELEMENT_COLUMNS, type IndexedElement } from './draft-rows.ts';
import { named } from './statement-name.ts';

/** What tells one stored item from another; two that agree in all of it are the same item. */
export type ItemIdentity = Pick<
  IndexedElement,
  'id' | 'index' | 'filename' | 'mediaType' | 'metadata' | 'contentHash' | 'sourceDatasourceId'
>;

const UNIQUE_VIOLATION = '23505';

/** Whether an error says that an index or an id was there already. */
export const isTaken = (error: unknown): boolean =>
  error instanceof Error && Reflect.get(error, 'code') === UNIQUE_VIOLATION;

/**
 * Stores the items whose index and id are both free; the indexes of those that were stored.
 *
 * The execution must be locked.
 */
export async function insertDraftItems(
  tx: Tx,
  datasourceId: string,
  items: readonly IndexedElement[],
  now: Date,
): Promise<ReadonlySet<number>> {
  const query = insertion(datasourceId, items, now, sql`on conflict do nothing returning position`);
  const { rows } = await query.execute(tx);
  return new Set(rows.map((row) => row.position));
}

/** Raw: a place of our own overrides the column's identity. */
function insertion(
  datasourceId: string,
  items: readonly IndexedElement[],
  now: Date,
  tail: RawBuilder<unknown>,
): RawBuilder<{ position: number }> {
  const { values, relation } = draftRows(items, sql`${datasourceId}`, now);
  return sql`/* insertDraftItems */
insert into data_element (${ELEMENT_COLUMNS})
overriding system value
select ${values} from ${relation}
${tail}`;
}

/** What is stored under any of these ids or at any of these indexes, in no order. */
export async function findDraftItems(
  db: Db,
  datasourceId: string,
  keys: { readonly ids: readonly string[]; readonly indexes: readonly number[] },
): Promise<readonly ItemIdentity[]> {
  // Raw: one array each, and a union, because an OR over two indexes is left to the planner's statistics.
  const { rows } = await sql<ItemIdentity>`/* findDraftItems */
with found as (
  select position from data_element
  where datasource_id = ${datasourceId} and id = any(${keys.ids}::text[])
  union
  select position from data_element
  where datasource_id = ${datasourceId} and position = any(${keys.indexes}::bigint[])
)
select e.id, e.position as index, e.filename, e.media_type, e.metadata::text as metadata, e.content_hash,
  e.source_datasource_id
from found join data_element e on e.datasource_id = ${datasourceId} and e.position = found.position`.execute(db);
  return rows;
}

/** Takes items out of a draft by their ids and indexes; how many there were. The execution must be locked. */
export async function removeDraftItems(
  tx: Tx,
  draft: { readonly id: string; readonly datasourceId: string },
  keys: { readonly ids: readonly string[]; readonly indexes: readonly number[] },
): Promise<number> {
  // Raw: what goes leaves its index behind, in one round trip; a union, as in `findDraftItems`.
  const { rows } = await sql<{ n: number }>`/* removeDraftItems */
with found as (
  select position from data_element
  where datasource_id = ${draft.datasourceId} and id = any(${keys.ids}::text[])
  union
  select position from data_element
  where datasource_id = ${draft.datasourceId} and position = any(${keys.indexes}::bigint[])
), gone as (
  delete from data_element e using found
  where e.datasource_id = ${draft.datasourceId} and e.position = found.position
  returning e.position
), gaps as (
  insert into batch_draft_gap (execution_id, index) select ${draft.id}, position from gone
), noted as (
  update batch_draft set removed_count = removed_count + (select count(*) from gone) where execution_id = ${draft.id}
)
select count(*)::int as n from gone`.execute(tx);
  return rows[0]?.n ?? 0;
}

/** Forgets that items were taken out at indexes that have one again; how many there were. */
export async function refillGaps(tx: Tx, executionId: string, indexes: readonly number[]): Promise<number> {
  const { numDeletedRows } = await named(tx, 'refillGaps')
    .deleteFrom('batchDraftGap')
    .where('executionId', '=', executionId)
    .where('index', '=', anyOf(indexes, 'int[]'))
    .executeTakeFirst();
  return Number(numDeletedRows);
}

/** The index behind the last item; 0 when there is none. */
export async function endOfDraft(db: Db, datasourceId: string): Promise<number> {
  const row = await named(db, 'endOfDraft')
    .selectFrom('dataElement')
    .select('position')
    .where('datasourceId', '=', datasourceId)
    .orderBy('position', 'desc')
    .limit(1)
    .executeTakeFirst();
  return row === undefined ? 0 : row.position + 1;
}
