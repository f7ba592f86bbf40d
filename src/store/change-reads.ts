/** Reading which items a range of revisions changed. */
import { sql } from 'kysely';
import type { Db } from './database.ts';
import { named } from './statement-name.ts';

/** Ordinals of changed items, newest change first. */
export interface ChangedOrdinals {
  readonly ordinals: readonly number[];
  /** Whether more items changed, or may have: the range was not read to its end. */
  readonly truncated: boolean;
}

/**
 * The items that changed last in the revisions above `since` and up to `upTo`, at most `limit`.
 *
 * Reads the newest `limit + 1` revisions of the range and of each no more than `limit + 1` ordinals, whatever the
 * execution's size. So `truncated` may be true for a range of more revisions than that in which few items changed.
 */
export async function newestChanges(
  db: Db,
  projectId: string,
  executionId: string,
  range: { readonly since: number; readonly upTo: number },
  limit: number,
): Promise<ChangedOrdinals> {
  const rows = await named(db, 'newestChanges')
    .selectFrom('executionChange as c')
    .innerJoin('batchExecution as x', 'x.id', 'c.executionId')
    // Kysely has no array slice.
    .select(sql<number[]>`c.ordinals[1:${sql.lit(limit + 1)}]`.as('ordinals'))
    .where('c.executionId', '=', executionId)
    .where('x.projectId', '=', projectId)
    .where('c.revision', '>', range.since)
    .where('c.revision', '<=', range.upTo)
    .orderBy('c.revision', 'desc')
    .limit(limit + 1)
    .execute();
  const ordinals = new Set(rows.flatMap((row) => row.ordinals));
  return {
    ordinals: [...ordinals].slice(0, limit),
    truncated: ordinals.size > limit || rows.length > limit,
  };
}
