/** The flush: everything a lane's attempts produced, written in one statement. */
import { type RawBuilder, sql } from 'kysely';
import type { ExecutionStatus } from '../domain/states.ts';
import type { HeldLane, ItemMove, SettleAnswer, Settlement } from '../engine/ports.ts';
import { COUNT_CHANGES, closing, countMove, knownChanges } from './count-moves.ts';
import type { Db } from './database.ts';
import { column } from './flush-column.ts';
import { intArray, sparse } from './pg-array.ts';
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
  const rest = { ...settlement, moves, results: crossed, failures: [] };
  const later = await write(db, lane, { stretches: [], rest }, now);
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
  const fresh = moves.filter(({ was }) => was === 'QUEUED').map(({ ordinal }) => ordinal);
  const asked = firsts.length + fresh.length;
  const sent = moves.length + stretches.reduce((sum, { length }) => sum + length, 0);
  const allFree = sql`(select count(*) from free) = ${asked}::int`;
  // Nearly always so; else each row is looked for in the list of those that moved, which takes the square of the flush.
  const all = sql`(select n from tally) = ${sent}::int`;
  const usage = usageParts(lane.executionId, [...stretches.flat(), ...results], failures, all);
  const [hasRows, hasFresh, hasStretches] = [moves.length > 0, fresh.length > 0, stretches.length > 0];
  const parts = [
    ...(asked > 0 ? [freeOf([...firsts, ...fresh], [...lasts, ...fresh])] : []),
    ...(hasRows ? [movesOf(moves, tiers > 1)] : []),
    ...(hasFresh ? [appendItems(allFree)] : []),
    ...(hasStretches ? [appendStretches(stretches, allFree)] : []),
  ];
  const [wasTiers, noTiers] = tiers > 1 ? [sql`, was_tier, tier`, sql`, 0, tier`] : [sql``, sql``];
  const flawed = moves.filter((move) => move.flawed).map(({ ordinal }) => ordinal);
  const moved = [
    ...(hasRows ? [sql`select ordinal, was, status, flawed${wasTiers} from updated`] : []),
    ...(hasFresh
      ? [sql`select ordinal, 'QUEUED', status, ordinal = any(${intArray(flawed)}::int[])${noTiers} from made`]
      : []),
    ...(hasStretches
      ? [
          // Estimated at a few rows, and at the same few for any flush: or each would be planned anew.
          sql`select (s.first + u.n - 1)::int, 'QUEUED', 'SUCCEEDED', false
  from stretched s cross join lateral unnest(s.ended) with ordinality as u(ended, n)`,
        ]
      : []),
  ];
  return sql<SettleRow>`/* settle */
with e as materialized (
  select x.id, x.status, x.revision, ${closing(now)} is not null as closing from batch_execution x
  where x.id = ${lane.executionId} and x.ended_at is null for no key update
), l as materialized (
  select lane.no from execution_lane lane join e on e.id = lane.execution_id
  where lane.no = ${lane.no} and lane.epoch = ${lane.epoch} for no key update of lane
), ${sql.join(parts, sql`, `)}, moved(ordinal, was, status, flawed${wasTiers}) as materialized (
  ${sql.join(moved, sql` union all `)}
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

/** The relation `free`: of these stretches of ordinals those of whose items nothing has happened; none without the lane. */
const freeOf = (firsts: readonly number[], lasts: readonly number[]): RawBuilder<unknown> => sql`free as materialized (
  select f.first, f.last from (select e.id from e, l offset 0) as h
  cross join lateral free_stretches(h.id, ${intArray(firsts)}::int[], ${intArray(lasts)}::int[]) as f
)`;

/** The relations `u`, of moves, and `updated`, of those that applied to a row. */
function movesOf(moves: readonly ItemMove[], hasTiers: boolean): RawBuilder<unknown> {
  // The statement of an execution with one tier knows nothing of tiers.
  const wasTiers = hasTiers ? sql`, ${intArray(moves.map((m) => m.wasTier))}::int[]` : sql``;
  const was = column('text', moves, (m) => m.was);
  const to = column('text', moves, (m) => m.to);
  const tier = column('int', moves, (m) => m.tier);
  const attempt = column('int', moves, (m) => m.attempt);
  const charged = column('int', moves, (m) => m.charged);
  const deaths = column('int', moves, (m) => m.deaths);
  const flawed = column('bool', moves, (m) => m.flawed);
  return sql`u as materialized (
  select u.ordinal, ${was.of('u.was')} as was, ${to.of('u.status')} as status, ${tier.of('u.tier')} as tier,
    ${attempt.of('u.attempt')} as attempt, ${charged.of('u.charged')} as charged, ${deaths.of('u.deaths')} as deaths,
    ${flawed.of('u.flawed')} as flawed, to_timestamp(u.run_after / 1000) as run_after,
    to_timestamp(u.started_at / 1000) as started_at, to_timestamp(u.ended_at / 1000) as ended_at, u.category, u.code,
    u.transient${hasTiers ? sql`, u.was_tier` : sql``}
  from unnest(${intArray(moves.map((m) => m.ordinal))}::int[], ${was.list}::text[], ${to.list}::text[], ${tier.list}::int[],
    ${attempt.list}::int[], ${charged.list}::int[], ${deaths.list}::int[], ${flawed.list}::bool[],
    ${instants(moves.map((m) => m.runAfter))}::float8[], ${instants(moves.map((m) => m.startedAt))}::float8[],
    ${instants(moves.map((m) => m.endedAt))}::float8[], ${sparse(moves.map((m) => m.error?.category))}::text[],
    ${sparse(moves.map((m) => m.error?.code))}::text[], ${sparse(moves.map((m) => m.error?.transient))}::bool[]${wasTiers})
  as u(ordinal, was, status, tier, attempt, charged, deaths, flawed, run_after, started_at, ended_at, category, code, transient${hasTiers ? sql`, was_tier` : sql``})
  where abs(u.ordinal) = u.ordinal
), updated as (
  update batch_item i
  set status = u.status, tier = u.tier, attempt = u.attempt, charged = u.charged, deaths = u.deaths, run_after = u.run_after,
    started_at = u.started_at, ended_at = u.ended_at, error_category = u.category, error_code = u.code,
    error_transient = u.transient, revision = e.revision + 1
  from u, e, l
  where i.execution_id = e.id and i.ordinal = u.ordinal and i.status = u.was
    and (u.status <> u.was or (u.tier, u.attempt) > (i.tier, i.attempt))
  returning i.ordinal, u.was, u.status, u.flawed${hasTiers ? sql`, u.was_tier, u.tier` : sql``}
)`;
}

/** The relation `made`: rows for the items of `u` that had none. */
const appendItems = (allFree: RawBuilder<unknown>): RawBuilder<unknown> => sql`made as (
  insert into batch_item (execution_id, ordinal, status, tier, attempt, charged, deaths, run_after, started_at, ended_at,
    error_category, error_code, error_transient, revision)
  select e.id, u.ordinal, u.status, u.tier, u.attempt, u.charged, u.deaths, u.run_after, u.started_at, u.ended_at,
    u.category, u.code, u.transient, e.revision + 1
  from u, e where u.was = 'QUEUED' and (${allFree} or u.ordinal = any(array(select first from free where first = last)))
  on conflict do nothing
  returning ordinal, status, tier
)`;

const instants = (dates: readonly (Date | null)[]): string =>
  dates.every((date) => date === null) ? '{}' : intArray(dates.map((date) => date?.getTime() ?? null));
