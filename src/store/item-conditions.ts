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
  const { status, tier, category, code, filename, minScore, maxScore, minDurationMs, maxDurationMs } = filter;
  return [
    ...(status == null ? [] : [sql<boolean>`i.status = ${anyOf(status)}`]),
    ...(tier == null ? [] : [sql<boolean>`i.tier = ${anyOf(tier, 'int[]')}`]),
    ...(category == null ? [] : [sql<boolean>`i.error_category = ${anyOf(category)}`]),
    ...(code == null ? [] : [sql<boolean>`i.error_code = ${anyOf(code)}`]),
    // strpos takes the text as it is; a LIKE pattern would need its wildcards escaped.
    ...(filename == null ? [] : [sql<boolean>`strpos(lower(n.filename), lower(${filename})) > 0`]),
    // Cast to the type of the column: 0.7 in single precision is more than 0.7 in double.
    ...(minScore == null ? [] : [sql<boolean>`${SCORE} >= ${minScore}::real`]),
    ...(maxScore == null ? [] : [sql<boolean>`${SCORE} <= ${maxScore}::real`]),
    ...(minDurationMs == null ? [] : [sql<boolean>`${DURATION_MS} >= ${minDurationMs}::int`]),
    ...(maxDurationMs == null ? [] : [sql<boolean>`${DURATION_MS} <= ${maxDurationMs}::int`]),
  ];
}

/** The score of the result that is shown with the item. */
const SCORE = sql`(select r.score from results_of(i.execution_id, i.ordinal) as r where (r.tier < i.tier or i.status = 'SUCCEEDED') order by r.tier desc, r.round desc limit 1)`;
const DURATION_MS = sql`extract(epoch from i.ended_at - i.started_at) * 1000`;
