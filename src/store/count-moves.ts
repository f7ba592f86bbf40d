/**
 * The one way an execution's counts, revision and end change.
 *
 * Every statement that moves items ends in an UPDATE of `batch_execution x` from a one-row relation `d` with the
 * change of each count (`total, queued, running, retrying, succeeded, failed, cancelled, expired, flawed`). The
 * SET list here adds it, takes the next revision, and ends the execution when its last open item is closed.
 */
import { type RawBuilder, sql } from 'kysely';
import type { ItemStatus } from '../domain/states.ts';
import type { Closing } from '../engine/ports.ts';
import { tierMove } from './tier-moves.ts';

export interface CountMove {
  readonly now: Date;
  /** Whether this statement seals the set of items. */
  readonly seals?: boolean;
  /** Whether the statement has the relations of `TIER_CHANGES`. */
  readonly tiers?: boolean;
}

const after = (count: string) => sql.raw(`(x.${count} + d.${count})`);
const OPEN_AFTER = sql`(${after('queued')} + ${after('running')} + ${after('retrying')})`;

/** Whether more failed than is tolerated; the share only counts once the total is final. */
const tooManyFailed = (
  seals: boolean,
): RawBuilder<boolean> => sql`(${seals ? sql`true` : sql`d.failed > 0`} and (${after('failed')} > x.tolerated_failures
      or ${seals ? sql`true` : sql`x.sealed_at is not null`} and ${after('failed')} * 100.0 > x.tolerated_failure_percent * ${after('total')}))`;
const stopReason = (
  seals: boolean,
): RawBuilder<string | null> => sql`coalesce(x.stop_reason, case when ${tooManyFailed(seals)}
      then ${after('failed')} || ' of ' || ${after('total')} || ' items failed, more than is tolerated.' end)`;

/** The SET list; see the head of this file. */
export function countMove({ now, seals = false, tiers = false }: CountMove): RawBuilder<unknown> {
  const stop = stopReason(seals);
  const overdue = sql`coalesce(x.deadline_at <= ${now}, false)`;
  const sealed = seals ? sql`true` : sql`(x.sealed_at is not null and x.retry_cursor is null)`;
  const ends = sql`(${OPEN_AFTER} = 0
      and (${sealed} or x.status = 'CANCELLING' or ${stop} is not null or ${overdue}))`;
  const end = sql`case
      when x.status = 'CANCELLING' then 'CANCELLED'
      when ${stop} is not null then 'FAILED'
      when ${overdue} and (${after('expired')} > 0 or not ${sealed}) then 'EXPIRED'
      when ${after('total')} = 0 then 'COMPLETED'
      when ${after('succeeded')} = 0 then 'FAILED'
      when ${after('failed')} + ${after('cancelled')} + ${after('expired')} + ${after('flawed')} > 0
        then 'COMPLETED_WITH_ERRORS'
      else 'COMPLETED' end`;
  const goesOn = seals
    ? sql`case when x.status <> 'PREPARING' then x.status when x.started_at is null then 'QUEUED' else 'RUNNING' end`
    : sql`x.status`;
  return sql`
    total = ${after('total')}, queued = ${after('queued')}, running = ${after('running')},
    retrying = ${after('retrying')}, succeeded = ${after('succeeded')}, failed = ${after('failed')},
    cancelled = ${after('cancelled')}, expired = ${after('expired')}, flawed = ${after('flawed')},
    revision = x.revision + 1,
    last_activity_at = ${now},
    status = case when ${ends} then ${end} else ${goesOn} end,
    ended_at = case when ${ends} then ${now}::timestamptz end,
    sealed_at = coalesce(x.sealed_at, case when ${ends} ${seals ? sql`or true` : sql``} then ${now}::timestamptz end),
    retry_cursor = case when ${ends} then null else x.retry_cursor end,
    pause_reason = case when ${ends} then null else x.pause_reason end,
    wait_reason = case when ${ends} then null else x.wait_reason end,
    wait_until = case when ${ends} then null else x.wait_until end,
    stop_reason = case when ${ends} then null else ${stop} end,
    error = case
      when not ${ends} or x.status = 'CANCELLING' then x.error
      when ${stop} is not null then ${stop}
      when ${after('succeeded')} = 0 and ${after('total')} > 0 and not ${overdue}
        then 'None of the ' || ${after('total')} || ' items succeeded.' end${tiers ? tierMove(now) : sql``}`;
}

/** Why execution `x` is being closed, as a Closing; null while it is not. */
export const closing = (now: Date): RawBuilder<Closing | null> => sql`case
    when x.status = 'CANCELLING' then 'CANCEL'
    when x.ended_at is not null or x.status = 'DRAFT' then null
    when x.stop_reason is not null then 'FAIL'
    when x.deadline_at <= ${now} then 'EXPIRE' end`;

/** A relation `d` of no change at all. */
export const NO_CHANGE = sql`(select 0 as total, 0 as queued, 0 as running, 0 as retrying, 0 as succeeded, 0 as failed,
    0 as cancelled, 0 as expired, 0 as flawed) d`;

/** The select list of a relation `d` over moved items with columns `was` and `status`; `flawed` is its change. */
export const countChanges = (flawed: RawBuilder<number>): RawBuilder<unknown> => sql`
    count(*)::int as n, 0 as total,
    ((count(*) filter (where status = 'QUEUED')) - (count(*) filter (where was = 'QUEUED')))::int as queued,
    ((count(*) filter (where status = 'RUNNING')) - (count(*) filter (where was = 'RUNNING')))::int as running,
    ((count(*) filter (where status = 'RETRYING')) - (count(*) filter (where was = 'RETRYING')))::int as retrying,
    ((count(*) filter (where status = 'SUCCEEDED')) - (count(*) filter (where was = 'SUCCEEDED')))::int as succeeded,
    ((count(*) filter (where status = 'FAILED')) - (count(*) filter (where was = 'FAILED')))::int as failed,
    ((count(*) filter (where status = 'CANCELLED')) - (count(*) filter (where was = 'CANCELLED')))::int as cancelled,
    ((count(*) filter (where status = 'EXPIRED')) - (count(*) filter (where was = 'EXPIRED')))::int as expired,
    (${flawed})::int as flawed`;

/** The same where moved items have a column `flawed` too, and none that succeeded is taken back. */
export const COUNT_CHANGES = countChanges(sql`count(*) filter (where status = 'SUCCEEDED' and flawed)`);

/**
 * The same select list for moves that are known, and that all applied: a tenth of a flush is spent counting them there.
 * `stretched` more items went from QUEUED to SUCCEEDED.
 */
export function knownChanges(
  moves: readonly { readonly was: ItemStatus; readonly to: ItemStatus; readonly flawed: boolean }[],
  stretched: number,
): RawBuilder<unknown> {
  const change: Record<ItemStatus, number> = {
    ...{ QUEUED: -stretched, RUNNING: 0, RETRYING: 0, SUCCEEDED: stretched, FAILED: 0, CANCELLED: 0, EXPIRED: 0 },
  };
  let flawed = 0;
  for (const move of moves) {
    change[move.was] -= 1;
    change[move.to] += 1;
    if (move.to === 'SUCCEEDED' && move.flawed) flawed += 1;
  }
  return sql`${moves.length + stretched}::int as n, 0 as total, ${change.QUEUED}::int as queued, ${change.RUNNING}::int as running,
    ${change.RETRYING}::int as retrying, ${change.SUCCEEDED}::int as succeeded, ${change.FAILED}::int as failed,
    ${change.CANCELLED}::int as cancelled, ${change.EXPIRED}::int as expired, ${flawed}::int as flawed`;
}
