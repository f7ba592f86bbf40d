/** How far an execution is, derived from its row: nothing of it is stored. */
import type { Execution, ItemCounts } from './model.ts';
import { isFinalExecution } from './states.ts';
import { countsOfTiers } from './tiers.ts';

/** What a progress bar needs. */
export interface Progress {
  /** 0 to 100, rounded down to hundredths, so that 100 means that every item is closed. */
  readonly percent: number;
  /** Items closed per second since the present round opened; null until one is, and of a round without time. */
  readonly itemsPerSecond: number | null;
  /** When the last item closes if the rate holds; null unless items are open, the set is sealed and it is RUNNING. */
  readonly estimatedEndAt: Date | null;
  readonly lastActivityAt: Date;
  readonly tierCount: number;
  /** The first tier that items are open in; null when none is. */
  readonly currentTier: number | null;
}

/** Items that have ended, in whatever way. */
export const closedItems = (counts: ItemCounts): number =>
  counts.succeeded + counts.failed + counts.cancelled + counts.expired;

/**
 * The progress of an execution at an instant.
 *
 * `percent` is of the items known so far: while PREPARING loads more it can fall. Items closed in earlier rounds
 * count towards it and not towards the rate. The rate of an execution that has ended is its round's average.
 */
export function progressOf(execution: Execution, now: Date): Progress {
  const closed = closedItems(execution);
  const rate = itemsPerSecond(execution, closed - execution.roundClosedBase, now);
  const open = execution.total - closed;
  const runs = execution.status === 'RUNNING' && execution.sealedAt !== null;
  return {
    percent: percentOf(execution, closed),
    itemsPerSecond: rate,
    estimatedEndAt: runs && open > 0 && rate !== null ? instantIn(now, (open / rate) * 1_000) : null,
    lastActivityAt: execution.lastActivityAt,
    tierCount: execution.spec.tiers.length,
    currentTier: currentTier(execution),
  };
}

function currentTier(execution: Execution): number | null {
  const tier = countsOfTiers(execution).findIndex((counts) => counts.queued + counts.running + counts.retrying > 0);
  return tier < 0 ? null : tier;
}

function percentOf(execution: Execution, closed: number): number {
  if (execution.total === 0) return isFinalExecution(execution.status) ? 100 : 0;
  return Math.floor((closed / execution.total) * 10_000) / 100;
}

function itemsPerSecond(execution: Execution, closed: number, now: Date): number | null {
  const elapsedMs = (execution.endedAt ?? now).getTime() - execution.roundOpenedAt.getTime();
  return closed > 0 && elapsedMs > 0 ? (closed / elapsedMs) * 1_000 : null;
}

// Within what a Date can hold: a slow first item of very many would point beyond it.
function instantIn(now: Date, ms: number): Date | null {
  const at = new Date(now.getTime() + ms);
  return Number.isNaN(at.getTime()) || at.getUTCFullYear() > 9999 ? null : at;
}
