/** The parts of a flush's statement that add up what calls used. */
import { type RawBuilder, sql } from 'kysely';
import type { FailureRow, ResultRow } from '../engine/ports.ts';

/** Pieces of `settle`, all empty for a flush without usage: it then names none of these tables and columns. */
export interface UsageParts {
  /** A relation of what the moved items used; it comes before the UPDATE of the execution. */
  readonly relation: RawBuilder<unknown>;
  /** What its UPDATE of the execution sets besides. */
  readonly adds: RawBuilder<unknown>;
  /** What that UPDATE returns besides. */
  readonly returning: RawBuilder<unknown>;
  /** A relation that adds the sums of each tier. */
  readonly sums: RawBuilder<unknown>;
  /** What the statement answers besides, in front of another column. */
  readonly answer: RawBuilder<unknown>;
}

const NONE: UsageParts = { relation: sql``, adds: sql``, returning: sql``, sums: sql``, answer: sql`` };

/**
 * Counts the usage of the items that moved, and of no others: a flush that is sent twice counts once.
 *
 * `all`: a condition that holds when every item of the flush moved. The statement has relations `e` (the locked
 * execution), `moved` and `x` (the execution as updated).
 */
export function usageParts(
  executionId: string,
  results: readonly ResultRow[],
  failures: readonly FailureRow[],
  all: RawBuilder<unknown>,
): UsageParts {
  const used = [...results, ...failures].flatMap(({ ordinal, tier, usage }) =>
    usage === null ? [] : [{ ordinal, tier, ...usage }],
  );
  if (used.length === 0) return NONE;
  return {
    relation: sql`, used as materialized (
  select u.*
  from unnest(${used.map((u) => u.ordinal)}::int[], ${used.map((u) => u.tier)}::int[],
    ${used.map((u) => u.inputTokens)}::int8[], ${used.map((u) => u.outputTokens)}::int8[],
    ${used.map((u) => u.cachedInputTokens)}::int8[], ${used.map((u) => u.totalTokens)}::int8[],
    ${used.map((u) => u.cost)}::numeric[])
  as u(ordinal, tier, input_tokens, output_tokens, cached_input_tokens, total_tokens, cost)
  where ${all} or u.ordinal = any(array(select ordinal from moved))
)`,
    adds: sql`,
    tokens_used = coalesce(x.tokens_used, 0) + (select coalesce(sum(total_tokens), 0)::int8 from used),
    cost_used = case when exists (select 1 from used where cost is not null)
      then coalesce(x.cost_used, 0) + (select sum(cost) from used) else x.cost_used end`,
    returning: sql`, ${SPENT} as spent`,
    sums: sql`, summed as (
  insert into execution_usage as s
    (execution_id, tier, calls, input_tokens, output_tokens, cached_input_tokens, total_tokens, cost)
  select ${executionId}, tier, count(*), sum(input_tokens), sum(output_tokens), sum(cached_input_tokens),
    sum(total_tokens), sum(cost)
  from used group by tier
  on conflict (execution_id, tier) do update set calls = s.calls + excluded.calls,
    input_tokens = s.input_tokens + excluded.input_tokens, output_tokens = s.output_tokens + excluded.output_tokens,
    cached_input_tokens = s.cached_input_tokens + excluded.cached_input_tokens,
    total_tokens = s.total_tokens + excluded.total_tokens,
    cost = coalesce(s.cost + excluded.cost, s.cost, excluded.cost)
)`,
    answer: sql`
  (select spent from x) as spent,`,
  };
}

/** Whether execution `x` has used what it may use; null where it has no bound. */
export const SPENT: RawBuilder<boolean | null> = sql`case when x.token_budget is not null or x.cost_budget is not null
    then coalesce(x.tokens_used >= x.token_budget, false) or coalesce(x.cost_used >= x.cost_budget, false) end`;
