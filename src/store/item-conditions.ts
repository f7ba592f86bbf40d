/** The conditions of an item filter in SQL. */
import { type RawBuilder, sql } from 'kysely';
import type { ItemFilter } from '../domain/item-filter.ts';
import { anyOf } from './any-of.ts';

/**
 * What an item `i` with its input `n` must fulfil to match; nothing for an empty filter.
 *
 * `updatedAfterRevision` is not among them: a page looks the changed items up, a move compares the item's revision.
 */
export function itemConditions(filter: ItemFilter): RawBuilder<boolean>[] {
  const { status, tier, category, code, filename } = filter;
  return [
    ...(status == null ? [] : [sql<boolean>`i.status = ${anyOf(status)}`]),
    ...(tier == null ? [] : [sql<boolean>`i.tier = ${anyOf(tier, 'int[]')}`]),
    ...(category == null ? [] : [sql<boolean>`i.error_category = ${anyOf(category)}`]),
    ...(code == null ? [] : [sql<boolean>`i.error_code = ${anyOf(code)}`]),
    // strpos takes the text as it is; a LIKE pattern would need its wildcards escaped.
    ...(filename == null ? [] : [sql<boolean>`strpos(lower(n.filename), lower(${filename})) > 0`]),
  ];
}
