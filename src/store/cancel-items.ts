/** Cancelling chosen items of an execution that goes on. */
import { sql } from 'kysely';
import { LIMITS } from '../domain/limits.ts';
import { type ExecutionStatus, type ItemStatus, isFinalExecution, itemMoveFrom } from '../domain/states.ts';
import type { HeldLane } from '../engine/ports.ts';
import { COUNT_CHANGES, countMove } from './count-moves.ts';
import type { Db } from './database.ts';
import type { ItemKey } from './item-rows.ts';
import { keysRelation } from './item-rows.ts';
import { itemAt, itemsBetween } from './item-stretches.ts';
import { named } from './statement-name.ts';
import { TIER_CHANGES } from './tier-moves.ts';

/** Ordinals that one chunk of a tier looks at; bounds a chunk in which few items are open. */
const SPAN = LIMITS.sweepChunk * 10;

/** The items that one chunk is about: these ordinals, at most `LIMITS.sweepChunk`, or those of tiers from one on. */
export type CancelChunk =
  | { readonly ordinals: readonly number[] }
  | { readonly tiers: readonly number[]; readonly cursor: number };

export interface CancelledChunk {
  readonly cancelled: number;
  /** Chosen items that had ended before, by status. */
  readonly ended: Readonly<Partial<Record<ItemStatus, number>>>;
  /** Where the next chunk of the tiers starts; null when this was the last. */
  readonly cursor: number | null;
  readonly status: ExecutionStatus;
  /** The execution's new revision; null when nothing was open. */
  readonly revision: number | null;
}

/**
 * Cancels the open ones of a chunk of items, in a transaction of its own, whoever runs them.
 *
 * From then on nothing that their calls produce is written: each move of an item asks for the status that it left.
 * The lanes that hold them see `item_cancels` rise. Ends the execution if these were its last open items; of one
 * that has ended nothing is written.
 */
export async function cancelItems(
  db: Db,
  executionId: string,
  chunk: CancelChunk,
  reason: string | null,
  now: Date,
): Promise<CancelledChunk> {
  return await db.transaction().execute(async (tx) => {
    const execution = await named(tx, 'cancelItems')
      .selectFrom('batchExecution')
      .select(['status', 'revision', 'round', 'total'])
      .where('id', '=', executionId)
      .forNoKeyUpdate()
      .executeTakeFirst();
    if (execution === undefined) return { cancelled: 0, ended: {}, cursor: null, status: 'CANCELLED', revision: null };
    const { status, revision, round, total } = execution;
    const open = isFinalExecution(status) ? [] : itemMoveFrom('cancel');
    const chosen =
      'ordinals' in chunk
        ? sql`(select distinct unnest(${[...chunk.ordinals]}::int[]) as ordinal) as k
    cross join lateral ${itemAt(executionId, sql`k.ordinal`)} as i`
        : sql`${itemsBetween(executionId, chunk.cursor, chunk.cursor + SPAN)} as i
    where i.tier = any(${[...chunk.tiers]}::int[])`;
    // Raw: an UPDATE and an INSERT that feed counts and the change log in one round trip. The execution is locked, so what
    // is picked is what they find: a row, or none.
    const { rows } = await sql<{
      cancelled: number;
      edge: number | null;
      ended: Partial<Record<ItemStatus, number>> | null;
      status: ExecutionStatus | null;
      revision: number | null;
    }>`/* cancelItems */
with chosen as materialized (
  select i.ordinal, i.status as was, i.tier from ${chosen}
), pick as materialized (
  select ordinal, was, tier from chosen where was = any(${open}::text[]) order by ordinal limit ${LIMITS.sweepChunk}
), edge as (select case when count(*) = ${LIMITS.sweepChunk} then max(ordinal) end as ordinal from pick
), updated as (
  update batch_item i
  set status = 'CANCELLED', ended_at = ${now}, run_after = null,
    error_category = null, error_code = null, error_transient = null, revision = ${revision + 1}
  from pick where i.execution_id = ${executionId} and i.ordinal = pick.ordinal
), made as (
  insert into batch_item (execution_id, ordinal, status, ended_at, revision)
  select ${executionId}, ordinal, 'CANCELLED', ${now}, ${revision + 1} from pick where was = 'QUEUED'
  on conflict do nothing
), moved as (select ordinal, was, 'CANCELLED' as status, tier as was_tier, tier, false as flawed from pick
), d as (select ${COUNT_CHANGES} from moved
), ${TIER_CHANGES}, x as (
  update batch_execution x set ${countMove({ now, tiers: true })}, item_cancels = x.item_cancels + 1
  from d where x.id = ${executionId} and d.n > 0
  returning x.status, x.revision
), noted as (
  insert into item_cancel (execution_id, ordinal, round, reason, at)
  select ${executionId}, ordinal, ${round}::int, ${reason}, ${now} from moved
  on conflict (execution_id, ordinal, round) do update set reason = excluded.reason, at = excluded.at
), logged as (
  insert into execution_change (execution_id, revision, ordinals)
  select ${executionId}, x.revision, (select array_agg(ordinal) from moved) from x
)
select (select n from d) as cancelled, (select ordinal from edge) as edge,
  (select json_object_agg(was, n) from (
    select was, count(*)::int as n from chosen, edge
    where was <> all(${itemMoveFrom('cancel')}::text[]) and (edge.ordinal is null or chosen.ordinal <= edge.ordinal) group by was
  ) e) as ended,
  (select status from x) as status, (select revision from x) as revision`.execute(tx);
    const row = rows[0];
    const next = 'ordinals' in chunk ? total : row?.edge == null ? chunk.cursor + SPAN : row.edge + 1;
    return {
      cancelled: row?.cancelled ?? 0,
      ended: row?.ended ?? {},
      cursor: next >= total ? null : next,
      status: row?.status ?? status,
      revision: row?.revision ?? null,
    };
  });
}

