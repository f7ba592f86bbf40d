/**
 * Rows for items that have a history, and none for the others.
 *
 * An item of which nothing has happened has no row in `batch_item`: it is QUEUED, and any ordinal below the execution's
 * total that is found nowhere is such an item. Items side by side that succeeded at once, with a small result each, are
 * one row of `item_stretch` together, with their results. All else has its row, as before; what was written before
 * this has rows for all items, and stays as it is.
 *
 * The functions put the three together again, in the columns of the tables: whoever adds a column to `batch_item` or
 * `item_result` makes them anew. Those that are STABLE become part of the statement that asks them, so the planner
 * sees through them.
 */
import { type Kysely, sql } from 'kysely';

/** Most items of a stretch: so its first ordinal bounds where it can end. */
const LONGEST = 128;

const STRETCHES = [
  // Results are small each, and kept as they are: packing them would take longer than writing them.
  `create table item_stretch (
    execution_id text not null,
    first integer not null check (first >= 0),
    last integer not null,
    revision integer not null,
    ended_from timestamptz not null,
    ended integer[] not null,
    took integer[] not null,
    data json[] not null,
    content_hash text[],
    score real[],
    usage json[],
    primary key (execution_id, first),
    constraint item_stretch_length check (last >= first and last - first < ${LONGEST}),
    constraint item_stretch_whole check (cardinality(ended) = last - first + 1
      and cardinality(took) = last - first + 1 and cardinality(data) = last - first + 1)
  )`,
  'alter table item_stretch alter column data set storage external',
];

/** What a stretch `s` says of the item at `o`, in the columns of `batch_item`. */
const stretched = (o: string): string => `
    s.execution_id, ${o}, 'SUCCEEDED'::text, 0, 1, 0, 0, 0, null::timestamptz, s.revision,
    s.ended_from + (s.ended[${o} - s.first + 1] - s.took[${o} - s.first + 1]) * interval '1 millisecond',
    s.ended_from + s.ended[${o} - s.first + 1] * interval '1 millisecond',
    null::text, null::text, null::boolean`;

/** The same of an item of execution `x` of which nothing has happened; its revision is that with which it came. */
const untouched = (o: string): string => `
    x.id, ${o}, 'QUEUED'::text, 0, 0, 0, 0, 0, null::timestamptz,
    coalesce((select max(c.revision) from execution_change c where c.execution_id = $1 and c.appended_from <= ${o}), 1),
    null::timestamptz, null::timestamptz, null::text, null::text, null::boolean`;

/** And the item's result, in the columns of `item_result`. */
const RESULT_AT = `
    s.execution_id, $2, 0, 0, 1, s.data[$2 - s.first + 1], null::json, null::json,
    s.content_hash[$2 - s.first + 1], s.ended_from + s.ended[$2 - s.first + 1] * interval '1 millisecond',
    s.ended_from + (s.ended[$2 - s.first + 1] - s.took[$2 - s.first + 1]) * interval '1 millisecond',
    s.score[$2 - s.first + 1], s.usage[$2 - s.first + 1]`;

/** The results of whole stretches: an element of a long array costs as much as the array. */
const RESULTS = `
    select s.execution_id, (s.first + u.n - 1)::integer, 0, 0, 1, u.data, null::json, null::json,
      u.content_hash, s.ended_from + u.ended * interval '1 millisecond',
      s.ended_from + (u.ended - u.took) * interval '1 millisecond', u.score, u.usage
    from item_stretch s
      cross join lateral unnest(s.ended, s.took, s.data, s.content_hash, s.score, s.usage)
        with ordinality as u(ended, took, data, content_hash, score, usage, n)`;

const holds = (o: string): string =>
  `s.execution_id = $1 and s.first > ${o} - ${LONGEST} and s.first <= ${o} and s.last >= ${o}`;
const WITHIN = `s.execution_id = $1 and s.first > $2 - ${LONGEST} and s.first < $3 and s.last >= $2`;
const EACH = 'generate_series(greatest(s.first, $2), least(s.last, $3 - 1))';

const FUNCTIONS = [
  // The ordinals from $2 to before $3 of which nothing has happened.
  `create function untouched_between(text, integer, integer) returns setof integer language sql stable as $$
    select o.ordinal
    from batch_execution x cross join lateral generate_series(greatest($2, 0), least($3, x.total) - 1) as o(ordinal)
    where x.id = $1
      and not exists (
        select from batch_item i
        where i.execution_id = $1 and i.ordinal >= $2 and i.ordinal < $3 and i.ordinal = o.ordinal)
      and not exists (
        select from item_stretch s cross join lateral ${EACH} as t(ordinal)
        where ${WITHIN} and t.ordinal = o.ordinal)
  $$`,
  `create function item_at(text, integer) returns setof batch_item language sql stable as $$
    select i.* from batch_item i where i.execution_id = $1 and i.ordinal = $2
    union all
    select ${stretched('$2')} from item_stretch s where ${holds('$2')}
    union all
    select ${untouched('$2')} from batch_execution x
    where x.id = $1 and $2 >= 0 and $2 < x.total
      and not exists (select from batch_item i where i.execution_id = $1 and i.ordinal = $2)
      and not exists (select from item_stretch s where ${holds('$2')})
  $$`,
  // The items from ordinal $2 to before $3.
  `create function items_between(text, integer, integer) returns setof batch_item language sql stable as $$
    select i.* from batch_item i where i.execution_id = $1 and i.ordinal >= $2 and i.ordinal < $3
    union all
    select ${stretched('o.ordinal')} from item_stretch s cross join lateral ${EACH} as o(ordinal) where ${WITHIN}
    union all
    select ${untouched('o.ordinal')} from batch_execution x cross join untouched_between($1, $2, $3) as o(ordinal)
    where x.id = $1
  $$`,
  // The results of one item.
  `create function results_of(text, integer) returns setof item_result language sql stable as $$
    select r.* from item_result r where r.execution_id = $1 and r.ordinal = $2
    union all
    select ${RESULT_AT} from item_stretch s where ${holds('$2')}
  $$`,
  // The results that are in stretches, of the items from ordinal $2 to before $3.
  `create function stretched_results(text, integer, integer) returns setof item_result language sql stable as $$
    ${RESULTS} where ${WITHIN} and s.first + u.n - 1 >= $2 and s.first + u.n - 1 < $3
  $$`,
  // Those of some stretches of ordinals in which nothing has happened to any item yet, as it is when this is called:
  // VOLATILE, and so not as it was when the statement began, which may have waited for a lock since.
  // OFFSET 0 has each looked up by its key: as a join, with statistics that do not know the execution, all of its rows
  // were compared with each.
  `create function free_stretches(text, integer[], integer[]) returns table (first integer, last integer)
    language plpgsql volatile as $$
  begin
    return query select f.first, f.last from unnest($2, $3) as f(first, last)
    where not exists (
        select from batch_item i where i.execution_id = $1 and i.ordinal >= f.first and i.ordinal <= f.last offset 0)
      and not exists (
        select from item_stretch s
        where s.execution_id = $1 and s.first > f.first - ${LONGEST} and s.first <= f.last and s.last >= f.first
        offset 0);
  end $$`,
];

/** For those who look into the database: every item, and every result, wherever it is kept. */
const VIEWS = [
  `create view every_item as
    select i.* from batch_execution x cross join lateral items_between(x.id, 0, x.total) i`,
  `create view every_result as
    select r.* from item_result r
    union all
    ${RESULTS}`,
];

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of [...STRETCHES, ...FUNCTIONS, ...VIEWS]) await sql.raw(statement).execute(db);
}
