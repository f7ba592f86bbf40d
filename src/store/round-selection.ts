/** What a new round takes of the items that have ended, in SQL. */
import { type RawBuilder, sql } from 'kysely';
import type { ItemFilter } from '../domain/item-filter.ts';
import { LIMITS } from '../domain/limits.ts';
import {
  RESUBMITTABLE_STATUSES,
  RETRYABLE_STATUSES,
  type ResubmitSelection,
  type RetrySelection,
  type RoundSelection,
  type SkipReason,
} from '../domain/retry-selection.ts';
import type { Db } from './database.ts';
import { itemConditions } from './item-conditions.ts';
import { inputAt } from './item-inputs.ts';
import { itemsBetween } from './item-stretches.ts';

/** Ordinals that one statement of counting or moving looks at, so that none takes long on a large execution. */
export const SPAN = LIMITS.sweepChunk * 10;

/** How many items a selection takes, and how many it leaves for each reason. */
export interface RoundTally {
  readonly taken: number;
  readonly skipped: ReadonlyMap<SkipReason, number>;
}

/**
 * Counts what a selection takes of the items that have ended, span by span.
 *
 * Items that succeeded are no business of a retry, unless it names them: then they count as OTHER_STATUS. The
 * execution should be at rest: the caller checks its round again before it opens the next.
 */
export async function tallyRound(
  db: Db,
  executionId: string,
  total: number,
  selection: RoundSelection,
): Promise<RoundTally> {
  let taken = 0;
  const skipped = new Map<SkipReason, number>();
  for (let from = 0; from < total; from += SPAN) {
    // Raw: one CASE that gives each item its first reason.
    const { rows } = await sql<{ reason: SkipReason | null; n: number }>`/* tallyRound */
      select ${reasonOf(selection)} as reason, count(*)::int as n
      from ${itemsOf(executionId, selection, from, from + SPAN)}
      where (${mayTake(selection)} or i.ordinal = any(${ordinalsOf(selection)}::int[]))
      group by 1`.execute(db);
    for (const { reason, n } of rows) {
      if (reason === null) taken += n;
      else skipped.set(reason, (skipped.get(reason) ?? 0) + n);
    }
  }
  return { taken, skipped };
}

export const isResubmit = (selection: RoundSelection): selection is ResubmitSelection => 'fromTier' in selection;

/** The items `i` of a stretch of ordinals, with their inputs `n` where the selection asks for something of those. */
export const itemsOf = (
  executionId: string,
  selection: RoundSelection,
  start: number,
  stop: number,
): RawBuilder<unknown> =>
  isResubmit(selection) || selection.filter?.filename == null
    ? sql`${itemsBetween(executionId, start, stop)} as i`
    : sql`${itemsBetween(executionId, start, stop)} as i
      cross join lateral (select filename from ${inputAt(sql`i.execution_id`, sql`i.ordinal`)} offset 0) n`;

/** Whether the kind of round could take item `i`, as far as its status says. */
export const mayTake = (selection: RoundSelection): RawBuilder<boolean> =>
  sql`i.status = any(${[...(isResubmit(selection) ? RESUBMITTABLE_STATUSES : RETRYABLE_STATUSES)]}::text[])`;

const ordinalsOf = (selection: RoundSelection): number[] =>
  isResubmit(selection) ? [] : [...(selection.ordinals ?? [])];

/** The first reason, in the order of SKIP_REASONS, why item `i` is left out; null when it is taken. */
export function reasonOf(selection: RoundSelection): RawBuilder<SkipReason | null> {
  return isResubmit(selection)
    ? sql`case when i.tier < ${selection.fromTier}::int then 'EARLIER_TIER' end`
    : retryReason(selection);
}

function retryReason(selection: RetrySelection): RawBuilder<SkipReason | null> {
  const { mode, statuses, tiers, errorCategories, errorCodes, ordinals, maxRetryCount, filter } = selection;
  return sql`case
    when ${ordinals !== null}::bool and i.ordinal <> all(${ordinalsOf(selection)}::int[]) then 'NOT_SELECTED'
    when (${matches(filter)}) is not true then 'NOT_SELECTED'
    when i.status <> all(${[...statuses]}::text[]) then 'OTHER_STATUS'
    when ${tiers !== null}::bool and i.tier <> all(${[...(tiers ?? [])]}::int[]) then 'OTHER_TIER'
    when ${errorCategories != null}::bool
      and (i.error_category = any(${[...(errorCategories ?? [])]}::text[])) is not true then 'OTHER_CATEGORY'
    when ${errorCodes !== null}::bool
      and (i.error_code = any(${[...(errorCodes ?? [])]}::text[])) is not true then 'OTHER_CODE'
    when ${mode === 'TRANSIENT_ONLY'}::bool and i.status = 'FAILED' and not i.error_transient then 'PERMANENT_ERROR'
    when ${maxRetryCount !== null}::bool and i.retry_count >= ${maxRetryCount}::int then 'RETRY_COUNT_REACHED'
  end`;
}

function matches(filter: ItemFilter | null | undefined): RawBuilder<boolean> {
  const since = filter?.updatedAfterRevision;
  const conditions = [
    ...itemConditions(filter ?? {}),
    ...(since == null ? [] : [sql<boolean>`i.revision > ${since}::int`]),
  ];
  return conditions.length === 0 ? sql`true` : sql`${sql.join(conditions, sql` and `)}`;
}
