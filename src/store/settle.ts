/** The flush: everything a lane's attempts produced, written in one statement. */
import { sql } from 'kysely';
import { type ExecutionStatus, isFinalExecution } from '../domain/states.ts';
import type { HeldLane, SettleAnswer, Settlement } from '../engine/ports.ts';
import { COUNT_CHANGES, closing, countMove, knownChanges } from './count-moves.ts';
import type { Db } from './database.ts';
import { intArray } from './pg-array.ts';
import { freshOf, moveItems } from './settle-moves.ts';
import { failureRows, resultRows } from './settle-rows.ts';
import { appendStretches, boundsOf, type Stretched, toStretches } from './settle-stretches.ts';
import { usageParts } from './settle-usage.ts';
import { TIER_CHANGES } from './tier-moves.ts';

interface SettleRow {
  held: boolean;
  status: ExecutionStatus | null;
  closing: boolean | null;
  revision: number | null;
  /** The ordinals that moved; null where all did. */
  moved: number[] | null;
  /** Only asked for by a flush that holds usage. */
  spent?: boolean | null;
}

/**
 * Settles a lane's outcomes while its epoch is current.
 *
 * One autocommit statement, raw because Kysely has no data-modifying CTE over `unnest`. It locks execution, lane
 * and items in that order; each item moves only from the status the lane knows it to have; results, failures,
 * counts, the change log and the next revision are written with it or not at all. `held: false` means a takeover
 * or the execution's end got there first: drop the outcomes, never write them again.
 *
 * What can, goes into stretches (see `toStretches`). A stretch is all or nothing: where something has happened to one
 * of its items, a second statement tries them with a row each.
 *
 * A flush whose answer was lost may be sent again as it is: what it moved has left the status it was known to have.
 * A move that keeps the status (to the next tier, from one backoff to the next) applies only forwards, to the same end.
 */
export async function settle(db: Db, lane: HeldLane, settlement: Settlement, now: Date): Promise<SettleAnswer> {
  const stretched = toStretches(settlement);
  const answer = await write(db, lane, stretched, now);
  if (!answer.held || answer.refused.length === 0 || stretched.stretches.length === 0) return answer;
  const refused = new Set(answer.refused);
  const crossed = stretched.stretches.flatMap((stretch) => stretch.filter(({ ordinal }) => refused.has(ordinal)));
  if (crossed.length === 0) return answer;
  const ordinals = new Set(crossed.map(({ ordinal }) => ordinal));
  const moves = settlement.moves.filter(({ ordinal }) => ordinals.has(ordinal));
  // No item has failed before its first call.
  const rest = { ...settlement, moves, results: crossed, failures: [] };
  const later = await write(db, lane, { stretches: [], rest }, now);
  // The first has ended the execution.
  if (!later.held && isFinalExecution(answer.status)) return answer;
  return {
    ...later,
    refused: [...answer.refused.filter((ordinal) => !ordinals.has(ordinal)), ...later.refused],
    revision: later.revision ?? answer.revision,
    spent: answer.spent || later.spent,
  };
}

async function write(db: Db, lane: HeldLane, stretched: Stretched, now: Date): Promise<SettleAnswer> {
  // Without a walk through the whole statement for names in camel case: it has none.
  const { rows } = await settleStatement(lane, stretched, now).execute(db.withoutPlugins());
  const row = rows[0];
  return {
    held: row?.held ?? false,
    status: row?.status ?? 'CANCELLED',
    closing: row?.closing ?? true,
    revision: row?.revision ?? null,
    refused: row?.moved == null ? [] : without(stretched, new Set(row.moved)),
    spent: row?.spent ?? false,
  };
}

const without = ({ stretches, rest }: Stretched, moved: ReadonlySet<number>): number[] =>
  [...stretches.flat(), ...rest.moves].flatMap(({ ordinal }) => (moved.has(ordinal) ? [] : ordinal));

