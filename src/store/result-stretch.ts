/**
 * The parts of statements that read results as elements.
 *
 * An element's id is that of its item. A result that is a JSON string is a text, any other a JSON document. Each
 * table is looked at by key in a lateral subquery whose OFFSET or LIMIT leaves the planner no other way, whatever its
 * statistics say of executions that they do not know yet.
 */
import { type RawBuilder, sql } from 'kysely';
import { parseItemId } from '../domain/ids.ts';
import { presentData } from './corrections.ts';
import { inputAt } from './item-inputs.ts';

/** Which items to look at: those behind one, and of the executions that were made before one. */
export interface ResultsRange {
  /** The place of the last item that was looked at; null: from the start. */
  readonly after: string | null;
  /** An execution of the project: what it and later ones write is left out. null: nothing is. */
  readonly before: string | null;
  /** Items to look at, whatever their status. */
  readonly limit: number;
}

/**
 * Where an item is in the order of results, as text: when its execution was made, in microseconds, and its id.
 *
 * With the instant in it, a place is good also when its execution has been deleted since.
 */
export function placeOf(madeAt: RawBuilder<unknown>, id: RawBuilder<unknown>, ordinal: RawBuilder<unknown>) {
  return sql<string>`(extract(epoch from ${madeAt}) * 1000000)::int8 || '~item_' || substr(${id}, 6) || '_' || ${ordinal}`;
}

/** A place as values of SQL; null for the start, and for what is none. */
export function parsePlace(place: string | null) {
  const [, micros, id = ''] = /^(-?\d{1,17})~(.+)$/.exec(place ?? '') ?? [];
  const item = parseItemId(id);
  if (item === null) return null;
  const madeAt = sql<Date>`timestamptz 'epoch' + ${micros}::int8 * interval '1 microsecond'`;
  return { madeAt, ...item };
}

/**
 * The items to look at, as stretches of ordinals from `first` to before `stop`, `limit` in all unless there are fewer.
 *
 * Ordinals have no holes, so a stretch bounds the look at each table; an order with a LIMIT would not, where the
 * statistics promise few items.
 */
export function pickItems(datasourceId: string, { after, before, limit }: ResultsRange): RawBuilder<unknown> {
  const last = parsePlace(after);
  const from = last === null ? sql`` : sql`and (created_at, id) >= (${last.madeAt}, ${last.executionId})`;
  const first = last === null ? sql`0` : sql`case id when ${last.executionId} then ${last.ordinal}::int + 1 else 0 end`;
  return sql`
  select id, created_at, first, least(total, first + ${limit}::int - ahead)::int as stop from (
    select id, created_at, total, first, coalesce(sum(total - first)
      over (order by created_at, id rows between unbounded preceding and 1 preceding), 0) as ahead
    from (
      select id, created_at, total, ${first} as first from batch_execution
      where output_datasource_id = ${datasourceId} and total > 0 ${from} ${madeBefore(before)}
      order by created_at, id limit ${limit + 1}
    ) as executions where first < total
  ) as counted where ahead < ${limit}`;
}

/** A condition that an execution was made before another: none reads, for ever, what is made of what it reads. */
export const madeBefore = (executionId: string | null): RawBuilder<unknown> =>
  executionId === null
    ? sql``
    : sql`and (created_at, id) < (select created_at, id from batch_execution where id = ${executionId})`;

/** The input `n` of an item `i`, and its result `r`: the newest of the tier `i.tier`, as corrected. */
export const INPUT_AND_RESULT = sql`join lateral (
    select filename, metadata from ${inputAt(sql`i.execution_id`, sql`i.ordinal`)} offset 0
  ) n on true
  join lateral (
    select ${presentData('newest')} as data, newest.at from (
      select execution_id, ordinal, tier, round, data, at from results_of(i.execution_id, i.ordinal)
      where tier = i.tier order by round desc limit 1
    ) newest
  ) r on true`;

/** The results of the items of a relation `picked` that `pickItems` made. */
export const PICKED_RESULTS = sql`
  select x.created_at as made_at, i.execution_id, i.ordinal, n.filename, n.metadata, r.data, r.at
  from picked x join lateral (
    select execution_id, ordinal, tier from items_between(x.id, x.first, x.stop) where status = 'SUCCEEDED' offset 0
  ) i on true
  ${INPUT_AND_RESULT}`;

/** How many items `picked` has, and the place of the last of them. */
export const PICKED_COUNT = sql`
  select coalesce(sum(stop - first), 0)::int as looked,
    (array_agg(${placeOf(sql`created_at`, sql`id`, sql`stop - 1`)} order by created_at desc, id desc))[1] as cursor
  from picked`;

const IS_TEXT = sql`json_typeof(s.data) = 'string'`;
const EXTENSION = sql`case when ${IS_TEXT} then '.txt' else '.json' end`;

/** What a row `s` of results is as an element, column by column. */
export const ELEMENT = {
  /** As `itemId` makes it. */
  id: sql`'item_' || substr(s.execution_id, 6) || '_' || s.ordinal`,
  filename: sql`case when right(s.filename, length(${EXTENSION})) = ${EXTENSION} then s.filename
    else s.filename || ${EXTENSION} end`,
  mediaType: sql`case when ${IS_TEXT} then 'text/plain' else 'application/json' end`,
  content: sql`case when ${IS_TEXT} then s.data #>> '{}' else s.data::text end`,
};
