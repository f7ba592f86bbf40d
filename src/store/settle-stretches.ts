/**
 * The items of a flush that become rows of `item_stretch`: side by side in the execution, each with a small result at
 * its first call, and nothing else to say of them.
 */
import { type RawBuilder, sql } from 'kysely';
import type { ItemMove, ResultRow, Settlement } from '../engine/ports.ts';
import { LONGEST_STRETCH } from './item-stretches.ts';
import { doubleArray, intArray, jsonArray, sparse, textArray } from './pg-array.ts';
import type { MoveParts } from './settle-moves.ts';

/** Below this a row of their own each costs about the same. */
const SHORTEST = 8;
/** Characters of a result from which on the database would pack a row of its own, which it does not in a stretch. */
const LARGE = 2_000;
/** Milliseconds that a call can take, in a stretch. */
const MAX_INTEGER = 2_147_483_647;

/** The results of ordinals without holes, in order. */
export type Stretch = readonly [ResultRow, ...ResultRow[]];

/** The stretches of a flush, and what is left for rows of their own. */
export interface Stretched {
  readonly stretches: readonly Stretch[];
  readonly rest: Settlement;
}

/** Finds the stretches. Only in the first round: later none of the items is without a row, or the guard says so. */
export function toStretches(settlement: Settlement): Stretched {
  const { round, tiers, moves, results, failures } = settlement;
  if (round > 0 || tiers > 1 || moves.length < SHORTEST) return { stretches: [], rest: settlement };
  const stretches = sideBySide(plainResults(moves, results));
  if (stretches.length === 0) return { stretches, rest: settlement };
  const most = Math.max(moves.length, results.length);
  // Mostly so: then nobody has to ask of each which it is.
  if (most === stretches.reduce((sum, { length }) => sum + length, 0)) {
    return { stretches, rest: { round, tiers, failures, moves: [], results: [] } };
  }
  const taken = new Set<number>();
  for (const stretch of stretches) for (const { ordinal } of stretch) taken.add(ordinal);
  const left = <Row extends { readonly ordinal: number }>(rows: readonly Row[]): readonly Row[] =>
    taken.size === rows.length ? [] : rows.filter(({ ordinal }) => !taken.has(ordinal));
  return { stretches, rest: { round, tiers, failures, moves: left(moves), results: left(results) } };
}

const isFirstCall = ({ was, to, attempt, charged, deaths, flawed }: ItemMove): boolean =>
  was === 'QUEUED' && to === 'SUCCEEDED' && attempt === 1 && charged === 0 && deaths === 0 && !flawed;

/** The results of items that a stretch says all of; found in one pass, since a flush has both in one order. */
function plainResults(moves: readonly ItemMove[], results: readonly ResultRow[]): ResultRow[] {
  const plain: ResultRow[] = [];
  let next = 0;
  for (const move of moves) {
    for (let result = results[next]; result?.ordinal === move.ordinal; result = results[next]) {
      if (isFirstCall(move) && isPlain(result, move)) plain.push(result);
      next += 1;
    }
  }
  return plain;
}

/** Whether a result and its item's move say the same, and no more than a stretch can. */
const isPlain = (result: ResultRow, move: ItemMove): boolean =>
  result.data.length <= LARGE &&
  result.fieldErrors === null &&
  result.artifacts === null &&
  result.attempt === 1 &&
  result.startedAt.getTime() === move.startedAt?.getTime() &&
  result.at.getTime() === move.endedAt?.getTime() &&
  result.startedAt <= result.at &&
  result.at.getTime() - result.startedAt.getTime() <= MAX_INTEGER;

function sideBySide(results: ResultRow[]): Stretch[] {
  results.sort((a, b) => a.ordinal - b.ordinal);
  const stretches: Stretch[] = [];
  for (let start = 0, end = 1; start < results.length; start = end, end += 1) {
    while (end < results.length && results[end]?.ordinal === (results[end - 1]?.ordinal ?? 0) + 1) end += 1;
    const pieces = Math.ceil((end - start) / LONGEST_STRETCH);
    const size = Math.ceil((end - start) / pieces);
    for (let from = start; from < end; from += size) {
      const [first, ...others] = results.slice(from, Math.min(from + size, end));
      if (first !== undefined && others.length + 1 >= SHORTEST) stretches.push([first, ...others]);
    }
  }
  return stretches;
}

/** First and last ordinals of stretches, as two array literals. */
export const boundsOf = (stretches: readonly Stretch[]): { readonly firsts: number[]; readonly lasts: number[] } => ({
  firsts: stretches.map(([first]) => first.ordinal),
  lasts: stretches.map(([first, ...others]) => first.ordinal + others.length),
});

/** Appends the stretches that are free; as `moveItems`, in the same statement. */
export function appendStretches(stretches: readonly Stretch[], allFree: RawBuilder<unknown>): MoveParts {
  if (stretches.length === 0) return { relations: [], moved: [] };
  // Estimated at a few rows, and at the same few for any flush: or each would be planned anew.
  const moved = sql`select (s.first + u.n - 1)::int, 'QUEUED', 'SUCCEEDED', false
  from stretched s cross join lateral unnest(s.ended) with ordinality as u(ended, n)`;
  return { relations: [stretchRows(stretches, allFree)], moved: [moved] };
}

/** The relation `stretched`. Columns go whole and are cut here: grouped, they would have to be sorted. */
function stretchRows(stretches: readonly Stretch[], allFree: RawBuilder<unknown>): RawBuilder<unknown> {
  const results = stretches.flat();
  const { firsts, lasts } = boundsOf(stretches);
  let next = 1;
  const starts = stretches.map(({ length }) => {
    next += length;
    return next - length;
  });
  const ends = results.map(({ at }) => at.getTime());
  const earliest = ends.reduce((first, end) => Math.min(first, end), ends[0] ?? 0);
  const hashed = results.some(({ contentHash }) => contentHash !== null);
  const judged = results.some(({ score, usage }) => score !== null || usage !== null);
  const cut = (column: string) => sql`c.${sql.raw(column)}[s.start : s.start + s.last - s.first]`;
  const columns = [
    ...['ended', 'took', 'data'],
    ...(hashed ? ['content_hash'] : []),
    ...(judged ? ['score', 'usage'] : []),
  ];
  return sql`columns as materialized (
  select ${intArray(ends.map((end) => end - earliest))}::int[] as ended,
    ${intArray(results.map(({ startedAt }, index) => (ends[index] ?? 0) - startedAt.getTime()))}::int[] as took,
    ${jsonArray(results.map(({ data }) => data))}::json[] as data${
      hashed
        ? sql`,
    ${textArray(results.map(({ contentHash }) => contentHash))}::text[] as content_hash`
        : sql``
    }${judged ? judgements(results) : sql``}
), stretched as (
  insert into item_stretch (execution_id, first, last, revision, ended_from, ${sql.raw(columns.join(', '))})
  select (select id from e), s.first, s.last, (select revision + 1 from e), to_timestamp(${earliest}::float8 / 1000),
    ${sql.join(columns.map(cut))}
  from unnest(${intArray(firsts)}::int[], ${intArray(lasts)}::int[], ${intArray(starts)}::int[]) as s(first, last, start),
    columns c
  where ${allFree} or s.first = any(array(select first from free))
  on conflict do nothing
  returning first, ended
)`;
}

const judgements = (results: readonly ResultRow[]): RawBuilder<unknown> => sql`,
    ${doubleArray(results.map(({ score }) => score))}::float8[]::real[] as score,
    ${jsonArray(sparse(results.map(({ usage }) => usage && JSON.stringify(usage))))}::json[] as usage`;
