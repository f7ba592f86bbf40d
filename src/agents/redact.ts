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

/** The redactor for these values, also in the forms in which they travel: base64 and percent-encoded. */
export function createRedactor(values: readonly string[]): Redactor {
  const forms = [...new Set(values.flatMap(formsOf))].sort((a, b) => b.length - a.length);
  if (forms.length === 0) return { text: (text) => text, json: (value) => value, bytes: (bytes) => bytes };
  const text = (given: string): string => forms.reduce((left, form) => left.replaceAll(form, MARK), given);
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
