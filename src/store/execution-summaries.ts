/** Reading numbers about an execution's items that are counted when asked for. */
import { sql } from 'kysely';
import type { ErrorCategory } from '../domain/item-error.ts';
import type { ItemStatus } from '../domain/states.ts';
import { anyOf } from './any-of.ts';
import type { Db } from './database.ts';
import { named } from './statement-name.ts';

/** How many failed items ended with one error. */
export interface ErrorCount {
  readonly executionId: string;
  readonly category: ErrorCategory;
  readonly code: string;
  readonly count: number;
}

/** How many items are in one tier with one status. */
export interface TierStatusCount {
  readonly executionId: string;
  readonly tier: number;
  readonly status: ItemStatus;
  readonly count: number;
}

/** When the first result of a tier came, and the last result or failure. */
export interface TierTimes {
  readonly executionId: string;
  readonly tier: number;
  readonly firstResultAt: Date | null;
  readonly lastOutcomeAt: Date;
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

/** Items by tier and status, counted in one pass over all items of the executions. */
export async function countTiers(
  db: Db,
  projectId: string,
  executionIds: readonly string[],
): Promise<TierStatusCount[]> {
  return await named(db, 'countTiers')
    .selectFrom('batchItem as i')
    .innerJoin('batchExecution as x', 'x.id', 'i.executionId')
    .select(['i.executionId', 'i.tier', 'i.status', sql<number>`count(*)::int`.as('count')])
    .where('x.projectId', '=', projectId)
    .where('i.executionId', '=', anyOf(executionIds))
    .groupBy(['i.executionId', 'i.tier', 'i.status'])
    .execute();
}

/** The times of every tier that has an outcome, in one pass over all results and failures of the executions. */
export async function timeTiers(db: Db, projectId: string, executionIds: readonly string[]): Promise<TierTimes[]> {
  const results = db
    .selectFrom('itemResult as r')
    .select(['r.executionId', 'r.tier', sql<Date | null>`r.at`.as('resultAt'), 'r.at as outcomeAt'])
    .where('r.executionId', '=', anyOf(executionIds));
  const failures = db
    .selectFrom('itemFailure as f')
    .select(['f.executionId', 'f.tier', sql<Date | null>`null::timestamptz`.as('resultAt'), 'f.at as outcomeAt'])
    .where('f.executionId', '=', anyOf(executionIds));
  return await named(db, 'timeTiers')
    .selectFrom(results.unionAll(failures).as('o'))
    .innerJoin('batchExecution as x', 'x.id', 'o.executionId')
    .select((eb) => [
      'o.executionId',
      'o.tier',
      eb.fn.min('o.resultAt').as('firstResultAt'),
      eb.fn.max('o.outcomeAt').as('lastOutcomeAt'),
    ])
    .where('x.projectId', '=', projectId)
    .groupBy(['o.executionId', 'o.tier'])
    .execute();
}
