/**
 * Elements that are results: what the succeeded items of the executions that write to a datasource have from their
 * last tier, in its newest round, as corrected. Nothing is copied. Their order is that of the executions, and in one its ordinals.
 *
 * An element's id is that of its item. A result that is a JSON string is a text, any other a JSON document.
 */
import { type RawBuilder, sql } from 'kysely';
import { parseItemId } from '../domain/ids.ts';
import type { DataElement } from '../domain/model.ts';
import { presentData } from './corrections.ts';
import type { Db } from './database.ts';

/** Which elements to read: those behind one, and of the executions that were made before one. */
export interface ResultsRange {
  /** The id of the last element that was read; null: from the start. */
  readonly after: string | null;
  /** An execution of the project: what it and later ones write is left out. null: nothing is. */
  readonly before: string | null;
  readonly limit: number;
}

/** A result as it is read as a document. */
export interface ResultContent {
  readonly filename: string;
  readonly mediaType: string;
  /** The string, or the JSON text. */
  readonly text: string;
}

type ElementRow = Omit<DataElement, 'datasourceId' | 'documentNames' | 'contentHash'>;

/** The elements of a range, in order; with `ids` only these. */
export async function listResults(
  db: Db,
  datasourceId: string,
  range: ResultsRange,
  ids?: readonly string[],
): Promise<readonly DataElement[]> {
  const stretch = ids === undefined ? resultStretch(datasourceId, range) : chosenResults(datasourceId, ids, range);
  const { rows } = await sql<ElementRow>`/* listResults */
select ${ID} as id, ${FILENAME} as filename, ${MEDIA_TYPE} as media_type, s.metadata,
  octet_length(${CONTENT}) as size_bytes, s.at as created_at, s.at as updated_at
from (${stretch}) s order by s.made_at, s.execution_id, s.ordinal`.execute(db);
  return rows.map((row) => ({ ...row, datasourceId, documentNames: null, contentHash: null }));
}

/** The result behind an element's id as a document, also while its item is being run again; null when it is gone. */
export async function readResult(db: Db, datasourceId: string, elementId: string): Promise<ResultContent | null> {
  const item = parseItemId(elementId);
  if (item === null) return null;
  const { rows } = await sql<ResultContent>`/* readResult */
select ${FILENAME} as filename, ${MEDIA_TYPE} as media_type, ${CONTENT} as text from (
  select n.filename, r.data from batch_execution x
  join batch_item_input n on n.execution_id = x.id and n.ordinal = ${item.ordinal}
  join lateral (
    select ${presentData('newest')} as data from (
      select execution_id, ordinal, tier, round, data from item_result
      where execution_id = x.id and ordinal = ${item.ordinal} and tier = json_array_length(x.spec -> 'tiers') - 1
      order by round desc limit 1
    ) newest
  ) r on true
  where x.id = ${item.executionId} and x.output_datasource_id = ${datasourceId}
) s`.execute(db);
  return rows[0] ?? null;
}

/** How many elements a datasource has: what the executions that write to it count as succeeded. */
export async function countResults(db: Db, datasourceId: string): Promise<number> {
  const row = await db
    .selectFrom('batchExecution')
    .select(({ fn }) => fn.sum('succeeded').as('count'))
    .where('outputDatasourceId', '=', datasourceId)
    .executeTakeFirst();
  return Number(row?.count ?? 0);
}

/**
 * The rows of a range: `made_at`, `execution_id`, `ordinal`, `filename`, `metadata`, `data`, `at`.
 *
 * Executions come by their index and items by their key, each lateral ending at its LIMIT, so that a stretch costs
 * what it reads, whatever the statistics say.
 */
export function resultStretch(datasourceId: string, { after, before, limit }: ResultsRange): RawBuilder<unknown> {
  const last = after === null ? null : parseItemId(after);
  const from =
    last === null
      ? sql``
      : sql`and (created_at, id) >= (select created_at, id from batch_execution
    where id = ${last.executionId})`;
  const behind =
    last === null
      ? sql``
      : sql`and i.ordinal > case x.id when ${last.executionId} then ${last.ordinal}::int else -1 end`;
  return sql`
select x.created_at as made_at, x.id as execution_id, r.* from (
  select id, created_at from batch_execution
  where output_datasource_id = ${datasourceId} ${from} ${madeBefore(before)}
  order by created_at, id offset 0
) x, lateral (
  select i.ordinal, n.filename, n.metadata, r.data, r.at from batch_item i
  join batch_item_input n on n.execution_id = i.execution_id and n.ordinal = i.ordinal
  ${NEWEST}
  where i.execution_id = x.id and i.status = 'SUCCEEDED' ${behind}
  order by i.ordinal limit ${limit}
) r
order by x.created_at, x.id, r.ordinal limit ${limit}`;
}

function chosenResults(
  datasourceId: string,
  ids: readonly string[],
  { after, before, limit }: ResultsRange,
): RawBuilder<unknown> {
  const items = [...new Set(ids)].flatMap((id) => parseItemId(id) ?? []);
  const last = after === null ? null : parseItemId(after);
  const behind =
    last === null
      ? sql``
      : sql`and (x.created_at, x.id, i.ordinal) >
    (select created_at, id, ${last.ordinal}::int from batch_execution where id = ${last.executionId})`;
  return sql`
select x.created_at as made_at, x.id as execution_id, i.ordinal, n.filename, n.metadata, r.data, r.at
from unnest(${items.map(({ executionId }) => executionId)}::text[], ${items.map(({ ordinal }) => ordinal)}::int[])
  as k(execution_id, ordinal)
join (
  select id, created_at from batch_execution where output_datasource_id = ${datasourceId} ${madeBefore(before)}
) x on x.id = k.execution_id
join batch_item i on i.execution_id = k.execution_id and i.ordinal = k.ordinal
join batch_item_input n on n.execution_id = k.execution_id and n.ordinal = k.ordinal
${NEWEST}
where i.status = 'SUCCEEDED' ${behind}
order by x.created_at, x.id, i.ordinal limit ${limit}`;
}

/** So that an execution never reads what is made of what it reads, for ever. */
const madeBefore = (executionId: string | null): RawBuilder<unknown> =>
  executionId === null
    ? sql``
    : sql`and (created_at, id) < (select created_at, id from batch_execution where id = ${executionId})`;

/** The newest result of the tier that a succeeded item `i` ended in, its last. */
const NEWEST = sql`join lateral (
    select ${presentData('newest')} as data, newest.at from (
      select execution_id, ordinal, tier, round, data, at from item_result
      where execution_id = i.execution_id and ordinal = i.ordinal and tier = i.tier
      order by round desc limit 1
    ) newest
  ) r on true`;

// What a row of a stretch `s` is as an element.
const IS_TEXT = sql`json_typeof(s.data) = 'string'`;
/** An item's id, as `itemId` makes it. */
const ID = sql`'item_' || substr(s.execution_id, 6) || '_' || s.ordinal`;
const EXTENSION = sql`case when ${IS_TEXT} then '.txt' else '.json' end`;
const FILENAME = sql`case when right(s.filename, length(${EXTENSION})) = ${EXTENSION} then s.filename else s.filename || ${EXTENSION} end`;
const MEDIA_TYPE = sql`case when ${IS_TEXT} then 'text/plain' else 'application/json' end`;
const CONTENT = sql`case when ${IS_TEXT} then s.data #>> '{}' else s.data::text end`;

/** The columns that a frozen item takes from a row of a stretch `s`. */
export const RESULT_INPUT = { id: ID, filename: FILENAME, mediaType: MEDIA_TYPE };
