/** Reading which attempts at items succeeded, without what they produced. */
import { sql } from 'kysely';
import type { ItemResult } from '../domain/model.ts';
import type { Db } from './database.ts';
import { type ItemKey, keysRelation } from './item-rows.ts';
import { resultsOf } from './item-stretches.ts';
import { named } from './statement-name.ts';

/** An attempt that succeeded. */
export type Success = Pick<
  ItemResult,
  'executionId' | 'ordinal' | 'tier' | 'round' | 'attempt' | 'startedAt' | 'at' | 'score' | 'usage'
>;

const SUCCESS = ['executionId', 'ordinal', 'tier', 'round', 'attempt', 'startedAt', 'at', 'score', 'usage'] as const;

/** The last `last` attempts of each item that succeeded, newest first. */
export async function lastSuccesses(
  db: Db,
  projectId: string,
  keys: readonly ItemKey[],
  last: number,
): Promise<Success[]> {
  if (keys.length === 0) return [];
  return await named(db, 'lastSuccesses')
    .selectFrom(keysRelation(keys))
    .innerJoin('batchExecution as x', 'x.id', 'k.executionId')
    .innerJoinLateral(
      (eb) =>
        eb
          .selectFrom(resultsOf(sql.ref('k.executionId'), sql.ref('k.ordinal')).as('r'))
          .select(SUCCESS)
          .orderBy('r.round', 'desc')
          .orderBy('r.tier', 'desc')
          .limit(last)
          .as('late'),
      (join) => join.onTrue(),
    )
    .selectAll('late')
    .where('x.projectId', '=', projectId)
    .execute();
}
