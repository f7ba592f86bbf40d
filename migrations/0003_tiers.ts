/**
 * Counts and times of tiers, items that are cancelled one by one, and what a round runs with. Frozen; nothing is
 * imported from `src/`.
 *
 * `tier_counts` has seven numbers for each tier but the first, whose counts are what is left of the execution's own;
 * it is null for executions of one tier, which pay nothing for it. `item_cancel` has no foreign key, as no table of
 * items has.
 */
import { type Kysely, sql } from 'kysely';

const STATEMENTS = [
  `alter table batch_execution
    add column tier_counts integer[],
    add column tier_entered_at timestamptz[],
    add column tier_left_at timestamptz[],
    add column item_cancels integer not null default 0`,
  `update batch_execution x set
    tier_counts = array(
      select count(i.ordinal)::int
      from generate_series(1, json_array_length(x.spec -> 'tiers') - 1) t
      cross join unnest(array['QUEUED', 'RUNNING', 'RETRYING', 'SUCCEEDED', 'FAILED', 'CANCELLED', 'EXPIRED'])
        with ordinality s(status, k)
      left join batch_item i on i.execution_id = x.id and i.tier = t and i.status = s.status
      group by t, k order by t, k),
    tier_entered_at = array(
      select (select min(r.at) from item_result r where r.execution_id = x.id and r.tier = t - 1)
      from generate_series(0, json_array_length(x.spec -> 'tiers') - 1) t order by t),
    tier_left_at = array(
      select greatest(
        (select max(r.at) from item_result r where r.execution_id = x.id and r.tier = t),
        (select max(f.at) from item_failure f where f.execution_id = x.id and f.tier = t))
      from generate_series(0, json_array_length(x.spec -> 'tiers') - 1) t order by t)
  where json_array_length(x.spec -> 'tiers') > 1`,
  'alter table execution_round add column parameters json',
  `create table item_cancel (
    execution_id text not null,
    ordinal integer not null,
    round integer not null,
    reason text,
    at timestamptz not null,
    primary key (execution_id, ordinal, round)
  )`,
];

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await sql.raw(statement).execute(db);
}
