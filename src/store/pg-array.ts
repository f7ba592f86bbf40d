/**
 * PostgreSQL array literals, and a JSON list in place of one.
 *
 * A driver quotes and escapes every element of a list it is given, which for the dozen columns of a flush costs more
 * than the flush. `wordArray` is for words of our own (statuses, categories) only.
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

/** The JSON list of JSON texts. Not by `join`: it writes them out, and the driver the whole again (twice the time). */
export function jsonArray(texts: readonly string[]): string {
  let text = '[';
  let comma = '';
  for (const entry of texts) {
    text += comma + entry;
    comma = ',';
  }
  return `${text}]`;
}

const NEEDS_ESCAPE = /[\\"]/;

/**
 * `{"a","b",NULL}` of any text; `{}` where every entry is missing.
 *
 * The driver writes such a list too, at several times the cost: it asks of each entry what it is.
 */
export function textArray(values: readonly (string | null | undefined)[]): string {
  let text = '{';
  let comma = '';
  let isSparse = true;
  for (const value of values) {
    if (value == null) text += `${comma}NULL`;
    else {
      isSparse = false;
      text += `${comma}"${NEEDS_ESCAPE.test(value) ? value.replaceAll(/[\\"]/g, '\\$&') : value}"`;
    }
    comma = ',';
  }
  return isSparse ? '{}' : `${text}}`;
}

/** The list, or an empty one where every entry is missing: `unnest` of several lists fills up with NULL. */
export const sparse = <T>(values: readonly (T | null | undefined)[]): (T | null)[] =>
  values.every((value) => value == null) ? [] : values.map((value) => value ?? null);
