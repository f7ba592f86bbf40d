/** What of a user's JSON and text the database can hold, and a canonical form to compare it by. */
import { createHash } from 'node:crypto';
import { stringify } from 'safe-stable-stringify';

/** Why a value cannot be stored as JSON. */
export type JsonProblem = 'not_json' | 'nul_character' | 'lone_surrogate' | 'too_large' | 'too_deep';

export type JsonText =
  | { readonly ok: true; readonly text: string }
  | { readonly ok: false; readonly problem: JsonProblem };

// An escape counts only when its backslash is not itself escaped. JSON.stringify writes NUL and lone surrogates
// as escapes and nothing else that matches, so the text alone tells.
const NUL_ESCAPE = /(?<!\\)(?:\\\\)*\\u0000/;
const SURROGATE_ESCAPE = /(?<!\\)(?:\\\\)*\\ud[89a-f][0-9a-f]{2}/;

/**
 * The JSON text of a value, or why it cannot be stored.
 *
 * `undefined` becomes null. PostgreSQL takes neither U+0000 nor half a surrogate pair in text, so both are
 * refused here, before the value joins a flush of many. `maxBytes` bounds the UTF-8 length.
 */
export function toJsonText(value: unknown, maxBytes: number, maxDepth: number): JsonText {
  let text: string | undefined;
  try {
    text = JSON.stringify(value === undefined ? null : value);
  } catch {
    return { ok: false, problem: 'not_json' };
  }
  if (text === undefined) return { ok: false, problem: 'not_json' };
  if (isLarger(text, maxBytes)) return { ok: false, problem: 'too_large' };
  if (text.includes('\\u')) {
    if (NUL_ESCAPE.test(text)) return { ok: false, problem: 'nul_character' };
    if (SURROGATE_ESCAPE.test(text)) return { ok: false, problem: 'lone_surrogate' };
  }
  if (nestsDeeper(text, maxDepth)) return { ok: false, problem: 'too_deep' };
  return { ok: true, text };
}

/** A sentence for a JsonProblem, to follow the name of what was checked. */
export function jsonProblemMessage(problem: JsonProblem): string {
  switch (problem) {
    case 'not_json':
      return 'cannot be written as JSON';
    case 'nul_character':
      return 'contains the character U+0000, which the database cannot store';
    case 'lone_surrogate':
      return 'contains half of a surrogate pair, which is not valid Unicode';
    case 'too_large':
      return 'is too large';
    case 'too_deep':
      return 'is nested too deeply';
  }
}

/** Whether a text can be stored as it is: no U+0000 and no lone surrogate. */
export const isStorableText = (text: string): boolean => !text.includes('\u0000') && text.isWellFormed();

/** The text with what the database cannot hold replaced by U+FFFD. */
export const storableText = (text: string): string =>
  isStorableText(text) ? text : text.toWellFormed().replaceAll('\u0000', '\uFFFD');

/** The text cut to `max` UTF-16 units with an ellipsis; never between the halves of a surrogate pair. */
export function clipText(text: string, max: number): string {
  return text.length <= max
    ? text
    : `${text
        .slice(0, max - 1)
        .toWellFormed()
        .replace(/\uFFFD$/, '')}…`;
}

/** SHA-256, in hex, of a value's canonical JSON: equal for equal values whatever the order of their keys. */
export function contentHash(value: unknown): string {
  return createHash('sha256')
    .update(stringify(value) ?? 'null')
    .digest('hex');
}

/** Most bytes that a UTF-16 unit takes in UTF-8. */
const UNIT_BYTES = 3;

/** Whether a text takes more than `max` bytes in UTF-8; counted only where its length leaves that open. */
const isLarger = (text: string, max: number): boolean =>
  text.length > max || (text.length * UNIT_BYTES > max && Buffer.byteLength(text) > max);

/** Whether JSON text nests deeper than `max`; strings are skipped, so brackets inside them do not count. */
function nestsDeeper(text: string, max: number): boolean {
  // What is open must be closed.
  if (text.length <= 2 * max) return false;
  let depth = 0;
  let inString = false;
  for (let i = 0; i < text.length; i += 1) {
    const char = text.charCodeAt(i);
    if (inString) {
      if (char === 92) i += 1;
      else if (char === 34) inString = false;
    } else if (char === 34) inString = true;
    else if (char === 91 || char === 123) {
      depth += 1;
      if (depth > max) return true;
    } else if (char === 93 || char === 125) depth -= 1;
  }
  return false;
}
