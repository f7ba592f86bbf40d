/** A column of the rows that a flush writes. */
import { sql } from 'kysely';
import { boolArray, intArray, textArray } from './pg-array.ts';

/** What a column of a type holds. */
interface Values {
  readonly int: number;
  readonly text: string;
  readonly bool: boolean;
}

const LISTS: { readonly [Type in keyof Values]: (values: readonly Values[Type][]) => Buffer } = {
  int: intArray,
  text: textArray,
  bool: boolArray,
};

/**
 * A column as an array for `unnest`, and how its values are then named.
 *
 * Mostly all rows have the same value, which then goes once: `unnest` fills the empty list up with NULL, and `of` puts
 * the value there. Each column costs a flush as much as its rows are wide.
 */
export function column<Type extends keyof Values, Row>(
  type: Type,
  rows: readonly Row[],
  pick: (row: Row) => Values[Type],
) {
  const [first] = rows;
  const same = first === undefined ? null : pick(first);
  const differs = rows.some((row) => pick(row) !== same);
  return {
    list: LISTS[type](differs ? rows.map(pick) : []),
    of: (name: string) => sql`coalesce(${sql.ref(name)}, ${differs ? null : same}::${sql.raw(type)})`,
  };
}
