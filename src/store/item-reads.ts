/** Reading the items of one execution: pages of them, or one by its element. */
import { sql } from 'kysely';
import type { ErrorCategory } from '../domain/item-error.ts';
import type { Item } from '../domain/model.ts';
import type { Page } from '../domain/page.ts';
import type { ItemStatus } from '../domain/states.ts';
import { anyOf } from './any-of.ts';
import type { Db } from './database.ts';
import { selectItem } from './item-rows.ts';
import { keysetPage } from './keyset.ts';
import { named } from './statement-name.ts';

/** Which items to list; what is absent or null does not restrict, an empty list matches nothing. */
export interface ItemFilter {
  readonly status?: readonly ItemStatus[] | null | undefined;
  /** The tier an item is in, or ended in. */
  readonly tier?: readonly number[] | null | undefined;
  /** Category and code of an item's present error: of a FAILED or RETRYING one, or of one that ended while it had one. */
  readonly category?: readonly ErrorCategory[] | null | undefined;
  readonly code?: readonly string[] | null | undefined;
  /** A part of the filename; upper and lower case alike. */
  readonly filename?: string | null | undefined;
  readonly updatedAfterRevision?: number | null | undefined;
}

/** One page of an execution's items by `ordinal`, as `Page` says; its key is `[ordinal]`. */
export async function listItems(
  db: Db,
  projectId: string,
  executionId: string,
  filter: ItemFilter,
  page: Page,
): Promise<Item[]> {
  let query = filtered(selectItem(named(db, 'listItems'), projectId), filter)
    .where('i.executionId', '=', executionId)
    .where('n.executionId', '=', executionId);
  if (page.after !== null) {
    // Said of both tables: a merge join would else read the other one from its start.
    query = query.where('n.ordinal', page.backward ? '<' : '>', Number(page.after[0]));
  }
  return await keysetPage(query, ['i.ordinal'], page).execute();
}

/** The item made from an element of the execution's datasource; undefined when it has none. */
export async function findItemOfElement(
  db: Db,
  projectId: string,
  executionId: string,
  elementId: string,
): Promise<Item | undefined> {
  return await selectItem(named(db, 'findItemOfElement'), projectId)
    .where('n.executionId', '=', executionId)
    .where('n.elementId', '=', elementId)
    .executeTakeFirst();
}

function filtered(query: ReturnType<typeof selectItem>, filter: ItemFilter): ReturnType<typeof selectItem> {
  let some = query;
  if (filter.status != null) some = some.where('i.status', '=', anyOf(filter.status));
  if (filter.tier != null) some = some.where('i.tier', '=', anyOf(filter.tier, 'int[]'));
  if (filter.category != null || filter.code != null) {
    // The condition of the partial index, so that a few errors among many items are found by it.
    some = some.where('i.errorCode', 'is not', null);
  }
  if (filter.category != null) some = some.where('i.errorCategory', '=', anyOf(filter.category));
  if (filter.code != null) some = some.where('i.errorCode', '=', anyOf(filter.code));
  if (filter.filename != null) {
    // strpos takes the text as it is; a LIKE pattern would need its wildcards escaped.
    some = some.where(sql<number>`strpos(lower(n.filename), lower(${filter.filename}))`, '>', 0);
  }
  const since = filter.updatedAfterRevision;
  if (since != null && since > 0) {
    some = some.where('i.ordinal', 'in', (eb) =>
      eb
        .selectFrom('executionChange as c')
        .select(sql<number>`unnest(c.ordinals)`.as('ordinal'))
        .whereRef('c.executionId', '=', 'i.executionId')
        .where('c.revision', '>', since),
    );
  }
  return some;
}
