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
  const since = filter.updatedAfterRevision;
  if (since != null && since > 0) {
    const { updatedAfterRevision: _, ...others } = filter;
    const isAlone = Object.values(others).every((condition) => condition == null);
    query = query.where('i.ordinal', 'in', changedSince(db, executionId, since, page, isAlone));
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

/**
 * The ordinals that changed after a revision, of those that the page can still show; no more than the page holds
 * when no other filter follows.
 *
 * It names the execution itself: with the outer row's id it would be run once for each item (measured with 100,000
 * items: 10 s a page). Unlimited it reads every changed item for each page (1 s when all have changed).
 */
const changedSince = (db: Db, executionId: string, since: number, page: Page, isLimited: boolean) =>
  db
    .selectFrom(['executionChange as c', sql<{ ordinal: number }>`unnest(c.ordinals)`.as<'o'>(sql`o(ordinal)`)])
    .select('o.ordinal')
    .distinct()
    .where('c.executionId', '=', executionId)
    .where('c.revision', '>', since)
    .$if(page.after !== null, (query) => query.where('o.ordinal', page.backward ? '<' : '>', Number(page.after?.[0])))
    .$if(isLimited, (query) => query.orderBy('o.ordinal', page.backward ? 'desc' : 'asc').limit(page.limit + 1));

function filtered(query: ReturnType<typeof selectItem>, filter: ItemFilter): ReturnType<typeof selectItem> {
  let some = query;
  if (filter.status != null) some = some.where('i.status', '=', anyOf(filter.status));
  if (filter.tier != null) some = some.where('i.tier', '=', anyOf(filter.tier, 'int[]'));
  const onlyFailed = filter.status?.every((status) => status === 'FAILED') ?? false;
  if (onlyFailed || filter.category != null || filter.code != null) {
    // The condition of the partial index, so that a few errors among many items are found by it; FAILED implies it.
    some = some.where('i.errorCode', 'is not', null);
  }
  if (filter.category != null) some = some.where('i.errorCategory', '=', anyOf(filter.category));
  if (filter.code != null) some = some.where('i.errorCode', '=', anyOf(filter.code));
  if (filter.filename != null) {
    // strpos takes the text as it is; a LIKE pattern would need its wildcards escaped.
    some = some.where(sql<number>`strpos(lower(n.filename), lower(${filter.filename}))`, '>', 0);
  }
  return some;
}
