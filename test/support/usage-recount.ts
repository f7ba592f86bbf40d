/** The token usage of an execution as its results and failures say it. */
import { sql } from 'kysely';
import type { Db } from '../../src/store/database.ts';

/** In what the sums of an execution's usage differ from what its attempts say; null when in nothing. */
export async function recountUsage(db: Db, executionId: string): Promise<string | null> {
  const { rows } = await sql<{ said: string; summed: string; total: number | null; used: number | null }>`
with attempts as (
  select tier, usage from every_result where execution_id = ${executionId} and usage is not null
  union all select tier, usage from item_failure where execution_id = ${executionId} and usage is not null
), said as (
  select tier, count(*) as calls, sum((usage ->> 'inputTokens')::int8) as input,
    sum((usage ->> 'totalTokens')::int8) as total, trim_scale(sum((usage ->> 'cost')::numeric)) as cost
  from attempts group by tier
), summed as (
  select tier, calls::numeric as calls, input_tokens as input, total_tokens as total, trim_scale(cost) as cost
  from execution_usage where execution_id = ${executionId}
)
select coalesce((select json_agg(json_build_array(tier, calls, input, total, cost::text) order by tier)::text from said), '')
    as said,
  coalesce((select json_agg(json_build_array(tier, calls, input, total, cost::text) order by tier)::text from summed), '')
    as summed,
  (select sum(total) from said)::int8 as total, (select tokens_used from batch_execution where id = ${executionId}) as used
`.execute(db);
  const [row] = rows;
  if (row === undefined) throw new Error('no row');
  if (row.said !== row.summed) return `usage: ${row.summed} != ${row.said}`;
  return row.total === row.used ? null : `tokens used: ${row.used} != ${row.total}`;
}
