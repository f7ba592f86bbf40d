/** Reading the items of one execution in pages. */
import { type RawBuilder, sql } from 'kysely';
import type { ItemFilter } from '../domain/item-filter.ts';
import type { Item } from '../domain/model.ts';
import type { Page } from '../domain/page.ts';
import type { ItemStatus } from '../domain/states.ts';
import type { Db } from './database.ts';
import { itemConditions } from './item-conditions.ts';
import { inputAt, inputsBetween } from './item-inputs.ts';
import { findItems, type ItemKey, selectItem } from './item-rows.ts';
import { itemAt, itemsBetween } from './item-stretches.ts';
import { keysetPage } from './keyset.ts';
import { named } from './statement-name.ts';

/** Changes after a revision, and items in them, up to which the changed items are looked up one by one for a page. */
const FEW_CHANGES = 10;
const FEW_ITEMS = 20_000;
const FIRST_SPAN = 1_000;
const MAX_SPAN = 64_000;

/**
 * One page of an execution's items by `ordinal`, as `Page` says; its key is `[ordinal]`.
 *
 * What an index finds, and what needs no search, is looked up by its ordinals. Else the items are looked
 * through in growing spans of ordinals until the page is full: the planner, whose statistics are from when all were
 * QUEUED, would read and sort all of them for a status that it takes for rare (measured with 100,000 items: 0.8 s
 * instead of 3 ms).
 */
export async function listItems(
  db: Db,
  projectId: string,
  executionId: string,
  filter: ItemFilter,
  page: Page,
): Promise<Item[]> {
  const { updatedAfterRevision, ...others } = filter;
  const isAlone = Object.values(others).every((condition) => condition == null);
  const since = updatedAfterRevision != null && updatedAfterRevision > 0 ? updatedAfterRevision : null;
  if (isIndexed(others)) {
    let rows = named(db, 'listItems')
      .selectFrom('batchItem as i')
      .$if(others.filename != null, (query) =>
        query.innerJoinLateral(inputAt(sql.ref('i.executionId'), sql.ref('i.ordinal')).as('n'), (join) =>
          join.onTrue(),
        ),
      )
      .select(['i.executionId', 'i.ordinal'])
      .where('i.executionId', '=', executionId)
      // The condition of the partial index, for the planner to see.
      .where(isErring(others) ? 'i.errorCode' : 'i.runAfter', 'is not', null);
    for (const condition of itemConditions(others)) rows = rows.where(condition);
    if (since !== null) rows = rows.where(await changedAfter(db, executionId, since));
    return await readItems(db, projectId, await keysetPage(rows, ['i.ordinal'], page).execute(), page);
  }
  const isFew = since !== null && (isAlone || (await hasFewChanges(db, executionId, since)));
  if (isFew) {
    const changed = changedSince(db, executionId, since, page, isAlone).as('k');
    let items = selectItem(named(db, 'listItems'), projectId, changed);
    for (const condition of itemConditions(others)) items = items.where(condition);
    return await keysetPage(items, ['k.ordinal'], page).execute();
  }
  const conditions = [
    ...itemConditions(others),
    ...(since === null ? [] : [await changedAfter(db, executionId, since)]),
  ];
  return await pageInSpans(db, projectId, executionId, { conditions, asksInputs: others.filename != null }, page);
}

