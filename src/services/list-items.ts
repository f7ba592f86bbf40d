/** An execution's items, page by page. */
import type { ItemFilter } from '../domain/item-filter.ts';
import type { Actor, Item } from '../domain/model.ts';
import type { Page } from '../domain/page.ts';
import { listItems as readPage } from '../store/item-reads.ts';
import type { ServiceDeps } from './ports.ts';

export interface ListItemsInput {
  readonly executionId: string;
  readonly filter: ItemFilter;
  readonly page: Page;
}

/** The rows of one page in input order, and one more if there are more. */
export async function listItems(deps: ServiceDeps, actor: Actor, input: ListItemsInput): Promise<Item[]> {
  return await readPage(deps.db, actor.projectId, input.executionId, input.filter, input.page);
}
