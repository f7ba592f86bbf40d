/** What executions' items amount to: errors by code, and counts by tier. */

import type { Actor, Execution, ItemCounts } from '../domain/model.ts';
import { type ItemStatus, isOpenItem } from '../domain/states.ts';
import { countErrors, countTiers, type ErrorCount, timeTiers } from '../store/execution-summaries.ts';
import type { ServiceDeps } from './ports.ts';

export type { ErrorCount } from '../store/execution-summaries.ts';

/** Most errors that a summary names. */
export const MAX_ERROR_COUNTS = 100;

/** The errors of each execution's failed items, most frequent first, in the order of the ids. */
export async function summarizeErrors(
  deps: ServiceDeps,
  actor: Actor,
  ids: readonly string[],
): Promise<(readonly ErrorCount[])[]> {
  const rows = await countErrors(deps.db, actor.projectId, ids, MAX_ERROR_COUNTS);
  const found = Map.groupBy(rows, (row) => row.executionId);
  return ids.map((id) => found.get(id) ?? []);
}

/**
 * The counts of each execution's tiers, in the order of the executions.
 *
 * Of one tier they are the execution's own. Of several they are counted now, so they may be newer than the
 * execution at hand: `total` is the items that entered the tier; one that went on to a later tier succeeded in it.
 */
export async function countItemsByTier(
  deps: ServiceDeps,
  actor: Actor,
  executions: readonly Execution[],
): Promise<(readonly ItemCounts[])[]> {
  const several = executions.filter((execution) => execution.spec.tiers.length > 1).map((execution) => execution.id);
  const rows = several.length === 0 ? [] : await countTiers(deps.db, actor.projectId, several);
  const found = Map.groupBy(rows, (row) => row.executionId);
  return executions.map((execution) =>
    execution.spec.tiers.length === 1
      ? [execution]
      : execution.spec.tiers.map((_tier, number) => tierCounts(found.get(execution.id) ?? [], number)),
  );
}

/** When a tier began and ended; null for what has not happened. */
export interface TierSpan {
  readonly startedAt: Date | null;
  readonly endedAt: Date | null;
}

/**
 * The spans of each execution's tiers, in the order of the executions.
 *
 * A tier begins with the execution or with the first result of the tier before. It has ended when its last outcome
 * came, once no item is open in it or before it.
 */
export async function findTierSpans(
  deps: ServiceDeps,
  actor: Actor,
  executions: readonly Execution[],
): Promise<(readonly TierSpan[])[]> {
  const several = executions.filter((execution) => execution.spec.tiers.length > 1).map((execution) => execution.id);
  if (several.length === 0) return executions.map((execution) => [execution]);
  const [times, counts] = [
    Map.groupBy(await timeTiers(deps.db, actor.projectId, several), (row) => row.executionId),
    Map.groupBy(await countTiers(deps.db, actor.projectId, several), (row) => row.executionId),
  ];
  return executions.map((execution) => {
    if (execution.spec.tiers.length === 1) return [execution];
    const ofTier = new Map((times.get(execution.id) ?? []).map((row) => [row.tier, row]));
    const openTiers = (counts.get(execution.id) ?? []).filter((row) => isOpenItem(row.status)).map((row) => row.tier);
    const firstOpen = execution.sealedAt === null ? 0 : Math.min(...openTiers, Number.POSITIVE_INFINITY);
    return execution.spec.tiers.map((_tier, number) => ({
      startedAt: number === 0 ? execution.startedAt : (ofTier.get(number - 1)?.firstResultAt ?? null),
      endedAt: number < firstOpen ? (ofTier.get(number)?.lastOutcomeAt ?? null) : null,
    }));
  });
}

interface StatusCount {
  readonly tier: number;
  readonly status: ItemStatus;
  readonly count: number;
}

function tierCounts(rows: readonly StatusCount[], tier: number): ItemCounts {
  const sum = (matches: (row: StatusCount) => boolean) =>
    rows.filter(matches).reduce((total, row) => total + row.count, 0);
  const within = (status: ItemStatus) => sum((row) => row.tier === tier && row.status === status);
  return {
    total: sum((row) => row.tier >= tier),
    queued: within('QUEUED'),
    running: within('RUNNING'),
    retrying: within('RETRYING'),
    succeeded: within('SUCCEEDED') + sum((row) => row.tier > tier),
    failed: within('FAILED'),
    cancelled: within('CANCELLED'),
    expired: within('EXPIRED'),
  };
}
