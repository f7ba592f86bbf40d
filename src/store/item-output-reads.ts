/** Reading what items have produced: results and failures, for many items in one statement. */
import { sql } from 'kysely';
import type { ItemFailure, ItemResult } from '../domain/model.ts';
import type { Db } from './database.ts';
import { type ItemKey, keysRelation } from './item-rows.ts';
import { itemAt, resultsOf } from './item-stretches.ts';
import { named } from './statement-name.ts';

const RESULT = [
  'executionId',
  'ordinal',
  'tier',
  'round',
  'attempt',
  'data',
  'fieldErrors',
  'artifacts',
  'contentHash',
  'startedAt',
  'at',
  'score',
  'usage',
] as const;
const FAILURE = [
  ...(['executionId', 'ordinal', 'tier', 'round', 'attempt', 'category', 'transient', 'code', 'message'] as const),
  ...(['details', 'component', 'stage', 'trace', 'recovery', 'startedAt', 'at', 'usage'] as const),
];

/**
 * The newest result of each item that has one: of the last tier that the item has passed, from the latest round.
 *
 * An item that is done again has not passed the tiers from there on, whatever they gave before.
 */
export async function newestResults(db: Db, projectId: string, keys: readonly ItemKey[]): Promise<ItemResult[]> {
  if (keys.length === 0) return [];
  const rows = await keysOfProject(named(db, 'newestResults'), projectId, keys)
    .innerJoinLateral(itemAt(sql.ref('k.executionId'), sql.ref('k.ordinal')).as('i'), (join) => join.onTrue())
    .innerJoinLateral(
      (eb) =>
        eb
          .selectFrom(resultsOf(sql.ref('k.executionId'), sql.ref('k.ordinal')).as('r'))
          .select(RESULT)
          .where((on) => on.or([on('r.tier', '<', on.ref('i.tier')), on('i.status', '=', 'SUCCEEDED')]))
          .orderBy('r.tier', 'desc')
          .orderBy('r.round', 'desc')
          .limit(1)
          .as('newest'),
      (join) => join.onTrue(),
    )
    .selectAll('newest')
    .execute();
  return rows.map(toResult);
}

/** The result of every tier of each item, by tier: of the newest round that has one, or of this round alone. */
export async function resultsByTier(
  db: Db,
  projectId: string,
  keys: readonly ItemKey[],
  round: number | null = null,
): Promise<ItemResult[]> {
  if (keys.length === 0) return [];
  const rows = await keysOfProject(named(db, 'resultsByTier'), projectId, keys)
    .innerJoinLateral(
      (eb) =>
        eb
          .selectFrom(resultsOf(sql.ref('k.executionId'), sql.ref('k.ordinal')).as('r'))
          .select(RESULT)
          .distinctOn('r.tier')
          .$if(round !== null, (query) => query.where('r.round', '=', round ?? 0))
          .orderBy('r.tier')
          .orderBy('r.round', 'desc')
          .as('newest'),
      (join) => join.onTrue(),
    )
    .selectAll('newest')
    .execute();
  return rows.map(toResult).sort((a, b) => a.tier - b.tier);
}

/** The last `last` failed attempts of each item, newest first. */
export async function lastFailures(
  db: Db,
  projectId: string,
  keys: readonly ItemKey[],
  last: number,
): Promise<ItemFailure[]> {
  if (keys.length === 0) return [];
  return await keysOfProject(named(db, 'lastFailures'), projectId, keys)
    .innerJoinLateral(
      (eb) =>
        eb
          .selectFrom('itemFailure as f')
          .select(FAILURE)
          .whereRef('f.executionId', '=', 'k.executionId')
          .whereRef('f.ordinal', '=', 'k.ordinal')
          .orderBy('f.round', 'desc')
          .orderBy('f.tier', 'desc')
          .orderBy('f.attempt', 'desc')
          .limit(last)
          .as('late'),
      (join) => join.onTrue(),
    )
    .selectAll('late')
    .orderBy('late.round', 'desc')
    .orderBy('late.tier', 'desc')
    .orderBy('late.attempt', 'desc')
    .execute();
}

function keysOfProject(db: Db, projectId: string, keys: readonly ItemKey[]) {
  return db
    .selectFrom(keysRelation(keys))
    .innerJoin('batchExecution as x', 'x.id', 'k.executionId')
    .where('x.projectId', '=', projectId);
}

type ResultRow = Omit<ItemResult, 'fieldErrors' | 'artifacts'> & {
  readonly fieldErrors: ItemResult['fieldErrors'] | null;
  readonly artifacts: ItemResult['artifacts'] | null;
};

const toResult = (row: ResultRow): ItemResult => ({
  ...row,
  fieldErrors: row.fieldErrors ?? [],
  artifacts: row.artifacts ?? [],
});
