/** Sweeping what hung on deleted executions and datasources, a bounded chunk at a time. */
import { sql } from 'kysely';
import type { Db } from './database.ts';
import { named } from './statement-name.ts';

/**
 * The tables without a foreign key that grow with an execution or a datasource: whose rows they are, their order, and
 * the column in which a row may be large.
 */
export const SWEPT = {
  EXECUTION: [
    { table: 'item_log', owner: 'execution_id', order: 'id' },
    { table: 'item_cancel', owner: 'execution_id', order: 'ordinal' },
    { table: 'item_correction', owner: 'execution_id', order: 'ordinal' },
    { table: 'item_failure', owner: 'execution_id', order: 'ordinal' },
    { table: 'item_result', owner: 'execution_id', order: 'ordinal', large: 'data' },
    { table: 'item_stretch', owner: 'execution_id', order: 'first', large: 'data' },
    { table: 'execution_change', owner: 'execution_id', order: 'revision' },
    { table: 'batch_item_input', owner: 'execution_id', order: 'ordinal' },
    { table: 'input_span', owner: 'execution_id', order: 'first' },
    { table: 'batch_item', owner: 'execution_id', order: 'ordinal' },
  ],
  DATASOURCE: [{ table: 'data_element', owner: 'datasource_id', order: 'position', large: 'documents' }],
} as const satisfies { readonly [kind: string]: readonly SweptTable[] };

export interface SweptTable {
  readonly table: string;
  readonly owner: string;
  readonly order: string;
  readonly large?: string;
}

/** Something deleted that may have left rows. */
export interface Unswept {
  readonly id: string;
  readonly kind: keyof typeof SWEPT;
}

/** The oldest deletions whose rows are not all gone, of every project. */
export async function findUnswept(db: Db, limit: number): Promise<readonly Unswept[]> {
  return await named(db, 'findUnswept')
    .selectFrom('deletion')
    .select(['id', 'kind'])
    .where('sweptAt', 'is', null)
    .orderBy('deletedAt')
    .limit(limit)
    .execute();
}

/** What one chunk may hold: PGlite deletes so much in some 10 ms. */
export const SWEEP_CHUNK = { rows: 1_000, bytes: 2_000_000 };

/**
 * Deletes the next rows from `from` on, bounded in number and size; where the next chunk begins, or null when there
 * were no more.
 *
 * Raw: rows go by their place on disk, because the planner, whose statistics may not know the owner, would read the
 * whole table for a range of keys. The cursor spares a look at those that are dead already, and the size of a large
 * value is known without reading it.
 */
export async function sweepChunk(
  db: Db,
  ownerId: string,
  { table, owner, order, large }: SweptTable,
  from: number,
  chunk = SWEEP_CHUNK,
): Promise<number | null> {
  const size = large === undefined ? sql`0` : sql`pg_column_size(${sql.ref(large)})`;
  const { rows } = await sql<{ found: number; picked: number; last: number | null }>`/* sweepChunk */
with found as materialized (
  select ctid as place, ${sql.ref(order)} as n, ${size} as bytes from ${sql.table(table)}
  where ${sql.ref(owner)} = ${ownerId} and ${sql.ref(order)} >= ${from}
  order by ${sql.ref(order)} limit ${chunk.rows}
), pick as materialized (
  select place, n from (select place, n, bytes, sum(bytes) over (order by n, place) as upto from found) as summed
  where upto - bytes < ${chunk.bytes}
), gone as (
  delete from ${sql.table(table)} where ctid = any(array(select place from pick))
)
select (select count(*)::int from found) as found, count(*)::int as picked, max(n)::int8 as last from pick`.execute(db);
  const { found, picked, last } = rows[0] ?? { found: 0, picked: 0, last: null };
  return found < chunk.rows && picked === found ? null : last;
}

/** Notes that nothing is left of a deletion. */
export async function markSwept(db: Db, id: string, now: Date): Promise<void> {
  await named(db, 'markSwept').updateTable('deletion').set({ sweptAt: now }).where('id', '=', id).execute();
}

/** Forgets deletions that were swept before an instant: neither a repeated delete nor a list knows them any longer. */
export async function forgetDeletions(db: Db, before: Date): Promise<void> {
  await named(db, 'forgetDeletions')
    .with('gone', (with_) => with_.deleteFrom('deletion').where('sweptAt', '<', before).returning('id'))
    .deleteFrom('listedChange')
    .where('id', 'in', (eb) => eb.selectFrom('gone').select('gone.id'))
    .execute();
}
