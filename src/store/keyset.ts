/** Reads one page of a list by the key of its last row. */
import { type SelectQueryBuilder, sql } from 'kysely';
import type { Page } from '../domain/page.ts';

/**
 * The query narrowed to a page: the rows behind `page.after` in reading order, one more than the page holds.
 *
 * `columns` are the list's sort key and must be unique together, `descending` the list's own direction.
 */
export function keysetPage<DB, TB extends keyof DB, O>(
  query: SelectQueryBuilder<DB, TB, O>,
  columns: readonly string[],
  page: Page,
  descending = false,
): SelectQueryBuilder<DB, TB, O> {
  const falling = page.backward !== descending;
  const key = columns.map((column) => sql.ref(column));
  let narrowed = query;
  if (page.after !== null) {
    // Kysely's own tuples want the type of each column, which a page does not carry.
    const operator = sql.raw(falling ? '<' : '>');
    narrowed = narrowed.where(sql<boolean>`(${sql.join(key)}) ${operator} (${sql.join([...page.after])})`);
  }
  for (const column of key) narrowed = narrowed.orderBy(column, falling ? 'desc' : 'asc');
  return narrowed.limit(page.limit + 1);
}
