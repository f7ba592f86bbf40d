/** Which unsuccessful items a retry takes, and why it leaves the others. */
import type { ItemStatus } from './states.ts';

export const RETRY_MODES = ['TRANSIENT_ONLY', 'ALL'] as const;
export type RetryMode = (typeof RETRY_MODES)[number];

export const AGENT_VERSION_CHOICES = ['PINNED', 'LATEST'] as const;
export type AgentVersionChoice = (typeof AGENT_VERSION_CHOICES)[number];

/** In the order they are asked: an item left out for several reasons counts under the first. */
export const SKIP_REASONS = [
  'NOT_SELECTED',
  'OTHER_STATUS',
  'OTHER_TIER',
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
  readonly errorCodes: readonly string[] | null;
  readonly ordinals: readonly number[] | null;
  readonly maxRetryCount: number | null;
}

/** What a round changed of how its execution runs, and what is in force from then on; absent: as before. */
export interface RoundParameters {
  readonly concurrency?: number;
  readonly retryLimit?: number;
  readonly itemTimeoutMs?: number;
  readonly priority?: number;
}
