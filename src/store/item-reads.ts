/** Reading the items of one execution: pages of them, or one by its element. */
import { sql } from 'kysely';
import type { ItemFilter } from '../domain/item-filter.ts';
import type { Item } from '../domain/model.ts';
import type { Page } from '../domain/page.ts';
import type { Db } from './database.ts';
import { itemConditions } from './item-conditions.ts';
import { selectItem } from './item-rows.ts';
import { keysetPage } from './keyset.ts';
import { named } from './statement-name.ts';

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
  for (const condition of itemConditions(filter)) some = some.where(condition);
  const onlyFailed = filter.status?.every((status) => status === 'FAILED') ?? false;
  if (onlyFailed || filter.category != null || filter.code != null) {
    // The condition of the partial index, so that a few errors among many items are found by it; FAILED implies it.
    some = some.where('i.errorCode', 'is not', null);
  }
  return some;
}
