/**
 * Items that have no row of their own, put together with those that have one; see `migrations/0012_item_stretches.ts`.
 *
 * An item of which nothing has happened is nowhere but in its execution's total, and what succeeded at once, side by
 * side, is in `item_stretch`. Whoever moves items in any way but a lane's flush locks the execution, gives them rows
 * where they have none, and moves those.
 */
import { type RawBuilder, sql } from 'kysely';
import type { Tx } from './database.ts';
import type { BatchItemTable, ItemResultTable } from './item-tables.ts';

/** Most items of a stretch; the table holds it to that. */
export const LONGEST_STRETCH = 128;

/** An argument of a function of the database: a value, or a column of the statement. */
export type Column = RawBuilder<unknown> | string | number;

/** The item at an ordinal, in the columns of `batch_item`; no row where the execution has none. */
export const itemAt = (executionId: Column, ordinal: Column): RawBuilder<BatchItemTable> =>
  sql`item_at(${executionId}, ${ordinal})`;

/** The items from an ordinal to before another, in no order. */
export const itemsBetween = (executionId: Column, start: Column, stop: Column): RawBuilder<BatchItemTable> =>
  sql`items_between(${executionId}, ${start}, ${stop})`;

/** The results of an item, in the columns of `item_result` and no order. */
export const resultsOf = (executionId: Column, ordinal: Column): RawBuilder<ItemResultTable> =>
  sql`results_of(${executionId}, ${ordinal})`;

/** The results among the items from an ordinal to before another that are in stretches. */
export const stretchedResults = (executionId: Column, start: Column, stop: Column): RawBuilder<ItemResultTable> =>
  sql`stretched_results(${executionId}, ${start}, ${stop})`;

/** Gives rows to all items of the stretches that reach into these ordinals. The execution is locked by the caller. */
export async function dissolveStretches(tx: Tx, executionId: string, start: number, stop: number): Promise<void> {
  // Raw: two INSERTs and a DELETE that must see the same stretches.
  await sql`/* dissolveStretches */
with s as materialized (
  select execution_id, first, last + 1 as stop from item_stretch
  where execution_id = ${executionId} and first > ${start - LONGEST_STRETCH} and first < ${stop} and last >= ${start}
), items as (
  insert into batch_item select i.* from s cross join lateral items_between(s.execution_id, s.first, s.stop) as i
), results as (
  insert into item_result select r.* from s cross join lateral stretched_results(s.execution_id, s.first, s.stop) as r
)
delete from item_stretch d using s where d.execution_id = s.execution_id and d.first = s.first`.execute(tx);
}
