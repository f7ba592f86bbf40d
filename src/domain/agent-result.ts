/** What an agent answered, checked and written as JSON text, ready for the database. */

import { packedBase64 } from './content.ts';
import { type ItemError, itemError } from './item-error.ts';
import { isStorableText, jsonProblemMessage, toJsonText } from './json.ts';
import { LIMITS } from './limits.ts';
import { mediaTypeOf } from './media-type.ts';
import { type CallUsage, readUsage } from './usage.ts';

/** A result whose parts are JSON texts; null where the agent gave none. */
export interface StorableResult {
  readonly data: string;
  readonly fieldErrors: string | null;
  readonly artifacts: string | null;
  /** How sure the agent is, 0 to 1. */
  readonly score: number | null;
  /** The tokens that the call used. */
  readonly usage: CallUsage | null;
}

export type ResultCheck =
  | { readonly ok: true; readonly result: StorableResult }
  | { readonly ok: false; readonly error: ItemError };

/** What an agent answered, checked already, by a runtime that did it where the agent ran. */
export class CheckedResult {
  readonly check: ResultCheck;
  constructor(check: ResultCheck) {
    this.check = check;
  }
}

/**
 * The storable form of what a run function returned.
 *
 * An object with `artifacts` or `fieldErrors` is an envelope `{ data, artifacts, fieldErrors, score, usage }`. So is
 * one that has `data` with a `score` from 0 to 1 or a well-formed `usage`, and no key beyond these: names that a
 * user's own data may have too. Anything else is the data itself, and `undefined` is null. What is malformed or
 * cannot be stored is a VALIDATION error; it keeps the usage, for the tokens are spent.
 */
export function checkResult(returned: unknown): ResultCheck {
  let usage: CallUsage | null = null;
  try {
    if (returned instanceof CheckedResult) return returned.check;
    const envelope = isEnvelope(returned) ? returned : { data: returned };
    usage = usageOf(envelope['usage']);
    const score = scoreOf(envelope['score']);
    const fieldErrors = listOf(envelope['fieldErrors'], 'fieldErrors', readFieldError);
    const artifacts = listOf(envelope['artifacts'], 'artifacts', readArtifact);
    if (artifacts !== null) refuseNamesakes(artifacts);
    return {
      ok: true,
      result: {
        data: jsonText(envelope['data'], 'The result'),
        fieldErrors: fieldErrors === null ? null : jsonText(fieldErrors, 'The list of field errors'),
        artifacts: artifacts === null ? null : jsonText(artifacts, 'The list of artifacts'),
        ...{ score, usage },
      },
    };
  } catch (error) {
    // Else a getter, a toJSON or a proxy of the agent's own threw.
    const { code, message } = error instanceof Malformed ? error : NOT_JSON;
    return { ok: false, error: itemError('VALIDATION', code, message, { stage: 'result', usage }) };
  }
}

