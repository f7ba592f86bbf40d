/** What executions' failed items amount to: errors by code and by kind, of all and by tier. */
import type { Actor, Execution } from '../domain/model.ts';
import { countsOfTiers } from '../domain/tiers.ts';
import {
  countErrors,
  countTierCategories,
  countTierErrors,
  countUncalled,
  countWithCodes,
  type ErrorCount,
  type TierCategoryCount,
  type TierCount,
  type TierErrorCount,
} from '../store/execution-summaries.ts';
import type { ServiceDeps } from './ports.ts';

export type { ErrorCount, TierCategoryCount, TierErrorCount } from '../store/execution-summaries.ts';

/** Most errors that a summary names. */
export const MAX_ERROR_COUNTS = 100;

/** The errors of each execution's failed items, most frequent first, in the order of the ids. */
export async function summarizeErrors(
  deps: ServiceDeps,
  actor: Actor,
  ids: readonly string[],
): Promise<(readonly ErrorCount[])[]> {
  const rows = await countErrors(deps.db, actor.projectId, ids, MAX_ERROR_COUNTS);
  return byExecution(ids, rows);
}

/** The errors of each tier's failed items, most frequent first, by execution in the order of the ids, then by tier. */
export async function summarizeTierErrors(
  deps: ServiceDeps,
  actor: Actor,
  ids: readonly string[],
): Promise<(readonly TierErrorCount[])[]> {
  const rows = await countTierErrors(deps.db, actor.projectId, ids, MAX_ERROR_COUNTS);
  return byExecution(ids, rows);
}

/** The kinds of errors of each tier's failed items, most frequent first, by execution in the order of the ids. */
export async function summarizeTierCategories(
  deps: ServiceDeps,
  actor: Actor,
  ids: readonly string[],
): Promise<(readonly TierCategoryCount[])[]> {
  return byExecution(ids, await countTierCategories(deps.db, actor.projectId, ids));
}

/** How many failed items of an execution ended with one kind of error. */
export type CategoryCount = Pick<TierCategoryCount, 'category' | 'count'>;

/** The kinds of errors of each execution's failed items, most frequent first, in the order of the ids. */
export async function summarizeCategories(
  deps: ServiceDeps,
  actor: Actor,
  ids: readonly string[],
): Promise<(readonly CategoryCount[])[]> {
  return (await summarizeTierCategories(deps, actor, ids)).map((rows) => {
    const counts = [...Map.groupBy(rows, (row) => row.category)].map(([category, group]) => ({
      category,
      count: group.reduce((sum, row) => sum + row.count, 0),
    }));
    return counts.sort((a, b) => b.count - a.count || a.category.localeCompare(b.category));
  });
}

/** What became of the items that entered a tier. */
export interface TierFunnel {
  /** Items that came to it: of the first tier all, of a later one those with a result of the tier before. */
  readonly entered: number;
  /** Of them, failed because their input was no longer there. */
  readonly missingInput: number;
  /** Of them, those for which the agent was called with its input. */
  readonly submitted: number;
  /** Of them, those whose result is recorded. */
  readonly written: number;
}

/** The errors that say that an item's input is gone. */
const MISSING_INPUT = ['input_missing', 'element_not_found'];

/** The funnel of each tier of each execution, in the order of the executions; counted only of what went wrong. */
export async function findTierFunnels(
  deps: ServiceDeps,
  actor: Actor,
  executions: readonly Execution[],
): Promise<(readonly TierFunnel[])[]> {
  const idsWhere = (test: (execution: Execution) => boolean) => executions.filter(test).map(({ id }) => id);
  const failed = idsWhere((execution) => execution.failed > 0);
  const closed = idsWhere((execution) => execution.cancelled + execution.expired > 0);
  const missing = failed.length === 0 ? [] : await countWithCodes(deps.db, actor.projectId, failed, MISSING_INPUT);
  const uncalled = closed.length === 0 ? [] : await countUncalled(deps.db, actor.projectId, closed);
  return executions.map((execution) =>
    countsOfTiers(execution).map(({ total, queued, succeeded }, tier) => {
      const of = (rows: readonly TierCount[]) =>
        rows.find((row) => row.executionId === execution.id && row.tier === tier)?.count ?? 0;
      const missingInput = of(missing);
      const submitted = total - queued - missingInput - of(uncalled);
      return { entered: total, missingInput, submitted: Math.max(submitted, succeeded), written: succeeded };
    }),
  );
}

function byExecution<Row extends { readonly executionId: string }>(
  ids: readonly string[],
  rows: readonly Row[],
): (readonly Row[])[] {
  const found = Map.groupBy(rows, (row) => row.executionId);
  return ids.map((id) => found.get(id) ?? []);
}
