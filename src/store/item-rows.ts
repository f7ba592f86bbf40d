/** Reading items' rows: the columns of a domain Item, and the query all readers start from. */
import { sql } from 'kysely';
import type { Item } from '../domain/model.ts';
import type { Db } from './database.ts';
import { itemAt } from './item-stretches.ts';
import { named } from './statement-name.ts';

/** Names one item. */
export interface ItemKey {
  readonly executionId: string;
  readonly ordinal: number;
}

/** What is selected of an item `i` and its input `n`. */
export const ITEM_COLUMNS = [
  'i.executionId',
  'i.ordinal',
  'n.elementId',
  'n.filename',
  'n.mediaType',
  'n.metadata',
  'n.contentHash',
  'i.status',
  'i.tier',
  'i.attempt',
  'i.retryCount',
  'i.runAfter',
  'i.revision',
  'i.startedAt',
  'i.endedAt',
] as const;

/** The items of a project's executions, as domain objects; callers say which inputs `n`, and add order and limit. */
export function selectItem(db: Db, projectId: string) {
  return db
    .selectFrom('batchItemInput as n')
    .innerJoin('batchExecution as x', 'x.id', 'n.executionId')
    .innerJoinLateral(itemAt(sql.ref('n.executionId'), sql.ref('n.ordinal')).as('i'), (join) => join.onTrue())
    .select(ITEM_COLUMNS)
    .where('x.projectId', '=', projectId);
}

/** The same of those alone that have a row, which is looked for first. */
export function selectItemRow(db: Db, projectId: string) {
  return db
    .selectFrom('batchItem as i')
    .innerJoin('batchItemInput as n', (join) =>
      join.onRef('n.executionId', '=', 'i.executionId').onRef('n.ordinal', '=', 'i.ordinal'),
    )
    .innerJoin('batchExecution as x', 'x.id', 'i.executionId')
    .select(ITEM_COLUMNS)
    .where('x.projectId', '=', projectId);
}

/**
 * A relation `k` of the keys, to join item tables to with all of their key at hand.
 *
 * Raw, because Kysely has no unnest of several arrays.
 */
export const keysRelation = (keys: readonly ItemKey[]) =>
  sql<ItemKey>`unnest(${keys.map((key) => key.executionId)}::text[], ${keys.map((key) => key.ordinal)}::int[])`.as<'k'>(
    sql`k(execution_id, ordinal)`,
  );

/** The items with these keys, in no certain order; a key of another project or of nothing is left out. */
export async function findItems(db: Db, projectId: string, keys: readonly ItemKey[]): Promise<Item[]> {
  if (keys.length === 0) return [];
  return await selectItem(named(db, 'findItems'), projectId)
    .innerJoin(keysRelation(keys), (join) =>
      join.onRef('k.executionId', '=', 'n.executionId').onRef('k.ordinal', '=', 'n.ordinal'),
    )
    .execute();
}
