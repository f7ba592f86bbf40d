/**
 * Elements that are results: what the succeeded items of the executions that write to a datasource have from their
 * last tier. Nothing is copied. Their order is that of the executions, and in one its ordinals.
 */
import { sql } from 'kysely';
import { parseItemId } from '../domain/ids.ts';
import type { DataElement } from '../domain/model.ts';
import type { Db } from './database.ts';
import {
  ELEMENT,
  INPUT_AND_RESULT,
  madeBefore,
  PICKED_COUNT,
  PICKED_RESULTS,
  parsePlace,
  pickItems,
  placeOf,
  type ResultsRange,
} from './result-stretch.ts';
import { named } from './statement-name.ts';

/** Elements in order, each with its place, and the place of the last item looked at; null when nothing is behind it. */
export interface ResultsPage {
  readonly elements: readonly { readonly element: DataElement; readonly place: string }[];
  readonly cursor: string | null;
}

/** A result as it is read as a document. */
export interface ResultContent {
  readonly filename: string;
  readonly mediaType: string;
  /** The string, or the JSON text. */
  readonly text: string;
}

type ElementRow = Omit<DataElement, 'datasourceId' | 'documentNames' | 'contentHash'> & { readonly place: string };

const COLUMNS = sql`${ELEMENT.id} as id, ${ELEMENT.filename} as filename, ${ELEMENT.mediaType} as media_type, s.metadata,
  octet_length(${ELEMENT.content}) as size_bytes, s.at as created_at, s.at as updated_at,
  ${placeOf(sql`s.made_at`, sql`s.execution_id`, sql`s.ordinal`)} as place`;

/** The elements among the items of a range. */
export async function listResults(db: Db, datasourceId: string, range: ResultsRange): Promise<ResultsPage> {
  type Row = { readonly looked: number; readonly cursor: string | null } & (ElementRow | { readonly id: null });
  // Raw, as the others here: laterals, arrays and what JSON holds.
  const { rows } = await sql<Row>`/* listResults */
with picked as materialized (${pickItems(datasourceId, range)})
select l.looked, l.cursor, e.* from (${PICKED_COUNT}) l left join (
  select s.made_at, s.execution_id, s.ordinal, ${COLUMNS} from (${PICKED_RESULTS}) s
) e on true
order by e.made_at, e.execution_id, e.ordinal`.execute(db);
  const [first] = rows;
  return {
    elements: rows.flatMap((row) => (row.id === null ? [] : toElement(datasourceId, row))),
    cursor: first === undefined || first.looked < range.limit ? null : first.cursor,
  };
}

/** The elements with these ids, at most `limit` of them. */
export async function findResults(
  db: Db,
  datasourceId: string,
  ids: readonly string[],
  { after, before, limit }: ResultsRange,
): Promise<ResultsPage> {
  const items = [...new Set(ids)].flatMap((id) => parseItemId(id) ?? []);
  const last = parsePlace(after);
  const behind =
    last === null
      ? sql``
      : sql`where (x.created_at, x.id, i.ordinal) > (${last.madeAt}, ${last.executionId}, ${last.ordinal}::int)`;
  const { rows } = await sql<ElementRow>`/* findResults */
select ${COLUMNS} from (
  select x.created_at as made_at, i.execution_id, i.ordinal, n.filename, n.metadata, r.data, r.at
  from unnest(${items.map(({ executionId }) => executionId)}::text[], ${items.map(({ ordinal }) => ordinal)}::int[])
    as k(execution_id, ordinal)
  join lateral (
    select id, created_at from batch_execution
    where id = k.execution_id and output_datasource_id = ${datasourceId} ${madeBefore(before)} offset 0
  ) x on true
  join lateral (
    select execution_id, ordinal, tier from item_at(k.execution_id, k.ordinal) where status = 'SUCCEEDED' offset 0
  ) i on true
  ${INPUT_AND_RESULT}
  ${behind}
  order by x.created_at, x.id, i.ordinal limit ${limit}
) s order by s.made_at, s.execution_id, s.ordinal`.execute(db);
  const elements = rows.map((row) => toElement(datasourceId, row));
  return { elements, cursor: elements.length < limit ? null : (elements.at(-1)?.place ?? null) };
}

/** The result behind an element's id as a document, also while its item is being run again; null when it is gone. */
export async function readResult(db: Db, datasourceId: string, elementId: string): Promise<ResultContent | null> {
  const item = parseItemId(elementId);
  if (item === null) return null;
  const { rows } = await sql<ResultContent>`/* readResult */
select ${ELEMENT.filename} as filename, ${ELEMENT.mediaType} as media_type, ${ELEMENT.content} as text from (
  select n.filename, r.data from (
    select id as execution_id, ${item.ordinal}::int as ordinal, json_array_length(spec -> 'tiers') - 1 as tier
    from batch_execution where id = ${item.executionId} and output_datasource_id = ${datasourceId}
  ) i
  ${INPUT_AND_RESULT}
) s`.execute(db);
  return rows[0] ?? null;
}

/** How many elements a datasource has: what the executions that write to it count as succeeded. */
export async function countResults(db: Db, datasourceId: string): Promise<number> {
  const row = await named(db, 'countResults')
    .selectFrom('batchExecution')
    .select(({ fn }) => fn.sum('succeeded').as('count'))
    .where('outputDatasourceId', '=', datasourceId)
    .executeTakeFirst();
  return Number(row?.count ?? 0);
}

const toElement = (
  datasourceId: string,
  { place, id, filename, mediaType, metadata, sizeBytes, createdAt, updatedAt }: ElementRow,
): ResultsPage['elements'][number] => ({
  place,
  element: {
    ...{ id, datasourceId, filename, mediaType, metadata, documentNames: null, sizeBytes, contentHash: null },
    ...{ createdAt, updatedAt },
  },
});
