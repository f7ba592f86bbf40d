/** Corrections of results: kept beside them, read instead of them where the corrected data is wanted. */
import { type RawBuilder, sql } from 'kysely';
import type { ItemCorrection } from '../domain/model.ts';
import type { ItemStatus } from '../domain/states.ts';
import type { Db } from './database.ts';
import { type ItemKey, keysRelation } from './item-rows.ts';
import { dissolveStretches, itemAt, resultsOf } from './item-stretches.ts';
import { named } from './statement-name.ts';

/**
 * The present data of a result: that of its newest correction, else its own.
 *
 * `result` is the alias of a relation with the columns `execution_id`, `ordinal`, `tier`, `round` and `data` of
 * `item_result`. A correction of an earlier round's result does not count for a later one.
 */
export function presentData(result: string): RawBuilder<unknown> {
  const of = (name: string) => sql.ref(`${result}.${name}`);
  return sql`coalesce((select correction.data from item_correction correction
    where correction.execution_id = ${of('executionId')} and correction.ordinal = ${of('ordinal')}
      and correction.tier = ${of('tier')} and correction.round = ${of('round')}
    order by correction.number desc limit 1), ${of('data')})`;
}

/** An item's newest result as it stands, and what a further correction must know. */
export interface PresentResult {
  readonly status: ItemStatus;
  readonly tier: number;
  readonly round: number;
  /** The data of the newest correction of this result, else the result's own. */
  readonly data: unknown;
  /** The number of the item's last correction, of whatever result; 0 for none. */
  readonly lastNumber: number;
}

/** The present data of an item, or undefined when it has no result. */
export async function findPresentResult(
  db: Db,
  projectId: string,
  { executionId, ordinal }: ItemKey,
): Promise<PresentResult | undefined> {
  return await named(db, 'findPresentResult')
    .selectFrom(resultsOf(executionId, ordinal).as('r'))
    .innerJoin('batchExecution as x', 'x.id', 'r.executionId')
    .innerJoin(itemAt(executionId, ordinal).as('i'), (join) => join.onTrue())
    .select((eb) => [
      'i.status',
      'r.tier',
      'r.round',
      presentData('r').as('data'),
      eb.fn
        .coalesce(
          eb
            .selectFrom('itemCorrection as c')
            .select(({ fn }) => fn.max('c.number').as('last'))
            .whereRef('c.executionId', '=', 'r.executionId')
            .whereRef('c.ordinal', '=', 'r.ordinal'),
          sql<number>`0`,
        )
        .as('lastNumber'),
    ])
    .where('x.projectId', '=', projectId)
    .orderBy('r.tier', 'desc')
    .orderBy('r.round', 'desc')
    .limit(1)
    .executeTakeFirst();
}

/**
 * Appends a correction while the item's result and its last correction are those it was made from.
 *
 * The execution takes its next revision and the item with it, so that readers and subscribers see the change, also
 * of an execution that has ended. null: something came between, and nothing was written.
 */
export async function appendCorrection(
  db: Db,
  projectId: string,
  correction: Omit<ItemCorrection, 'data' | 'patches'> & { readonly data: string; readonly patches: string | null },
): Promise<number | null> {
  const { executionId, ordinal, createdAt } = correction;
  return await db.transaction().execute(async (tx) => {
    const execution = await named(tx, 'lockToCorrect')
      .selectFrom('batchExecution')
      .select('revision')
      .where('id', '=', executionId)
      .where('projectId', '=', projectId)
      .forNoKeyUpdate()
      .executeTakeFirst();
    if (execution === undefined) return null;
    const { number, tier, round } = correction;
    const present = await findPresentResult(tx, projectId, { executionId, ordinal });
    const isSame =
      present?.status === 'SUCCEEDED' &&
      [present.tier, present.round, present.lastNumber + 1].join() === [tier, round, number].join();
    if (!isSame) return null;
    const revision = execution.revision + 1;
    await named(tx, 'appendCorrection').insertInto('itemCorrection').values(correction).execute();
    await named(tx, 'touchExecution')
      .updateTable('batchExecution')
      .set({ revision, lastActivityAt: createdAt })
      .where('id', '=', executionId)
      .execute();
    await dissolveStretches(tx, executionId, ordinal, ordinal + 1);
    await named(tx, 'touchItem')
      .updateTable('batchItem')
      .set({ revision })
      .where('executionId', '=', executionId)
      .where('ordinal', '=', ordinal)
      .execute();
    await named(tx, 'logCorrection')
      .insertInto('executionChange')
      .values({ executionId, revision, ordinals: [ordinal] })
      .execute();
    return revision;
  });
}

/** The last `last` corrections of each item, newest first. */
export async function lastCorrections(
  db: Db,
  projectId: string,
  keys: readonly ItemKey[],
  last: number,
): Promise<ItemCorrection[]> {
  if (keys.length === 0) return [];
  return await named(db, 'lastCorrections')
    .selectFrom(keysRelation(keys))
    .innerJoin('batchExecution as x', 'x.id', 'k.executionId')
    .innerJoinLateral(
      (eb) =>
        eb
          .selectFrom('itemCorrection as c')
          .selectAll('c')
          .whereRef('c.executionId', '=', 'k.executionId')
          .whereRef('c.ordinal', '=', 'k.ordinal')
          .orderBy('c.number', 'desc')
          .limit(last)
          .as('late'),
      (join) => join.onTrue(),
    )
    .selectAll('late')
    .where('x.projectId', '=', projectId)
    .orderBy('late.number', 'desc')
    .execute();
}
