/** A column of the rows that a flush writes. */
import { sql } from 'kysely';
import { wordArray } from './pg-array.ts';

/**
 * A column as an array for `unnest`, and how its values are then named.
 *
 * Mostly all rows have the same value, which then goes once: `unnest` fills the empty list up with NULL, and `of` puts
 * the value there. Each column costs a flush as much as its rows are wide. The values must be numbers, booleans or
 * words of our own.
 */
export function column<Row>(
  type: 'int' | 'text' | 'bool',
  rows: readonly Row[],
  pick: (row: Row) => string | number | boolean,
) {
  const [first] = rows;
  const same = first === undefined ? null : pick(first);
  const differs = rows.some((row) => pick(row) !== same);
  return {
    list: differs ? wordArray(rows.map((row) => String(pick(row)))) : '{}',
    of: (name: string) => sql`coalesce(${sql.ref(name)}, ${differs ? null : same}::${sql.raw(type)})`,
  };
}
