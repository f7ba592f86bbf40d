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
  readonly updatedAfterRevision?: number | null | undefined;
}