class Malformed extends Error {
  readonly code: string;
  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

const NOT_JSON = { code: 'result_not_json', message: 'The result cannot be written as JSON.' };

const tooLarge = (what: string): Malformed =>
  new Malformed('result_too_large', `${what} ${jsonProblemMessage('too_large')}.`);

function isEnvelope(value: unknown): value is Record<string, unknown> {
  if (!isRecord(value)) return false;
  if (Object.hasOwn(value, 'artifacts') || Object.hasOwn(value, 'fieldErrors')) return true;
  if (!Object.hasOwn(value, 'score') && !Object.hasOwn(value, 'usage')) return false;
  if (!Object.hasOwn(value, 'data') || Object.keys(value).some((key) => !PLAIN_ENVELOPE.has(key))) return false;
  const { score, usage } = value;
  return (score == null || isScore(score)) && (usage == null || readUsage(usage) !== undefined);
}

/** The keys of an envelope that has neither of the names that are its own. */
const PLAIN_ENVELOPE: ReadonlySet<string> = new Set(['data', 'score', 'usage']);

const isScore = (value: unknown): value is number => typeof value === 'number' && value >= 0 && value <= 1;

function scoreOf(value: unknown): number | null {
  if (value === undefined || value === null) return null;
  if (isScore(value)) return value;
  throw new Malformed('invalid_result', 'score must be a number from 0 to 1.');
}

function usageOf(value: unknown): CallUsage | null {
  if (value === undefined || value === null) return null;
  const usage = readUsage(value);
  if (usage !== undefined) return usage;
  throw new Malformed('invalid_result', 'usage needs inputTokens and outputTokens, whole numbers from 0.');
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function jsonText(value: unknown, what: string): string {
  // Writing a text of 100 MB would stall everyone, only to find that it is too large.
  if (typeof value === 'string' && value.length > LIMITS.resultBytes) throw tooLarge(what);
  const json = toJsonText(value, LIMITS.resultBytes, LIMITS.jsonDepth);
  if (json.ok) return json.text;
  throw new Malformed(`result_${json.problem}`, `${what} ${jsonProblemMessage(json.problem)}.`);
}

/** The list read entry by entry; null when it is absent or empty. */
function listOf<T>(value: unknown, name: string, read: (entry: unknown, at: string) => T): T[] | null {
  if (value === undefined || value === null) return null;
  if (!Array.isArray(value)) throw new Malformed('invalid_result', `${name} must be a list.`);
  return value.length === 0 ? null : value.map((entry, index) => read(entry, `${name}[${index}]`));
}

function readFieldError(entry: unknown, at: string) {
  const fields = isRecord(entry) ? entry : {};
  return {
    path: textField(fields, 'path', at),
    code: textField(fields, 'code', at),
    message: textField(fields, 'message', at),
  };
}

function readArtifact(entry: unknown, at: string) {
  const fields = isRecord(entry) ? entry : {};
  const content = contentOf(fields, at);
  const url = fields['url'] === undefined || fields['url'] === null ? null : textField(fields, 'url', at);
  if ((content === null) === (url === null))
    throw new Malformed('invalid_result', `${at} needs either content or url.`);
  const given = fields['sizeBytes'];
  const filename = textField(fields, 'filename', at);
  return {
    id: fields['id'] === undefined ? `${at.replace(/\D/g, '')}` : textField(fields, 'id', at),
    filename,
    mediaType: fields['mediaType'] === undefined ? mediaTypeOf(filename) : textField(fields, 'mediaType', at),
    sizeBytes: content === null ? sizeOf(given) : content.byteLength,
    content: content === null ? null : content.toString('base64'),
    url,
  };
}

/** A size as an agent says it; null, not known, for what is none. */
const sizeOf = (given: unknown): number | null =>
  typeof given === 'number' && Number.isSafeInteger(given) && given >= 0 ? given : null;

/** Each is downloaded by its id, so no two may have one. */
function refuseNamesakes(artifacts: readonly { readonly id: string }[]): void {
  const first = new Map<string, number>();
  for (const [index, { id }] of artifacts.entries()) {
    const other = first.get(id);
    if (other !== undefined) {
      throw new Malformed('invalid_result', `artifacts[${index}] has the same id as artifacts[${other}].`);
    }
    first.set(id, index);
  }
}

/** An artifact's bytes: `content` as bytes or base64, or `text`. */
function contentOf(fields: Record<string, unknown>, at: string): Buffer | null {
  const { content, text } = fields;
  if (text !== undefined && text !== null) return Buffer.from(textField(fields, 'text', at));
  if (content === undefined || content === null) return null;
  if (content instanceof Uint8Array) {
    if (content.byteLength > LIMITS.resultBytes) throw tooLarge(`${at}.content`);
    return Buffer.from(content);
  }
  const packed = typeof content === 'string' ? packedBase64(content) : null;
  if (packed !== null) return Buffer.from(packed, 'base64');
  throw new Malformed('invalid_result', `${at}.content must be bytes or base64, padded; a text goes into \`text\`.`);
}

function textField(fields: Record<string, unknown>, name: string, at: string): string {
  const value = fields[name];
  if (typeof value !== 'string') throw new Malformed('invalid_result', `${at}.${name} must be a text.`);
  if (!isStorableText(value)) throw new Malformed('result_nul_character', `${at}.${name} cannot be stored as text.`);
  return value;
}