/** The page read in two steps: the ordinals that match, span by span, and then their items. */
async function pageInSpans(
  db: Db,
  projectId: string,
  executionId: string,
  { conditions, asksInputs }: { readonly conditions: readonly RawBuilder<boolean>[]; readonly asksInputs: boolean },
  page: Page,
): Promise<Item[]> {
  const execution = await named(db, 'listItems')
    .selectFrom('batchExecution')
    .select('total')
    .where('id', '=', executionId)
    .where('projectId', '=', projectId)
    .executeTakeFirst();
  const [total, key] = [execution?.total ?? 0, page.after === null ? null : Number(page.after[0])];
  const found: ItemKey[] = [];
  // What is left to look at: ordinals from `from` up to and without `to`.
  let [from, to] = page.backward ? [0, Math.min(key ?? total, total)] : [Math.max((key ?? -1) + 1, 0), total];
  if (conditions.length === 0) {
    // All of them match.
    const first = page.backward ? Math.max(to - page.limit - 1, 0) : from;
    const length = Math.max(Math.min(page.limit + 1, to - first), 0);
    found.push(...Array.from({ length }, (_, index) => ({ executionId, ordinal: first + index })));
    from = to;
  }
  for (let span = FIRST_SPAN; found.length <= page.limit && from < to; span = Math.min(span * 4, MAX_SPAN)) {
    const [start, end] = page.backward ? [Math.max(to - span, from), to] : [from, Math.min(from + span, to)];
    // Inputs are looked through first, where they are asked for, and then each item: as a join of two such relations, with
    // statistics that do not know the execution, all of one were compared with all of the other.
    const relation = asksInputs
      ? sql`${inputsBetween(executionId, start, end)} n cross join lateral ${itemAt(sql`n.execution_id`, sql`n.ordinal`)} i`
      : sql`${itemsBetween(executionId, start, end)} i`;
    const matching = named(db, 'listItems')
      .selectFrom(sql<ItemKey>`(select i.* from ${relation} where ${sql.join(conditions, sql` and `)})`.as('i'))
      .select(['i.executionId', 'i.ordinal'])
      .orderBy('i.ordinal', page.backward ? 'desc' : 'asc')
      .limit(page.limit + 1 - found.length);
    found.push(...(await matching.execute()));
    if (page.backward) to = start;
    else from = end;
  }
  return await readItems(db, projectId, found, page);
}

/** The items of a page, in its order. */
async function readItems(db: Db, projectId: string, found: readonly ItemKey[], page: Page): Promise<Item[]> {
  const items = await findItems(db, projectId, found);
  return items.sort((a, b) => (page.backward ? b.ordinal - a.ordinal : a.ordinal - b.ordinal));
}

/**
 * The ordinals that changed after a revision, of those that the page can still show; no more than the page holds
 * when no other filter follows.
 *
 * Unlimited it reads every changed item for each page (1 s when 100,000 have changed), so that is for few changes only.
 */
const changedSince = (db: Db, executionId: string, since: number, page: Page, isLimited: boolean) =>
  db
    .selectFrom(['executionChange as c', sql<{ ordinal: number }>`unnest(c.ordinals)`.as<'o'>(sql`o(ordinal)`)])
    .select(['c.executionId', 'o.ordinal'])
    .distinct()
    .where('c.executionId', '=', executionId)
    .where('c.revision', '>', since)
    .$if(page.after !== null, (query) => query.where('o.ordinal', page.backward ? '<' : '>', Number(page.after?.[0])))
    .$if(isLimited, (query) => query.orderBy('o.ordinal', page.backward ? 'desc' : 'asc').limit(page.limit + 1));

/** What holds of the items that changed after a revision, and of no others. */
async function changedAfter(db: Db, executionId: string, since: number): Promise<RawBuilder<boolean>> {
  // What was appended by an older version may have an older revision of its own.
  const appended = await named(db, 'changedAfter')
    .selectFrom('executionChange')
    .select('appendedFrom')
    .where('executionId', '=', executionId)
    .where('revision', '>', since)
    .where('appendedFrom', 'is not', null)
    .orderBy('revision')
    .limit(1)
    .executeTakeFirst();
  const first = appended?.appendedFrom ?? null;
  return sql`(i.revision > ${since}::int or i.ordinal >= ${first}::int)`;
}

async function hasFewChanges(db: Db, executionId: string, since: number): Promise<boolean> {
  const rows = await named(db, 'hasFewChanges')
    .selectFrom('executionChange')
    .select(sql<number>`cardinality(ordinals)`.as('items'))
    .where('executionId', '=', executionId)
    .where('revision', '>', since)
    .limit(FEW_CHANGES + 1)
    .execute();
  return rows.length <= FEW_CHANGES && rows.reduce((sum, { items }) => sum + items, 0) <= FEW_ITEMS;
}

const areAll = ({ status }: ItemFilter, one: ItemStatus): boolean => status?.every((given) => given === one) ?? false;

/** Whether the filter asks for failing items alone: a partial index holds these, and FAILED implies it. */
const isErring = (filter: ItemFilter): boolean =>
  areAll(filter, 'FAILED') || filter.category != null || filter.code != null;

/** Whether an index finds what matches, or no more than that and some. */
const isIndexed = (filter: ItemFilter): boolean => isErring(filter) || areAll(filter, 'RETRYING');