/** The items of a lane's claim that are CANCELLED; none when the lane has a newer epoch. */
export async function cancelledItems(db: Db, lane: HeldLane): Promise<number[]> {
  const rows = await named(db, 'cancelledItems')
    .selectFrom('executionLane as l')
    .innerJoin('batchItem as i', (join) =>
      join.onRef('i.executionId', '=', 'l.executionId').on(sql<boolean>`i.ordinal = any(l.claim)`),
    )
    .select('i.ordinal')
    .where('l.executionId', '=', lane.executionId)
    .where('l.no', '=', lane.no)
    .where('l.epoch', '=', lane.epoch)
    .where('i.status', '=', 'CANCELLED')
    .execute();
  return rows.map(({ ordinal }) => ordinal);
}

/** Why items that are CANCELLED were cancelled one by one; those that were not, or gave no reason, are left out. */
export async function cancelReasons(
  db: Db,
  projectId: string,
  keys: readonly ItemKey[],
): Promise<(ItemKey & { readonly reason: string | null })[]> {
  if (keys.length === 0) return [];
  return await named(db, 'cancelReasons')
    .selectFrom(keysRelation(keys))
    .innerJoin('batchExecution as x', 'x.id', 'k.executionId')
    .innerJoin('batchItem as i', (join) =>
      join.onRef('i.executionId', '=', 'k.executionId').onRef('i.ordinal', '=', 'k.ordinal'),
    )
    // Of the moment that ended it: it may have been cancelled in an earlier round, too.
    .innerJoin('itemCancel as c', (join) =>
      join
        .onRef('c.executionId', '=', 'k.executionId')
        .onRef('c.ordinal', '=', 'k.ordinal')
        .onRef('c.at', '=', 'i.endedAt'),
    )
    .select(['k.executionId', 'k.ordinal', 'c.reason'])
    .where('x.projectId', '=', projectId)
    .where('i.status', '=', 'CANCELLED')
    .execute();
}
