/** Reading numbers about an execution's items that are counted when asked for. */
import { sql } from 'kysely';
import type { ErrorCategory } from '../domain/item-error.ts';
import { anyOf } from './any-of.ts';
import type { Db } from './database.ts';
import { named } from './statement-name.ts';

/** How many failed items ended with one error. */
export interface ErrorCount {
  readonly executionId: string;
  readonly category: ErrorCategory;
  readonly code: string;
  readonly count: number;
  /** The first of these items. */
  readonly sampleOrdinal: number;
}

/** How many failed items of one tier ended with one error. */
export interface TierErrorCount extends ErrorCount {
  readonly tier: number;
}

/** How many failed items of one tier ended with an error of one kind. */
export interface TierCategoryCount {
  readonly executionId: string;
  readonly tier: number;
  readonly category: ErrorCategory;
  readonly count: number;
}

/** How many items of one tier something is true of. */
export interface TierCount {
  readonly executionId: string;
  readonly tier: number;
  readonly count: number;
}

/** The most frequent errors of each execution's failed items, at most `limit` each, most frequent first. */
export async function countErrors(
  db: Db,
  projectId: string,
  executionIds: readonly string[],
  limit: number,
): Promise<ErrorCount[]> {
  return await named(db, 'countErrors')
    .selectFrom('batchExecution as x')
    .innerJoinLateral(
      (eb) =>
        eb
          .selectFrom('batchItem as i')
          .select((by) => [
            'i.executionId',
            by.ref('i.errorCategory').$castTo<ErrorCategory>().as('category'),
            by.ref('i.errorCode').$castTo<string>().as('code'),
            sql<number>`count(*)::int`.as('count'),
            by.fn.min('i.ordinal').as('sampleOrdinal'),
          ])
          .whereRef('i.executionId', '=', 'x.id')
          // The condition of the partial index that holds the failing items only.
          .where('i.errorCode', 'is not', null)
          .where('i.status', '=', 'FAILED')
          .groupBy(['i.executionId', 'i.errorCategory', 'i.errorCode'])
          .orderBy('count', 'desc')
          .orderBy('code')
          .limit(limit)
          .as('e'),
      (join) => join.onTrue(),
    )
    .selectAll('e')
    .where('x.projectId', '=', projectId)
    .where('x.id', '=', anyOf(executionIds))
    .orderBy('e.count', 'desc')
    .orderBy('e.code')
    .execute();
}

/** The most frequent errors of each tier's failed items, at most `limit` a tier, most frequent first. */
export async function countTierErrors(
  db: Db,
  projectId: string,
  executionIds: readonly string[],
  limit: number,
): Promise<TierErrorCount[]> {
  const ranked = failedItems(db, projectId, executionIds)
    .select([
      ...(['i.executionId', 'i.tier', 'i.errorCategory as category', 'i.errorCode as code'] as const),
      sql<number>`count(*)::int`.as('count'),
      sql<number>`min(i.ordinal)`.as('sampleOrdinal'),
      // Raw: Kysely has no window over an aggregate.
      sql<number>`row_number() over (partition by i.execution_id, i.tier order by count(*) desc, i.error_code)`.as(
        'rank',
      ),
    ])
    .groupBy(['i.executionId', 'i.tier', 'i.errorCategory', 'i.errorCode']);
  return await named(db, 'countTierErrors')
    .selectFrom(ranked.as('e'))
    .select(['e.executionId', 'e.tier', 'e.count', 'e.sampleOrdinal'])
    .select((eb) => [
      eb.ref('e.category').$castTo<ErrorCategory>().as('category'),
      eb.ref('e.code').$castTo<string>().as('code'),
    ])
    .where('e.rank', '<=', limit)
    .orderBy('e.rank')
    .execute();
}

/** The kinds of errors of each tier's failed items, most frequent first. */
export async function countTierCategories(
  db: Db,
  projectId: string,
  executionIds: readonly string[],
): Promise<TierCategoryCount[]> {
  return await failedItems(named(db, 'countTierCategories'), projectId, executionIds)
    .select((eb) => [
      ...(['i.executionId', 'i.tier'] as const),
      eb.ref('i.errorCategory').$castTo<ErrorCategory>().as('category'),
      sql<number>`count(*)::int`.as('count'),
    ])
    .groupBy(['i.executionId', 'i.tier', 'i.errorCategory'])
    .orderBy('count', 'desc')
    .orderBy('category')
    .execute();
}

/** Items that were cancelled or expired before an agent was called for them in their tier; reads all items. */
export async function countUncalled(db: Db, projectId: string, executionIds: readonly string[]): Promise<TierCount[]> {
  return await named(db, 'countUncalled')
    .selectFrom('batchItem as i')
    .innerJoin('batchExecution as x', 'x.id', 'i.executionId')
    .select(['i.executionId', 'i.tier', sql<number>`count(*)::int`.as('count')])
    .where('x.projectId', '=', projectId)
    .where('i.executionId', '=', anyOf(executionIds))
    .where('i.status', 'in', ['CANCELLED', 'EXPIRED'])
    .where('i.attempt', '=', 0)
    .groupBy(['i.executionId', 'i.tier'])
    .execute();
}

/** Failed items with one of these errors, by tier. */
export async function countWithCodes(
  db: Db,
  projectId: string,
  executionIds: readonly string[],
  codes: readonly string[],
): Promise<TierCount[]> {
  return await failedItems(named(db, 'countWithCodes'), projectId, executionIds)
    .select(['i.executionId', 'i.tier', sql<number>`count(*)::int`.as('count')])
    .where('i.errorCode', '=', anyOf(codes))
    .groupBy(['i.executionId', 'i.tier'])
    .execute();
}

/** The failed items of executions, found by the partial index that holds the failing ones only. */
const failedItems = (db: Db, projectId: string, executionIds: readonly string[]) =>
  db
    .selectFrom('batchItem as i')
    .innerJoin('batchExecution as x', 'x.id', 'i.executionId')
    .where('x.projectId', '=', projectId)
    .where('i.executionId', '=', anyOf(executionIds))
    .where('i.errorCode', 'is not', null)
    .where('i.status', '=', 'FAILED');