/**
 * The statement of `settle`, apart so that a test can EXPLAIN it.
 *
 * `abs(ordinal) = ordinal` is always true and makes the planner expect a handful of rows: it then looks each item up
 * by both key columns whatever the statistics say, instead of reading the whole execution for a hash join, as it
 * does on tables that were just loaded. `i.execution_id = e.id` and not the id itself, because statistics that do not
 * know the execution yet promise a single row of it. `= any(array)` in place of joins with `moved` is for the same
 * reason: expecting one row it would compare each with each.
 *
 * An item of which nothing has happened has no row to lock. Whether that is still so is asked once the execution is
 * locked (`free`), which whoever touches its items locks first.
 */
export function settleStatement(lane: HeldLane, { stretches, rest }: Stretched, now: Date) {
  const { moves, results, failures, round, tiers } = rest;
  const { firsts, lasts } = boundsOf(stretches);
  const fresh = freshOf(moves);
  const asked = firsts.length + fresh.length;
  const sent = moves.length + stretches.reduce((sum, { length }) => sum + length, 0);
  const allFree = sql`(select count(*) from free) = ${asked}::int`;
  // Nearly always so; else each row is looked for in the list of those that moved, which takes the square of the flush.
  const all = sql`(select n from tally) = ${sent}::int`;
  const usage = usageParts(lane.executionId, [...stretches.flat(), ...results], failures, all);
  const parts = [moveItems(moves, tiers > 1, allFree), appendStretches(stretches, allFree)];
  const relations = sql.join(
    parts.flatMap((part) => part.relations),
    sql`, `,
  );
  const moved = sql.join(
    parts.flatMap((part) => part.moved),
    sql` union all `,
  );
  return sql<SettleRow>`/* settle */
with e as materialized (
  select x.id, x.status, x.revision, ${closing(now)} is not null as closing from batch_execution x
  where x.id = ${lane.executionId} and x.ended_at is null for no key update
), l as materialized (
  select lane.no from execution_lane lane join e on e.id = lane.execution_id
  where lane.no = ${lane.no} and lane.epoch = ${lane.epoch} for no key update of lane
), free as materialized (
  select f.first, f.last from (select e.id from e, l offset 0) as h
  cross join lateral free_stretches(h.id, ${intArray([...firsts, ...fresh])}::int[], ${intArray([...lasts, ...fresh])}::int[]) as f
), ${relations}, moved(ordinal, was, status, flawed${tiers > 1 ? sql`, was_tier, tier` : sql``}) as materialized (
  ${moved}
), tally as (select count(*)::int as n from moved
), d as (
  select ${knownChanges(moves, sent - moves.length)} from tally where n = ${sent}::int
  union all select ${COUNT_CHANGES} from moved where not ${all} having not ${all}
)${usage.relation}, ${tiers > 1 ? sql`${TIER_CHANGES}, ` : sql``}x as (
  update batch_execution x set ${countMove({ now, tiers: tiers > 1 })}${usage.adds}
  from d, e where x.id = e.id and d.n > 0
  returning x.status, x.revision, ${closing(now)} is not null as closing${usage.returning}
)${
    results.length === 0
      ? sql``
      : sql`, appended_results as (
  ${resultRows(lane.executionId, round, results)}
  where ${all} or r.ordinal = any(array(select ordinal from moved))
)`
  }${
    failures.length === 0
      ? sql``
      : sql`, appended_failures as (
  ${failureRows(lane.executionId, round, failures)}
  where ${all} or f.ordinal = any(array(select ordinal from moved))
)`
  }, logged as (
  insert into execution_change (execution_id, revision, ordinals)
  select ${lane.executionId}, x.revision, (select array_agg(ordinal) from moved) from x
)${usage.sums}
select exists (select 1 from l) as held,
  coalesce((select status from x), (select status from e)) as status,
  coalesce((select closing from x), (select closing from e)) as closing,
  (select revision from x) as revision,${usage.answer}
  case when not ${all} then array(select ordinal from moved) end as moved`;
}
