/** Takes secrets out of whatever an endpoint sends back, before anyone sees or stores it. */

/** Replaces every secret that a call used, in a text, in all strings of a parsed JSON value, or in a file. */
export interface Redactor {
  text(text: string): string;
  json(value: unknown): unknown;
  bytes(bytes: Buffer): Buffer;
}

const MARK = '[secret]';
/** Checked results nest no deeper; what does is refused afterwards. */
const MAX_DEPTH = 100;
/** Characters of a secret that are looked for at first: an expression of many long ones would be too large. */
const HEAD_LENGTH = 256;

/** The redactor for these values, also in the forms in which they travel: base64 and percent-encoded. */
export function createRedactor(values: readonly string[]): Redactor {
  const forms = [...new Set(values.flatMap(formsOf))].sort((a, b) => b.length - a.length);
  if (forms.length === 0) return { text: (text) => text, json: (value) => value, bytes: (bytes) => bytes };
  // One look for all of them first: to look for each in an answer of a million short texts would take many seconds.
  const heads = new RegExp([...new Set(forms.map((form) => literal(form.slice(0, HEAD_LENGTH))))].join('|'));
  const text = (given: string): string =>
    heads.test(given) ? forms.reduce((left, form) => left.replaceAll(form, MARK), given) : given;
  const json = (value: unknown, depth = 0): unknown => {
    if (typeof value === 'string') return text(value);
    if (typeof value !== 'object' || value === null || depth > MAX_DEPTH) return value;
    if (Array.isArray(value)) return value.map((entry) => json(entry, depth + 1));
    return Object.fromEntries(Object.entries(value).map(([key, entry]) => [text(key), json(entry, depth + 1)]));
  };
  // Secrets are ASCII, so each byte may pass for a character.
  const bytes = (given: Buffer): Buffer =>
    forms.some((form) => given.includes(form)) ? Buffer.from(text(given.toString('latin1')), 'latin1') : given;
  return { text, json, bytes };
}

function formsOf(value: string): string[] {
  if (value === '') return [];
  const base64 = Buffer.from(value).toString('base64').replace(/=+$/, '');
  return [value, base64, base64.replaceAll('+', '-').replaceAll('/', '_'), encodeURIComponent(value), escaped(value)];
}

/** As it stands in JSON text. */
const escaped = (value: string): string => JSON.stringify(value).slice(1, -1);

/** ASCII as a regular expression finds it. */
const literal = (text: string): string => text.replaceAll(/[^A-Za-z0-9]/g, String.raw`\$&`);
