/** Freezing items whose elements are rows of this database: they never leave it. */
import { sql } from 'kysely';
import { closing, countMove } from './count-moves.ts';
import type { Db } from './database.ts';
import { unfrozenOnly } from './freeze.ts';

export interface StoredFreezeChunk {
  /** Where the chunk starts; the write applies only while the execution stands there. */
  readonly from: { readonly cursor: string | null; readonly total: number };
  readonly datasourceId: string;
  /** Only these elements; all when absent. */
  readonly elementIds: readonly string[] | undefined;
  readonly limit: number;
  /** Leaves out elements that are items already: one was removed and added again while it was frozen. */
  readonly dedupe: boolean;
}

/** What one chunk did. */
export interface StoredFreezeAnswer {
  /** Elements that were found behind the cursor; 0: there are no more. */
  readonly found: number;
  /** The execution's new revision; null when nothing was found, or when another process or a cancel was faster. */
  readonly revision: number | null;
}

/**
 * Appends the next elements of a datasource as QUEUED items in one statement, as `appendItems` does with rows of
 * the caller's. The cursor that it leaves is a position as text, null behind the last element.
 *
 * Raw: an INSERT from a SELECT with the counts in one round trip. The inputs are copied before the execution is
 * locked, because its lock asks for their number: copying is most of the work, and flushes and claims go on
 * meanwhile. Where the execution no longer stands at the chunk's start, an item without an execution is refused, and
 * the whole statement with it. The datasource's id is hidden from the planner, to which statistics that do not know
 * it yet promise a single element, and so no need of the index in their order.
 */
export async function appendStoredItems(
  db: Db,
  executionId: string,
  chunk: StoredFreezeChunk,
  now: Date,
): Promise<StoredFreezeAnswer> {
  try {
    const { rows } = await appendStatement(executionId, chunk, now).execute(db);
    return rows[0] ?? { found: 0, revision: null };
  } catch (error) {
    if (error instanceof Error && Reflect.get(error, 'code') === NOT_NULL_VIOLATION)
      return { found: 0, revision: null };
    throw error;
  }
}

const NOT_NULL_VIOLATION = '23502';

function appendStatement(executionId: string, chunk: StoredFreezeChunk, now: Date) {
  const { from, datasourceId, elementIds, limit, dedupe } = chunk;
  const after = from.cursor === null ? -1 : Number(from.cursor);
  const chosen = elementIds === undefined ? sql`` : sql`and id = any(${[...elementIds]}::text[])`;
  return sql<StoredFreezeAnswer>`/* appendStoredItems */
with stretch as materialized (
  select d.* from (select ${datasourceId}::text as id offset 0) as ds, lateral (
    select position, id, filename, media_type, metadata, document_names, content_hash from data_element
    where datasource_id = ds.id and position > ${after} ${chosen}
    order by position limit ${limit}
  ) as d
), last as materialized (
  select count(*)::int as found, max(position) as position from stretch
), inputs as (
  insert into batch_item_input (execution_id, ordinal, element_id, filename, media_type, metadata, document_names, content_hash)
  select ${executionId}, (${from.total}::int + row_number() over (order by position) - 1)::int, id, filename,
    media_type, metadata, document_names, content_hash
  from stretch ${dedupe ? unfrozenOnly(executionId, 'stretch.id') : sql``}
  returning ordinal
), d as materialized (
  select count(*)::int as total, count(*)::int as queued, 0 as running, 0 as retrying, 0 as succeeded, 0 as failed,
    0 as cancelled, 0 as expired, 0 as flawed from inputs
), e as materialized (
  select x.id, x.revision from batch_execution x
  where (select total from d) >= 0 and x.id = ${executionId} and x.status = 'PREPARING' and x.sealed_at is null
    and ${closing(now)} is null and x.total = ${from.total} and x.freeze_cursor is not distinct from ${from.cursor}
  for no key update
), items as (
  insert into batch_item (execution_id, ordinal, status, revision)
  select (select id from e), ordinal, 'QUEUED', (select revision + 1 from e) from inputs
), x as (
  update batch_execution x
  set freeze_cursor = case when last.found = ${limit} then last.position::text end, ${countMove({ now })}
  from d, e, last where x.id = e.id and last.found > 0
  returning x.revision
), logged as (
  insert into execution_change (execution_id, revision, ordinals)
  select ${executionId}, x.revision, (select array_agg(ordinal order by ordinal) from inputs) from x, d where d.total > 0
)
select last.found, (select revision from x) as revision from last`;
}
