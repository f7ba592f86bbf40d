/**
 * PostgreSQL array literals of values that need no quoting.
 *
 * A driver quotes and escapes every element of a list it is given, which for the dozen columns of a flush costs more
 * than the flush. These are for numbers and for words of our own (statuses, categories) only.
 */

/** `{1,2,NULL}`; cast it where it is used. */
export function intArray(values: readonly (number | null)[]): string {
  let text = '{';
  let comma = '';
  for (const value of values) {
    text += comma + (value === null ? 'NULL' : value);
    comma = ',';
  }
  return `${text}}`;
}

/** `{QUEUED,RUNNING}`; the words must consist of letters and underscores. */
export const wordArray = (words: readonly string[]): string => `{${words.join(',')}}`;

/** The list, or an empty one where every entry is missing: `unnest` of several lists fills up with NULL. */
export const sparse = <T>(values: readonly (T | null | undefined)[]): (T | null)[] =>
  values.every((value) => value == null) ? [] : values.map((value) => value ?? null);
