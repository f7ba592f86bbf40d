/** Which items a new round takes, and why it leaves the others. */
import type { ErrorCategory } from './item-error.ts';
import type { ItemFilter } from './item-filter.ts';
import type { ItemStatus } from './states.ts';

export const RETRY_MODES = ['TRANSIENT_ONLY', 'ALL'] as const;
export type RetryMode = (typeof RETRY_MODES)[number];

export const AGENT_VERSION_CHOICES = ['PINNED', 'LATEST'] as const;
export type AgentVersionChoice = (typeof AGENT_VERSION_CHOICES)[number];

/** In the order they are asked: an item left out for several reasons counts under the first. */
export const SKIP_REASONS = [
  'NOT_SELECTED',
  'EARLIER_TIER',
  'OTHER_STATUS',
  'OTHER_TIER',
  'OTHER_CATEGORY',
  'OTHER_CODE',
  'PERMANENT_ERROR',
  'RETRY_COUNT_REACHED',
] as const;
export type SkipReason = (typeof SKIP_REASONS)[number];

/** The statuses a retry may name: every final one but SUCCEEDED. */
export const RETRYABLE_STATUSES = ['FAILED', 'CANCELLED', 'EXPIRED'] as const satisfies readonly ItemStatus[];

/** A retry's filter, complete: null means "no restriction". */
export interface RetrySelection {
  readonly mode: RetryMode;
  readonly statuses: readonly ItemStatus[];
  readonly tiers: readonly number[] | null;
  readonly errorCategories: readonly ErrorCategory[] | null;
  readonly errorCodes: readonly string[] | null;
  readonly ordinals: readonly number[] | null;
  readonly maxRetryCount: number | null;
  /** What the item must match besides. */
  readonly filter: ItemFilter | null;
}

/** A resubmit's selection: every ended item that has come to this tier, successful or not. */
export interface ResubmitSelection {
  readonly fromTier: number;
}

/** What a round after the first runs. */
export type RoundSelection = RetrySelection | ResubmitSelection;

/** The statuses a resubmit takes: every final one. */
export const RESUBMITTABLE_STATUSES = ['SUCCEEDED', ...RETRYABLE_STATUSES] as const satisfies readonly ItemStatus[];

/** What a round changed of how its execution runs, and what is in force from then on; absent: as before. */
export interface RoundParameters {
  readonly concurrency?: number;
  readonly retryLimit?: number;
  readonly itemTimeoutMs?: number;
  readonly priority?: number;
}

/** What opened a round: the execution's start, a retry, or a resubmit. */
export type RoundKind = 'FIRST' | 'RETRY' | 'RESUBMIT';

/** One round of an execution. */
export interface Round {
  readonly round: number;
  readonly kind: RoundKind;
  readonly openedAt: Date;
  /** One per tier. */
  readonly agentVersionIds: readonly string[];
  /** RESUBMIT: the first tier that was done again. */
  readonly fromTier: number | null;
  readonly parameters: RoundParameters;
}
