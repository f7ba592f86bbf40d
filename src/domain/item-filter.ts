/** A choice among the items of an execution. */
import type { ErrorCategory } from './item-error.ts';
import type { ItemStatus } from './states.ts';

/** Which items to list; what is absent or null does not restrict, an empty list matches nothing. */
export interface ItemFilter {
  readonly status?: readonly ItemStatus[] | null | undefined;
  /** The tier an item is in, or ended in. */
  readonly tier?: readonly number[] | null | undefined;
  /** Category and code of an item's present error: of a FAILED or RETRYING one, or of one that ended while it had one. */
  readonly category?: readonly ErrorCategory[] | null | undefined;
  readonly code?: readonly string[] | null | undefined;
  /** A part of the filename; upper and lower case alike. */
  readonly filename?: string | null | undefined;
  /** The score of the newest result, 0 to 1; an item without one never matches. */
  readonly minScore?: number | null | undefined;
  readonly maxScore?: number | null | undefined;
  /** From an item's start to its end, in ms; one that has not ended never matches. */
  readonly minDurationMs?: number | null | undefined;
  readonly maxDurationMs?: number | null | undefined;
  readonly updatedAfterRevision?: number | null | undefined;
}
