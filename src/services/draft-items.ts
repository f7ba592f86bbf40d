/** Storing items in a draft, so that the same item sent twice is one. */
import type { Datasource } from '../domain/model.ts';
import { InvalidStateError, NotFoundError } from '../domain/user-error.ts';
import { chunksOf } from '../store/data-elements.ts';
import type { Db, Tx } from '../store/database.ts';
import { insertDatasource } from '../store/datasources.ts';
import {
  findDraftItems,
  type ItemIdentity,
  insertDraftItems,
  refillGaps,
  removeDraftItems,
} from '../store/draft-items.ts';
import type { IndexedElement } from '../store/draft-rows.ts';
import { type Draft, growDraft } from '../store/drafts.ts';
import { findExecution } from '../store/execution-rows.ts';
import type { ServiceDeps } from './ports.ts';

/** The highest index that an item may have: its ordinal is a 32-bit integer. */
export const MAX_INDEX = 2_147_483_646;

/** An item that was not stored, because its index or its id belongs to another. */
export interface ItemConflict {
  readonly item: IndexedElement;
  readonly message: string;
}

/** What became of items that were to be stored. */
export interface StoredItems {
  readonly added: number;
  /** Items that were there with the same content. */
  readonly repeated: number;
  readonly conflicts: readonly ItemConflict[];
  /** The execution's new revision; null when nothing was added. */
  readonly revision: number | null;
}

/** A datasource for the items of one draft. */
export async function makeDraftDatasource(
  tx: Tx,
  { newId, now }: Pick<ServiceDeps, 'newId' | 'now'>,
  projectId: string,
): Promise<Datasource> {
  const id = newId('Datasource');
  const datasource: Datasource = {
    ...{ id, projectId, kind: 'INLINE', name: `draft-${id.slice(-12)}`, description: null, folder: null },
    createdAt: now(),
  };
  await insertDatasource(tx, { ...datasource, contentHash: null });
  return datasource;
}

/** Throws InvalidStateError unless items may be added; NotFoundError when the project has no such execution. */
export async function mustBeDraft(db: Db, projectId: string, id: string, draft: Draft | null): Promise<Draft> {
  if (draft?.status === 'DRAFT') return draft;
  const status = draft?.status ?? (await findExecution(db, projectId, id))?.status;
  if (status === undefined) throw new NotFoundError('batch execution', id);
  throw new InvalidStateError(`The execution is ${status}; items can be added to a DRAFT only.`, status);
}

/**
 * Stores items at their indexes in a draft that is locked.
 *
 * One whose index and id are there with the same content is not stored again. Where other content is there, or the
 * id is at another index, it is a conflict, and the others are stored all the same.
 */
export async function storeDraftItems(
  tx: Tx,
  draft: Draft,
  items: readonly IndexedElement[],
  now: Date,
): Promise<StoredItems> {
  const added = new Set<number>();
  const rest: IndexedElement[] = [];
  for (const chunk of chunksOf(items)) {
    const { first, later } = splitRepeated(chunk);
    const stored = await insertDraftItems(tx, draft.datasourceId, first, now);
    for (const { index } of first) if (stored.has(index)) added.add(index);
    rest.push(...first.filter(({ index }) => !stored.has(index)), ...later);
  }
  const conflicts = await findConflicts(tx, draft, rest);
  return await grow(tx, draft, added, { repeated: rest.length - conflicts.length, conflicts }, now);
}

/**
 * The same where an item takes the place of another: what is at its index, or has its id elsewhere, is taken out.
 *
 * `replaced` is how many went so; they are not among the added.
 */
export async function replaceDraftItems(
  tx: Tx,
  draft: Draft,
  items: readonly IndexedElement[],
  now: Date,
): Promise<StoredItems & { readonly replaced: number }> {
  const keys = { ids: items.map(({ id }) => id), indexes: items.map(({ index }) => index) };
  const stored = await findDraftItems(tx, draft.datasourceId, keys);
  const byIndex = new Map(stored.map((item) => [item.index, item]));
  const byId = new Map(stored.map((item) => [item.id, item]));
  const gone = new Set<number>();
  let replaced = 0;
  for (const item of items) {
    const [there, namesake] = [byIndex.get(item.index), byId.get(item.id)];
    const before = gone.size;
    if (there !== undefined && difference(there, item) !== null) gone.add(there.index);
    if (namesake !== undefined && namesake.index !== item.index) gone.add(namesake.index);
    if (gone.size > before) replaced += 1;
  }
  const removed = gone.size === 0 ? 0 : await removeDraftItems(tx, draft, { ids: [], indexes: [...gone] });
  const answer = await storeDraftItems(tx, { ...draft, itemCount: draft.itemCount - removed }, items, now);
  return { ...answer, added: answer.added - replaced, replaced };
}

async function grow(
  tx: Tx,
  draft: Draft,
  added: ReadonlySet<number>,
  others: Pick<StoredItems, 'repeated' | 'conflicts'>,
  now: Date,
): Promise<StoredItems> {
  let { nextIndex } = draft;
  while (added.has(nextIndex)) nextIndex += 1;
  const refilled = draft.slotCount > draft.itemCount ? await refillGaps(tx, draft.id, [...added]) : 0;
  const grown = { added: added.size, refilled, nextIndex };
  const revision = added.size === 0 ? null : await growDraft(tx, draft.id, grown, now);
  return { added: added.size, ...others, revision };
}

/** The items whose index and id come for the first time, and the others. */
function splitRepeated(items: readonly IndexedElement[]): { first: IndexedElement[]; later: IndexedElement[] } {
  const [ids, indexes] = [new Set<string>(), new Set<number>()];
  const [first, later]: [IndexedElement[], IndexedElement[]] = [[], []];
  for (const item of items) {
    const isFirst = !ids.has(item.id) && !indexes.has(item.index);
    (isFirst ? first : later).push(item);
    if (!isFirst) continue;
    ids.add(item.id);
    indexes.add(item.index);
  }
  return { first, later };
}

async function findConflicts(tx: Tx, draft: Draft, items: readonly IndexedElement[]): Promise<ItemConflict[]> {
  if (items.length === 0) return [];
  const keys = { ids: items.map(({ id }) => id), indexes: items.map(({ index }) => index) };
  const stored = await findDraftItems(tx, draft.datasourceId, keys);
  const byIndex = new Map(stored.map((item) => [item.index, item]));
  const byId = new Map(stored.map((item) => [item.id, item]));
  return items.flatMap((item) => {
    const there = byIndex.get(item.index);
    const message =
      there === undefined ? `has the id of the item at index ${byId.get(item.id)?.index}` : difference(there, item);
    return message === null ? [] : [{ item, message }];
  });
}

/** In what an item differs from the one that is stored at its index; null when they are the same. */
function difference(there: ItemIdentity, item: IndexedElement): string | null {
  if (there.id !== item.id)
    return `is another item than the one at index ${item.index}, whose id is ${JSON.stringify(there.id.slice(0, 80))}`;
  const same =
    there.filename === item.filename &&
    there.mediaType === item.mediaType &&
    there.metadata === item.metadata &&
    there.contentHash === item.contentHash &&
    (there.sourceDatasourceId ?? null) === (item.sourceDatasourceId ?? null);
  return same ? null : `has other content than the item at index ${item.index}, which has the same id`;
}
