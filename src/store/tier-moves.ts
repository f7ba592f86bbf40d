/**
 * How the counts and times of tiers change, in the statement that moves the items.
 *
 * An execution keeps seven counts for each tier but the first: what is left of its own counts is in the first. So a
 * move within the first tier changes none of them, freezing neither, and an execution of one tier has no such columns.
 */
import { type RawBuilder, sql } from 'kysely';
import { ITEM_STATUSES, openItemStatuses } from '../domain/states.ts';

const slot = (tier: string, status: string): RawBuilder<number> =>
  sql`(${sql.ref(tier)} - 1) * ${sql.lit(ITEM_STATUSES.length)}
      + array_position(array[${sql.join(ITEM_STATUSES.map((word) => sql.lit(word)))}], ${sql.ref(status)})`;

const OPEN = sql.join(openItemStatuses().map((word) => sql.lit(word)));

/**
 * Two relations over `moved`, which must have `was, was_tier, status, tier`: `tc`, the change of each slot of
 * `tier_counts`, and `tw`, the ways that items went, `ended` where they went no further.
 */
export const TIER_CHANGES: RawBuilder<unknown> = sql`ways as materialized (
  select was, was_tier, status, tier, count(*)::int as n from moved group by was, was_tier, status, tier
), tc as materialized (
  select c.slot, sum(c.change)::int as change from (
    select ${slot('tier', 'status')} as slot, n as change from ways where tier > 0
    union all select ${slot('was_tier', 'was')}, -n from ways where was_tier > 0
  ) c group by c.slot
), tw as materialized (
  select was_tier, tier, status not in (${OPEN}) as ended from ways
)`;

/** What follows in the SET list of `batch_execution x`; executions of one tier keep their nulls. */
export const tierMove = (now: Date): RawBuilder<unknown> => sql`,
    tier_counts = case when x.tier_counts is not null then array(
      select x.tier_counts[k] + coalesce(tc.change, 0)
      from generate_subscripts(x.tier_counts, 1) k left join tc on tc.slot = k order by k) end,
    tier_entered_at = case when x.tier_entered_at is not null then array(
      select coalesce(x.tier_entered_at[k],
        case when exists (select 1 from tw where tw.was_tier < k - 1 and tw.tier >= k - 1) then ${now}::timestamptz end)
      from generate_subscripts(x.tier_entered_at, 1) k order by k) end,
    tier_left_at = case when x.tier_left_at is not null then array(
      select case when exists (
          select 1 from tw where tw.was_tier <= k - 1 and (tw.tier > k - 1 or tw.tier = k - 1 and tw.ended)
        ) then ${now}::timestamptz else x.tier_left_at[k] end
      from generate_subscripts(x.tier_left_at, 1) k order by k) end`;
