/** Freezing items whose elements are rows of this database: they never leave it, and mostly stay where they are. */
import { type QueryResult, type RawBuilder, sql } from 'kysely';
import { closing, countMove } from './count-moves.ts';
import { takenBy } from './data-elements.ts';
import type { Db } from './database.ts';
import { ELEMENT, PICKED_COUNT, PICKED_RESULTS, pickItems } from './result-stretch.ts';

/** Most items of a span; the table holds it to that. */
export const LONGEST_SPAN = 10_000;
/** Fewer elements side by side are copied: where a datasource is in pieces, there are few spans to look through. */
const SHORTEST_SPAN = 200;

const INPUT_COLUMNS = sql.raw(
  'execution_id, ordinal, element_id, filename, media_type, metadata, document_names, content_hash',
);

/** A chunk of results of other executions. */
export interface ResultsFreezeChunk {
  /** Where the chunk starts; the write applies only while the execution stands there. */
  readonly from: { readonly cursor: string | null; readonly total: number };
  readonly datasourceId: string;
  readonly limit: number;
}

/** A chunk of stored elements, at most LONGEST_SPAN. */
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
 * Appends the next elements of a datasource as items. The cursor that it leaves is a position as text, null behind the
 * last element.
 *
 * Elements side by side are not copied: a row of `input_span` says where they are. Those of a STORED datasource can be
 * changed, so it is locked first, in a statement of its own: whoever changed them before is seen by the next one, and
 * whoever changes them later sees the span, and has what they were kept.
 */
export async function appendStoredItems(
  db: Db,
  executionId: string,
  chunk: StoredFreezeChunk,
  now: Date,
): Promise<StoredFreezeAnswer> {
  const statement = appendStatement(executionId, chunk, storedElements(executionId, chunk), now);
  return await unlessOvertaken(() =>
    db.transaction().execute(async (tx) => {
      await sql`/* holdElements */
with held as (select from datasource where id = ${chunk.datasourceId} and kind = 'STORED' for share)
select count(*), ${chunk.elementIds === undefined ? IN_ORDER : sql`null`} from held`.execute(tx);
      return await statement.execute(tx);
    }),
  );
}

/**
 * For the rest of the transaction the planner goes through an index that has the order: where it takes the elements
 * behind the cursor for few, it would read and sort all of them for each chunk (measured with 200,000: 70 instead of 4 ms).
 */
const IN_ORDER = sql`set_config('enable_sort', 'off', true)`;

/** The same for the elements of a datasource of results; the cursor that it leaves is the place of the last item it looked at. */
export async function appendResultItems(
  db: Db,
  executionId: string,
  chunk: ResultsFreezeChunk,
  now: Date,
): Promise<StoredFreezeAnswer> {
  const statement = appendStatement(executionId, chunk, resultElements(executionId, chunk), now);
  return await unlessOvertaken(() => statement.execute(db));
}

async function unlessOvertaken(append: () => Promise<QueryResult<StoredFreezeAnswer>>): Promise<StoredFreezeAnswer> {
  try {
    const { rows } = await append();
    return rows[0] ?? UNKNOWN;
  } catch (error) {
    if (error instanceof Error && OVERTAKEN.has(Reflect.get(error, 'code'))) return UNKNOWN;
    throw error;
  }
}

const UNKNOWN: StoredFreezeAnswer = { found: null, revision: null, total: null };
/** A value that must not be null, and a key that is there: the execution has moved on, or these items are in it already. */
const OVERTAKEN: ReadonlySet<unknown> = new Set(['23502', '23505']);

/** How the elements of a chunk become inputs. */
interface Elements {
  /** Relations that write the inputs; `last` among them tells how many elements were `found` up to which `cursor`. */
  readonly relations: RawBuilder<unknown>;
  /** How many inputs that were. */
  readonly written: RawBuilder<number>;
}

