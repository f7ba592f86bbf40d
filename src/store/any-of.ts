import { type RawBuilder, sql } from 'kysely';

/**
 * The right side of `column = any(…)`: one array parameter, however many values.
 *
 * Kysely's `in` becomes `in ()` for an empty list, which is no SQL; this matches nothing.
 */
export const anyOf = <T extends string | number>(
  values: readonly T[],
  type: 'text[]' | 'int[]' = 'text[]',
): RawBuilder<T> => sql<T>`any(${[...values]}::${sql.raw(type)})`;
