/** Reading items' rows: the columns of a domain Item, and the query all readers start from. */
import { type AliasedExpression, sql } from 'kysely';
import type { Item } from '../domain/model.ts';
import type { Db } from './database.ts';
import { inputAt } from './item-inputs.ts';
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

/** The items of a project's executions that are named, as domain objects; callers add conditions, order and limit. */
export function selectItem(db: Db, projectId: string, keys: AliasedExpression<ItemKey, 'k'>) {
  return db
    .selectFrom(keys)
    .innerJoin('batchExecution as x', 'x.id', 'k.executionId')
    .innerJoinLateral(itemAt(sql.ref('k.executionId'), sql.ref('k.ordinal')).as('i'), (join) => join.onTrue())
    .innerJoinLateral(inputAt(sql.ref('k.executionId'), sql.ref('k.ordinal')).as('n'), (join) => join.onTrue())
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
  return await selectItem(named(db, 'findItems'), projectId, keysRelation(keys)).execute();
}
