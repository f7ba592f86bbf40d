/** Reading what a diagnosis needs beside the execution's row. */
import { sql } from 'kysely';
import type { DiagnosisFacts, FailureGroup } from '../domain/diagnosis-facts.ts';
import type { ErrorCategory } from '../domain/item-error.ts';
import type { Db } from './database.ts';
import { named } from './statement-name.ts';

/** How an execution's failed items ended, the most frequent first, at most `limit` groups. */
export async function groupFailures(
  db: Db,
  projectId: string,
  executionId: string,
  limit: number,
): Promise<FailureGroup[]> {
  return await named(db, 'groupFailures')
    .selectFrom('batchItem as i')
    .innerJoin('batchExecution as x', 'x.id', 'i.executionId')
    .select((eb) => [
      eb.ref('i.errorCategory').$castTo<ErrorCategory>().as('category'),
      eb.ref('i.errorCode').$castTo<string>().as('code'),
      'i.tier',
      eb.ref('i.errorTransient').$castTo<boolean>().as('transient'),
      sql<number>`count(*)::int`.as('count'),
    ])
    .where('x.projectId', '=', projectId)
    .where('i.executionId', '=', executionId)
    // The condition of the partial index that holds the failing items only.
    .where('i.errorCode', 'is not', null)
    .where('i.status', '=', 'FAILED')
    .groupBy(['i.errorCategory', 'i.errorCode', 'i.tier', 'i.errorTransient'])
    .orderBy('count', 'desc')
    .orderBy('code')
    .limit(limit)
    .execute();
}

/** What an execution's lanes say, and when its earliest waiting item is due. */
export async function readLaneFacts(
  db: Db,
  projectId: string,
  executionId: string,
): Promise<Omit<DiagnosisFacts, 'failures' | 'interruptedItems'>> {
  const row = await named(db, 'readLaneFacts')
    .selectFrom('executionLane as l')
    .innerJoin('batchExecution as x', 'x.id', 'l.executionId')
    .select((eb) => [
      // What a lane's last holder noted says nothing of its present one.
      sql<number>`coalesce(sum(l.overdue_calls) filter (where l.overdue_epoch = l.epoch), 0)::int`.as('overdueCalls'),
      sql<Date | null>`min(l.overdue_since) filter (where l.overdue_epoch = l.epoch)`.as('overdueSince'),
      sql<boolean>`coalesce(bool_or(l.owner is not null), false)`.as('isOwned'),
      sql<number>`coalesce(sum(l.takeovers), 0)::int`.as('takeovers'),
      eb.fn.max('l.takenOverAt').as('takenOverAt'),
      eb
        .selectFrom('batchItem as i')
        .select(({ fn }) => fn.min('i.runAfter').as('due'))
        .where('i.executionId', '=', executionId)
        .where('i.runAfter', 'is not', null)
        .as('nextAttemptAt'),
    ])
    .where('x.projectId', '=', projectId)
    .where('l.executionId', '=', executionId)
    .executeTakeFirstOrThrow();
  return row;
}

/** How many items were running when their process died; reads every item of the execution. */
export async function countInterrupted(db: Db, projectId: string, executionId: string): Promise<number> {
  const { count } = await named(db, 'countInterrupted')
    .selectFrom('batchItem as i')
    .innerJoin('batchExecution as x', 'x.id', 'i.executionId')
    .select(sql<number>`count(*)::int`.as('count'))
    .where('x.projectId', '=', projectId)
    .where('i.executionId', '=', executionId)
    .where('i.deaths', '>', 0)
    .executeTakeFirstOrThrow();
  return count;
}
