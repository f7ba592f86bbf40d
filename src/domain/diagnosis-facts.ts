/** What is known of an execution that is diagnosed, and the words for what is found. */
import type { ErrorCategory } from './item-error.ts';

export const HEALTHS = ['OK', 'WAITING', 'SLOW', 'STUCK', 'FAILING'] as const;
export type Health = (typeof HEALTHS)[number];

export const BLOCKED_REASONS = [
  ...(['DRAFT', 'PAUSED', 'SAMPLE', 'BUDGET', 'AGENT_STORM', 'BACKOFF'] as const),
  ...(['OVERDUE_CALLS', 'NO_NODE', 'NO_PROGRESS', 'CANCELLING'] as const),
] as const;
export type BlockedReason = (typeof BLOCKED_REASONS)[number];

export const FAILURE_CATEGORIES = ['INFRASTRUCTURE', 'TIMEOUT', 'ORPHANED', 'PIPELINE'] as const;
export type FailureCategory = (typeof FAILURE_CATEGORIES)[number];

/** Failed items that ended alike. */
export interface FailureGroup {
  readonly category: ErrorCategory;
  readonly code: string;
  readonly tier: number;
  readonly transient: boolean;
  readonly count: number;
}

/** What is known of an execution's lanes and items beside its row. */
export interface DiagnosisFacts {
  /** The failed items by how they ended, most frequent first. */
  readonly failures: readonly FailureGroup[];
  /** When the earliest waiting item is due; null when none waits. */
  readonly nextAttemptAt: Date | null;
  /** Calls that were told to stop and have not. */
  readonly overdueCalls: number;
  readonly overdueSince: Date | null;
  /** Whether a node runs it, as far as the database knows. */
  readonly isOwned: boolean;
  /** How often work on it was taken from a node that died. */
  readonly takeovers: number;
  readonly takenOverAt: Date | null;
  /** Items that were running when their process died, and were run again. */
  readonly interruptedItems: number;
}

/** The verdict. */
export interface Finding {
  readonly health: Health;
  /** One sentence for a person. */
  readonly reason: string;
  readonly blockedReason: BlockedReason | null;
  /** How long it has been STUCK, in ms; null when it is not. */
  readonly stuckMs: number | null;
  readonly failureCategory: FailureCategory | null;
}
