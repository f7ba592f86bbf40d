/** The parts of a flush's statement that move items which have rows of their own, or get them. */
import { type RawBuilder, sql } from 'kysely';
import type { ItemMove } from '../engine/ports.ts';
import { column } from './flush-column.ts';
import { boolArray, doubleArray, intArray, sparse, textArray } from './pg-array.ts';

/** What a kind of items adds to the statement of a flush. */
export interface MoveParts {
  /** Relations, in front of `moved`. */
  readonly relations: readonly RawBuilder<unknown>[];
  /** Selects of what moved: `ordinal, was, status, flawed`, and where there are tiers `was_tier, tier`. */
  readonly moved: readonly RawBuilder<unknown>[];
}

/** The items of which nothing has happened as far as the lane knows. */
export const freshOf = (moves: readonly ItemMove[]): number[] =>
  moves.flatMap(({ ordinal, was }) => (was === 'QUEUED' ? ordinal : []));

/**
 * Moves items from the statuses that the lane knows them to have, and gives rows to those that have none.
 *
 * The statement has relations `e` and `l` (the locked execution and lane) and `free` (see `free_stretches`); `allFree` holds
 * when everything that was asked for is in it.
 */
export function moveItems(moves: readonly ItemMove[], hasTiers: boolean, allFree: RawBuilder<unknown>): MoveParts {
  if (moves.length === 0) return { relations: [], moved: [] };
  const updated = sql`select ordinal, was, status, flawed${hasTiers ? sql`, was_tier, tier` : sql``} from updated`;
  if (freshOf(moves).length === 0) return { relations: [updateItems(moves, hasTiers)], moved: [updated] };
  const flawed = moves.filter((move) => move.flawed).map(({ ordinal }) => ordinal);
  const made = sql`select ordinal, 'QUEUED', status, ordinal = any(${intArray(flawed)}::int[])${hasTiers ? sql`, 0, tier` : sql``}
  from made`;
  return { relations: [updateItems(moves, hasTiers), appendItems(allFree)], moved: [updated, made] };
}

/** The relations `u`, of moves, and `updated`, of those that applied to a row. */
function updateItems(moves: readonly ItemMove[], hasTiers: boolean): RawBuilder<unknown> {
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
    ${instants(moves.map((m) => m.endedAt))}::float8[], ${textArray(sparse(moves.map((m) => m.error?.category)))}::text[],
    ${textArray(sparse(moves.map((m) => m.error?.code)))}::text[], ${boolArray(sparse(moves.map((m) => m.error?.transient)))}::bool[]${wasTiers})
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

const instants = (dates: readonly (Date | null)[]): Buffer => doubleArray(sparse(dates.map((date) => date?.getTime())));
