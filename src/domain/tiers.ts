/** What an execution's counts and times say of each of its tiers. */
import type { Execution, ItemCounts } from './model.ts';
import { ITEM_STATUSES, isFinalExecution, isOpenItem } from './states.ts';

type StatusCounts = Omit<ItemCounts, 'total'>;
type TieredExecution = ItemCounts &
  Pick<Execution, 'status' | 'sealedAt' | 'startedAt' | 'endedAt' | 'tierCounts' | 'tierEnteredAt' | 'tierLeftAt'> & {
    readonly spec: { readonly tiers: readonly unknown[] };
  };

const COLUMNS = ITEM_STATUSES.map((status) => ({ status, name: status.toLowerCase() as keyof StatusCounts }));

/** When a tier began and ended; null for what has not happened. */
export interface TierSpan {
  readonly startedAt: Date | null;
  readonly endedAt: Date | null;
}

/**
 * The counts of each tier, at the execution's revision.
 *
 * `total` is the items that have entered the tier; one that went on to a later tier succeeded in it. The other six
 * are of items that are in the tier now, or ended in it.
 */
export function countsOfTiers(execution: TieredExecution): readonly ItemCounts[] {
  let later = 0;
  const counts: ItemCounts[] = [];
  for (const within of withinTiers(execution).toReversed()) {
    const total = later + sumOf(within);
    counts.unshift({ ...within, succeeded: within.succeeded + later, total });
    later = total;
  }
  return counts;
}

/**
 * The spans of the tiers, over all rounds.
 *
 * A tier begins when the first item enters it, the first one with the execution. It has ended when the last item has
 * left it or ended in it, and none can come from before.
 */
export function spansOfTiers(execution: TieredExecution): readonly TierSpan[] {
  const { startedAt, endedAt, sealedAt, tierEnteredAt, tierLeftAt } = execution;
  if (execution.spec.tiers.length === 1) return [{ startedAt, endedAt }];
  let open = sealedAt === null && endedAt === null ? 1 : 0;
  return withinTiers(execution).map((within, tier) => {
    open += openOf(within);
    return {
      startedAt: tier === 0 ? startedAt : (tierEnteredAt?.[tier] ?? null),
      endedAt: open === 0 ? (tierLeftAt?.[tier] ?? null) : null,
    };
  });
}

export const TIER_STATUSES = ['PENDING', 'RUNNING', 'COMPLETED', 'COMPLETED_WITH_ERRORS', 'FAILED', 'SKIPPED'] as const;
export type TierStatus = (typeof TIER_STATUSES)[number];

/** Where each tier stands, as its counts say. */
export function statusesOfTiers(execution: TieredExecution): readonly TierStatus[] {
  let openBefore = isFinalExecution(execution.status) ? 0 : execution.sealedAt === null ? 1 : 0;
  const within = withinTiers(execution);
  return countsOfTiers(execution).map((counts, tier) => {
    const here = within[tier];
    const open = here === undefined ? 0 : openOf(here);
    const status = statusOf(counts, open + openBefore > 0);
    openBefore += open;
    return status;
  });
}

function statusOf({ total, succeeded, queued }: ItemCounts, mayChange: boolean): TierStatus {
  if (mayChange) return total - queued === 0 ? 'PENDING' : 'RUNNING';
  if (total === 0) return 'SKIPPED';
  if (succeeded === total) return 'COMPLETED';
  return succeeded === 0 ? 'FAILED' : 'COMPLETED_WITH_ERRORS';
}

/** Items that are in each tier, by status; the first has what the others leave of the execution's counts. */
function withinTiers(execution: TieredExecution): readonly StatusCounts[] {
  const { tierCounts, spec } = execution;
  const later = spec.tiers.slice(1).map((_, index) => fromSlots(tierCounts ?? [], index * COLUMNS.length));
  const first = COLUMNS.map(
    ({ name }) => [name, execution[name] - later.reduce((sum, counts) => sum + counts[name], 0)] as const,
  );
  return [toCounts(first), ...later];
}

const fromSlots = (slots: readonly number[], from: number): StatusCounts =>
  toCounts(COLUMNS.map(({ name }, index) => [name, slots[from + index] ?? 0] as const));

function toCounts(entries: readonly (readonly [keyof StatusCounts, number])[]): StatusCounts {
  const none = { queued: 0, running: 0, retrying: 0, succeeded: 0, failed: 0, cancelled: 0, expired: 0 };
  return { ...none, ...Object.fromEntries(entries) };
}

const sumOf = (counts: StatusCounts): number => COLUMNS.reduce((sum, { name }) => sum + counts[name], 0);
const openOf = (counts: StatusCounts): number =>
  COLUMNS.reduce((sum, { status, name }) => (isOpenItem(status) ? sum + counts[name] : sum), 0);
