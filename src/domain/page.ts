/** A page of a list, as the store is asked for it: by the key of the last row seen, never by an offset. */

/** One value of a row's sort key. */
export type KeyValue = string | number | Date;

/**
 * Which rows a list is to give.
 *
 * The store answers up to `limit + 1` rows in reading order (the list's own order, or its reverse when
 * `backward`), starting after the row whose key is `after`; the extra row only says that there are more.
 */
export interface Page {
  readonly limit: number;
  readonly backward: boolean;
  /** The sort key to go on behind, in the order of the sort columns; null starts at the end that is read first. */
  readonly after: readonly KeyValue[] | null;
}