/**
 * Only what was there when the execution was created: see `freeze_until`.
 *
 * Numbered as the subquery has them, in order. The datasource's id is hidden from the planner, to which statistics that do
 * not know it yet promise a single element.
 */
function storedElements(executionId: string, { from, datasourceId, elementIds, limit }: StoredFreezeChunk): Elements {
  const after = from.cursor === null ? -1 : Number(from.cursor);
  const chosen = elementIds === undefined ? sql`` : sql`and id = any(${[...elementIds]}::text[])`;
  return {
    relations: sql`chosen as (
  select d.position, row_number() over ()::int as n from (select ${datasourceId}::text as id offset 0) as ds, lateral (
    select position from data_element
    where datasource_id = ds.id and position > ${after} and ${takenBy(executionId)} ${chosen}
    order by position limit ${limit}
  ) as d
), runs as materialized (
  select ${from.total}::int + min(n) - 1 as first, min(position) as place, count(*)::int as length from chosen
  group by position - n
), last as materialized (
  select coalesce(sum(length), 0)::int as found, max(place + length - 1)::text as cursor from runs
), spans as (
  insert into input_span (execution_id, first, last, datasource_id, place)
  select ${executionId}, first, first + length - 1, ${datasourceId}, place from runs where length >= ${SHORTEST_SPAN}
  order by first
  returning last - first + 1 as length
), inputs as (
  insert into batch_item_input (${INPUT_COLUMNS})
  select ${executionId}, (r.first + (d.position - r.place))::int, d.id, d.filename, d.media_type, d.metadata,
    d.document_names, d.content_hash
  from runs r, lateral (
    select position, id, filename, media_type, metadata, document_names, content_hash from data_element
    where datasource_id = ${datasourceId} and position >= r.place and position < r.place + r.length offset 0
  ) as d where r.length < ${SHORTEST_SPAN}
  returning ordinal
)`,
    written: sql`(select count(*) from inputs)::int + (select coalesce(sum(length), 0) from spans)::int`,
  };
}

/** A chunk looks at its `limit` of items, of which only those count that succeeded; at the end there are fewer. */
function resultElements(executionId: string, { from, datasourceId, limit }: ResultsFreezeChunk): Elements {
  const { id, filename, mediaType } = ELEMENT;
  const range = { after: from.cursor, before: executionId, limit };
  return {
    relations: sql`picked as materialized (${pickItems(datasourceId, range)}), chosen as materialized (
  select row_number() over (order by s.made_at, s.execution_id, s.ordinal)::int as n, ${id} as id,
    ${filename} as filename, ${mediaType} as media_type, s.metadata
  from (${PICKED_RESULTS}) as s
), last as materialized (
  select case when looked < ${limit} then (select count(*) from chosen)::int else looked end as found, cursor
  from (${PICKED_COUNT}) as l
), inputs as (
  insert into batch_item_input (${INPUT_COLUMNS})
  select ${executionId}, ${from.total}::int + n - 1, id, filename, media_type, metadata, null::json, null from chosen
  returning ordinal
)`,
    written: sql`(select count(*) from inputs)::int`,
  };
}

/**
 * Appends a chunk in one statement, as `appendItems` does with rows of the caller's.
 *
 * Raw: an INSERT from a SELECT with the counts in one round trip. The rows are written before the execution is
 * locked, because its lock asks for their number: they are nearly all of the work, and flushes and claims go on
 * meanwhile.
 * Where the execution no longer stands at the chunk's start, a log without an execution is refused, and the whole
 * statement with it.
 */
function appendStatement(
  executionId: string,
  { from, limit }: ResultsFreezeChunk,
  { relations, written }: Elements,
  now: Date,
): RawBuilder<StoredFreezeAnswer> {
  return sql<StoredFreezeAnswer>`/* appendStoredItems */
with ${relations}, d as materialized (
  select n as total, n as queued, 0 as running, 0 as retrying, 0 as succeeded, 0 as failed,
    0 as cancelled, 0 as expired, 0 as flawed from (select ${written} as n) as w
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
