/** Reading what the calls of executions used. */
import { sql } from 'kysely';
import { anyOf } from './any-of.ts';
import type { Db } from './database.ts';
import { named } from './statement-name.ts';

/** What calls used, over all rounds. */
export interface UsageSum {
  readonly executionId: string;
  /** null: of all tiers together. */
  readonly tier: number | null;
  /** Calls that said what they used. */
  readonly calls: number;
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly cachedInputTokens: number;
  readonly totalTokens: number;
  /** A decimal number; null where no tier of them has prices. */
  readonly cost: string | null;
}

/** The sums of each execution and of each of its tiers that used something. */
export async function sumUsage(db: Db, projectId: string, executionIds: readonly string[]): Promise<UsageSum[]> {
  return await named(db, 'sumUsage')
    .selectFrom('executionUsage as u')
    .innerJoin('batchExecution as x', 'x.id', 'u.executionId')
    // Raw: sums of int8 are numeric, which comes as text, and Kysely has no grouping sets.
    .select([
      'u.executionId',
      sql<number | null>`u.tier`.as('tier'),
      sql<number>`sum(u.calls)::int8`.as('calls'),
      sql<number>`sum(u.input_tokens)::int8`.as('inputTokens'),
      sql<number>`sum(u.output_tokens)::int8`.as('outputTokens'),
      sql<number>`sum(u.cached_input_tokens)::int8`.as('cachedInputTokens'),
      sql<number>`sum(u.total_tokens)::int8`.as('totalTokens'),
      sql<string | null>`trim_scale(sum(u.cost))::text`.as('cost'),
    ])
    .where('x.projectId', '=', projectId)
    .where('u.executionId', '=', anyOf(executionIds))
    .groupBy(sql`grouping sets ((u.execution_id, u.tier), (u.execution_id))`)
    .execute();
}
