import { z } from 'zod';
import type { Actor, Execution } from '../domain/model.ts';
import { NotFoundError, ValidationError } from '../domain/user-error.ts';
import type { NewElement } from '../store/data-elements.ts';
import type { Tx } from '../store/database.ts';
import { endOfDraft, findDraftItems } from '../store/draft-items.ts';
import type { IndexedElement } from '../store/draft-rows.ts';
import { type Draft, lockDraft } from '../store/drafts.ts';
import { findExecution } from '../store/execution-rows.ts';
import { MAX_INDEX, mustBeDraft, replaceDraftItems, storeDraftItems } from './draft-items.ts';
import { checkElements, defaultItemId, type ElementInput } from './element-input.ts';
import { IssueList } from './issue-list.ts';
import type { ServiceDeps } from './ports.ts';
import { requireRole } from './require-role.ts';

export interface AddBatchItemsInput {
  readonly batchExecutionId: string;
  readonly items: readonly ElementInput[];
  /** The index of the first item; absent: behind the last one that is there. */
  readonly firstIndex?: number | null | undefined;
  /** Whether an item takes the place of another that has its index or its id; else that is a problem. */
  readonly replace?: boolean | null | undefined;
}

export interface AddBatchItemsAnswer {
  readonly execution: Execution;
  readonly addedCount: number;
  /** Items that were there with the same content. */
  readonly repeatedCount: number;
  /** Items that took the place of another. */
  readonly replacedCount: number;
}

const LOC = ['input', 'items'];

/**
 * Adds items to a draft in their order, all of them or none.
 *
 * An item whose id is there with the same content is not added again; with other content it is a problem, unless it is
 * to replace that. Needs
 * MEMBER; throws ValidationError with every problem at once, NotFoundError, or InvalidStateError when the
 * execution is no DRAFT.
 */
export async function addBatchItems(
  deps: Pick<ServiceDeps, 'db' | 'now' | 'publish'>,
  actor: Actor,
  input: AddBatchItemsInput,
): Promise<AddBatchItemsAnswer> {
  requireRole(actor, 'MEMBER');
  const { batchExecutionId: id, items } = input;
  const issues = new IssueList();
  const firstIndex = issues.check(firstIndexOf(items.length), input.firstIndex, ['input', 'firstIndex']) ?? null;
  const rows = checkElements(items, LOC, issues, (_item, place) => placeholder(place));
  issues.throwIfAny();
  const own = items.map((item) => item.dataElementId != null);
  const { revision, added, repeated, replaced } = await deps.db.transaction().execute(async (tx) => {
    const draft = await mustBeDraft(tx, actor.projectId, id, await lockDraft(tx, actor.projectId, id));
    const indexed = await giveIndexes(tx, draft, rows, own, firstIndex);
    if (input.replace === true) return await replaceDraftItems(tx, draft, indexed, deps.now());
    const answer = await storeDraftItems(tx, draft, indexed, deps.now());
    if (answer.conflicts.length > 0) {
      throw new ValidationError(
        answer.conflicts.map(({ item, message }) => ({
          ...{ loc: [...LOC, String(indexed.indexOf(item))], type: 'conflict', msg: message },
          ctx: { index: item.index },
        })),
      );
    }
    return { ...answer, replaced: 0 };
  });
  if (revision !== null) deps.publish(id, revision);
  const execution = await findExecution(deps.db, actor.projectId, id);
  // Deleted since.
  if (execution === undefined) throw new NotFoundError('batch execution', id);
  return { execution, addedCount: added, repeatedCount: repeated, replacedCount: replaced };
}

const firstIndexOf = (count: number) =>
  z
    .int()
    .min(0)
    .max(Math.max(MAX_INDEX - count + 1, 0))
    .nullish();

/** Until its index is known; no id that a caller would give. */
const placeholder = (place: number): string => `${place} of this call`;

/** The items at their indexes: from the first one on, or those that are there in their places and the rest behind. */
export async function giveIndexes(
  tx: Tx,
  draft: Draft,
  rows: readonly NewElement[],
  own: readonly boolean[],
  firstIndex: number | null,
): Promise<readonly IndexedElement[]> {
  const known = new Map<string, number>();
  let next = firstIndex ?? 0;
  if (firstIndex === null) {
    const ids = rows.flatMap((row, place) => (own[place] === true ? [row.id] : []));
    const there = await findDraftItems(tx, draft.datasourceId, { ids, indexes: [] });
    for (const { id, index } of there) known.set(id, index);
    next = await endOfDraft(tx, draft.datasourceId);
  }
  return rows.map((row, place) => {
    const hasId = own[place] === true;
    const index = (hasId ? known.get(row.id) : undefined) ?? next++;
    return { ...row, index, id: hasId ? row.id : defaultItemId(index) };
  });
}
