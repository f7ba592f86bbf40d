/** Freezing items whose elements are rows of this database: they never leave it. */
import { type RawBuilder, sql } from 'kysely';
import { closing, countMove } from './count-moves.ts';
import { takenBy } from './data-elements.ts';
import type { Db } from './database.ts';
import { ELEMENT, PICKED_COUNT, PICKED_RESULTS, pickItems } from './result-stretch.ts';

/** A chunk of results of other executions. */
export interface ResultsFreezeChunk {
  /** Where the chunk starts; the write applies only while the execution stands there. */
  readonly from: { readonly cursor: string | null; readonly total: number };
  readonly datasourceId: string;
  readonly limit: number;
}

/** A chunk of stored elements. */
export interface StoredFreezeChunk extends ResultsFreezeChunk {
  /** Only these elements; all when absent. */
  readonly elementIds: readonly string[] | undefined;
}

/** What one chunk did. */
export interface StoredFreezeAnswer {
  /** Elements that were found behind the cursor; 0: there are no more; null: another process or a cancel was faster. */
  readonly found: number | null;
  /** The execution's new revision; null when nothing was found or applied. */
  readonly revision: number | null;
  /** How many items the execution then has; null like `revision`. */
  readonly total: number | null;
}

/**
 * Appends the next elements of a datasource as items in one statement, as `appendItems` does with rows of
 * the caller's. The cursor that it leaves is a position as text, null behind the last element.
 *
 * Raw: an INSERT from a SELECT with the counts in one round trip. The rows are written before the execution is
 * locked, because its lock asks for their number: they are nearly all of the work, and flushes and claims go on
 * meanwhile.
 * Where the execution no longer stands at the chunk's start, a log without an execution is refused, and the whole
 * statement with it. The datasource's id is hidden from the planner, to which statistics that do not know it yet
 * promise a single element, and so no need of the index in their order.
 */
export async function appendStoredItems(
  db: Db,
  executionId: string,
  chunk: StoredFreezeChunk,
  now: Date,
): Promise<StoredFreezeAnswer> {
  return await append(db, appendStatement(executionId, chunk, storedStretch(executionId, chunk), now));
}

/** The same for the elements of a datasource of results; the cursor that it leaves is the place of the last item it looked at. */
export async function appendResultItems(
  db: Db,
  executionId: string,
  chunk: ResultsFreezeChunk,
  now: Date,
): Promise<StoredFreezeAnswer> {
  return await append(db, appendStatement(executionId, chunk, resultsStretch(executionId, chunk), now));
}

async function append(db: Db, statement: RawBuilder<StoredFreezeAnswer>): Promise<StoredFreezeAnswer> {
  try {
    const { rows } = await statement.execute(db);
    return rows[0] ?? UNKNOWN;
  } catch (error) {
    if (error instanceof Error && OVERTAKEN.has(Reflect.get(error, 'code'))) return UNKNOWN;
    throw error;
  }
}

const UNKNOWN: StoredFreezeAnswer = { found: null, revision: null, total: null };
/** A value that must not be null, and a key that is there: the execution has moved on, or these items are in it already. */
const OVERTAKEN: ReadonlySet<unknown> = new Set(['23502', '23505']);

/** Elements with their number `n` in order: CTEs before them, their rows, and how many were `found` up to which `cursor`. */
interface Stretch {
  readonly before: RawBuilder<unknown>;
  readonly rows: RawBuilder<unknown>;
  readonly last: RawBuilder<unknown>;
}

/** Only what was there when the execution was created: see `freeze_until`. */
function storedStretch(executionId: string, { from, datasourceId, elementIds, limit }: StoredFreezeChunk): Stretch {
  const after = from.cursor === null ? -1 : Number(from.cursor);
  const chosen = elementIds === undefined ? sql`` : sql`and id = any(${[...elementIds]}::text[])`;
  const rows = sql`select d.*, row_number() over (order by position) as n from (select ${datasourceId}::text as id offset 0) as ds, lateral (
    select position, id, filename, media_type, metadata, document_names, content_hash from data_element
    where datasource_id = ds.id and position > ${after} and ${takenBy(executionId)} ${chosen}
    order by position limit ${limit}
  ) as d`;
  return { before: sql``, rows, last: sql`select count(*)::int as found, max(position)::text as cursor from stretch` };
}

/** A chunk looks at its `limit` of items, of which only those count that succeeded; at the end there are fewer. */
function resultsStretch(executionId: string, { from, datasourceId, limit }: ResultsFreezeChunk): Stretch {
  const { id, filename, mediaType } = ELEMENT;
  const range = { after: from.cursor, before: executionId, limit };
  return {
    before: sql`picked as materialized (${pickItems(datasourceId, range)}),`,
    rows: sql`select row_number() over (order by s.made_at, s.execution_id, s.ordinal) as n, ${id} as id,
    ${filename} as filename, ${mediaType} as media_type, s.metadata, null::json as document_names,
    null::text as content_hash
  from (${PICKED_RESULTS}) as s`,
    last: sql`select case when looked < ${limit} then (select count(*) from stretch)::int else looked end as found, cursor
  from (${PICKED_COUNT}) as l`,
  };
}

function appendStatement(
  executionId: string,
  { from, limit }: ResultsFreezeChunk,
  stretch: Stretch,
  now: Date,
): RawBuilder<StoredFreezeAnswer> {
  return sql<StoredFreezeAnswer>`/* appendStoredItems */
with ${stretch.before} stretch as materialized (
  ${stretch.rows}
), last as materialized (
  ${stretch.last}
), inputs as (
  insert into batch_item_input (execution_id, ordinal, element_id, filename, media_type, metadata, document_names, content_hash)
  select ${executionId}, (${from.total}::int + n - 1)::int, id, filename, media_type, metadata, document_names, content_hash
  from stretch
  returning ordinal
), d as materialized (
  select count(*)::int as total, count(*)::int as queued, 0 as running, 0 as retrying, 0 as succeeded, 0 as failed,
    0 as cancelled, 0 as expired, 0 as flawed from inputs
), e as materialized (
  select x.id, x.revision from batch_execution x
  where (select total from d) >= 0 and x.id = ${executionId} and x.status = 'PREPARING' and x.sealed_at is null
    and ${closing(now)} is null and x.total = ${from.total} and x.freeze_cursor is not distinct from ${from.cursor}
  for no key update
), x as (
  update batch_execution x
  set freeze_cursor = case when last.found = ${limit} then last.cursor end, ${countMove({ now })}
  from d, e, last where x.id = e.id and last.found > 0
  returning x.id, x.revision, x.total
), logged as (
  insert into execution_change (execution_id, revision, ordinals, appended_from)
  select x.id, x.revision, array(select generate_series(${from.total}::int, ${from.total}::int + d.total - 1)), ${from.total}::int
  from d left join x on true where d.total > 0
)
select last.found, (select revision from x) as revision, (select total from x) as total from last`;
}
