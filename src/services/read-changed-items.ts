/** The items that a range of an execution's revisions changed. */
import { LIMITS } from '../domain/limits.ts';
import type { Execution } from '../domain/model.ts';
import { newestChanges } from '../store/change-reads.ts';
import type { Db } from '../store/database.ts';
import { findItems } from '../store/item-rows.ts';
import type { ChangedItems } from './execution-feed.ts';

/**
 * The items changed after the revision `since` and up to the execution's own, newest first, at most 100.
 *
 * Each item is as it is when read, which may be newer than the execution's revision.
 */
export async function readChangedItems(db: Db, execution: Execution, since: number): Promise<ChangedItems> {
  const { id: executionId, projectId, revision: upTo } = execution;
  const changed = await newestChanges(db, projectId, executionId, { since, upTo }, LIMITS.changedItemsPerEvent);
  const keys = changed.ordinals.map((ordinal) => ({ executionId, ordinal }));
  const found = new Map((await findItems(db, projectId, keys)).map((item) => [item.ordinal, item]));
  return { items: changed.ordinals.flatMap((ordinal) => found.get(ordinal) ?? []), truncated: changed.truncated };
}
