/** Errors of items: their categories, and how any thrown value becomes one. */

import { clipText, storableText, toJsonText } from './json.ts';
import { LIMITS } from './limits.ts';
import { type CallUsage, readUsage } from './usage.ts';

export const ERROR_CATEGORIES = [
  'TIMEOUT',
  'NETWORK',
  'RATE_LIMIT',
  'RESOURCE',
  'INTERRUPTED',
  'VALIDATION',
  'AUTHENTICATION',
  'DEPENDENCY',
  'RUNTIME',
] as const;
export type ErrorCategory = (typeof ERROR_CATEGORIES)[number];

const TRANSIENT: ReadonlySet<ErrorCategory> = new Set<ErrorCategory>([
  'TIMEOUT',
  'NETWORK',
  'RATE_LIMIT',
  'RESOURCE',
  'INTERRUPTED',
]);

/** What went wrong in one attempt, before it is stored. */
export interface ItemError {
  readonly category: ErrorCategory;
  /** Whether a later attempt may succeed: the thrower's word, else the category's default. */
  readonly transient: boolean;
  /** The thrower's own word on `transient`, null when it gave none. */
  readonly declared: boolean | null;
  readonly code: string;
  readonly message: string;
  /** Free JSON of the thrower, as JSON text; null when it gave none or it could not be stored. */
  readonly details: string | null;
  readonly retryAfterMs: number | null;
  /** The part that failed: `service` for Batchyard itself, else the thrower's word; null when it gave none. */
  readonly component: string | null;
  /** What it was doing, e.g. `call`, `result`, `input`; the thrower's word, null when it gave none. */
  readonly stage: string | null;
  /** The stack of what was thrown; null when there was none. */
  readonly trace: string | null;
  /** What to do about it, for people; null when nothing is known. */
  readonly recovery: string | null;
  /** What the failed call used all the same; null when it did not say. */
  readonly usage: CallUsage | null;
}

// Maps: an object would find `constructor`, which a thrower may say as well, in its prototype.
const CODE_CATEGORIES = new Map<string, ErrorCategory>(
  Object.entries<ErrorCategory>({
    ECONNREFUSED: 'NETWORK',
    ECONNRESET: 'NETWORK',
    ECONNABORTED: 'NETWORK',
    EPIPE: 'NETWORK',
    ENOTFOUND: 'NETWORK',
    EAI_AGAIN: 'NETWORK',
    EHOSTUNREACH: 'NETWORK',
    ENETUNREACH: 'NETWORK',
    ENETDOWN: 'NETWORK',
    UND_ERR_SOCKET: 'NETWORK',
    UND_ERR_CONNECT_TIMEOUT: 'TIMEOUT',
    UND_ERR_HEADERS_TIMEOUT: 'TIMEOUT',
    UND_ERR_BODY_TIMEOUT: 'TIMEOUT',
    ETIMEDOUT: 'TIMEOUT',
    ESOCKETTIMEDOUT: 'TIMEOUT',
    EMFILE: 'RESOURCE',
    ENFILE: 'RESOURCE',
    ENOMEM: 'RESOURCE',
    ENOSPC: 'RESOURCE',
    ENOENT: 'DEPENDENCY',
    EACCES: 'DEPENDENCY',
    EPERM: 'DEPENDENCY',
  }),
);

const NAME_CATEGORIES = new Map<string, ErrorCategory>(
  Object.entries<ErrorCategory>({ TimeoutError: 'TIMEOUT', ZodError: 'VALIDATION', ValidationError: 'VALIDATION' }),
);

/** What else there is to say of an error of our own. */
export type ErrorOrigin = Partial<Pick<ItemError, 'stage' | 'recovery' | 'usage'>>;

/** Makes an item error of our own, e.g. for a timeout or a result that cannot be stored. */
export function itemError(
  category: ErrorCategory,
  code: string,
  message: string,
  { stage = null, recovery = null, usage = null }: ErrorOrigin = {},
): ItemError {
  return {
    category,
    transient: TRANSIENT.has(category),
    declared: null,
    code,
    message: clipText(message, LIMITS.messageLength),
    details: null,
    retryAfterMs: null,
    ...{ component: 'service', stage, trace: null, recovery, usage },
  };
}

/**
 * The item error for any value an agent threw.
 *
 * Asked in this order: the value's own `category` and `transient`, its HTTP `status`, its `code` and its
 * cause's, its `name`; what is left is RUNTIME. Texts are cut to storable length.
 */
export function classifyThrown(thrown: unknown): ItemError {
  const fields = fieldsOf(thrown);
  const status = integer(fields['status']) ?? integer(fields['statusCode']);
  const code = text(fields['code']);
  const causeCode = text(fieldsOf(fields['cause'])['code']);
  const name = text(fields['name']);
  const category =
    ownCategory(fields['category']) ??
    statusCategory(status) ??
    CODE_CATEGORIES.get(code ?? '') ??
    CODE_CATEGORIES.get(causeCode ?? '') ??
    NAME_CATEGORIES.get(name ?? '') ??
    'RUNTIME';
  const declared = typeof fields['transient'] === 'boolean' ? fields['transient'] : null;
  return {
    category,
    transient: declared ?? TRANSIENT.has(category),
    declared,
    code: clipText(
      storableText(code ?? causeCode ?? (status === null ? null : `http_${status}`) ?? name ?? 'error'),
      200,
    ),
    message: clipText(storableText(messageOf(thrown, fields)), LIMITS.messageLength),
    details: detailsOf(fields['details']),
    retryAfterMs: retryAfter(fields['retryAfterMs']),
    component: words(fields['component'], LIMITS.nameLength),
    stage: words(fields['stage'], LIMITS.nameLength),
    trace: words(fields['stack'], LIMITS.traceLength),
    recovery: words(fields['recovery'], LIMITS.messageLength),
    usage: usageOf(fields['usage']),
  };
}

function statusCategory(status: number | null): ErrorCategory | null {
  if (status === null) return null;
  if (status === 408 || status === 504) return 'TIMEOUT';
  if (status === 429) return 'RATE_LIMIT';
  if (status === 425 || status >= 500) return 'NETWORK';
  if (status === 401 || status === 403) return 'AUTHENTICATION';
  if (status === 400 || status === 413 || status === 415 || status === 422) return 'VALIDATION';
  if (status >= 400) return 'DEPENDENCY';
  return null;
}

function ownCategory(value: unknown): ErrorCategory | null {
  return ERROR_CATEGORIES.find((category) => category === value) ?? null;
}

/** Reads a thrown object's fields; a getter that throws counts as absent. */
function fieldsOf(value: unknown): Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return {};
  const fields: Record<string, unknown> = {};
  for (const key of [
    'category',
    'transient',
    'status',
    'statusCode',
    'code',
    'cause',
    'name',
    'message',
    'details',
    'retryAfterMs',
    'component',
    'stage',
    'stack',
    'recovery',
    'usage',
  ]) {
    try {
      // The code of a DOMException is a number that says less than its name: 23 for a timeout.
      fields[key] = key === 'code' && value instanceof DOMException ? undefined : Reflect.get(value, key);
    } catch {
      fields[key] = undefined;
    }
  }
  return fields;
}

function messageOf(thrown: unknown, fields: Record<string, unknown>): string {
  const own = text(fields['message']);
  if (own !== null && own !== '') return own;
  if (typeof thrown === 'object' && thrown !== null)
    return text(fields['name']) ?? 'The agent threw an object without a message.';
  if (typeof thrown === 'function') return 'The agent threw a function.';
  return `The agent threw ${String(thrown)}.`;
}

/** A text of the thrower's, storable and cut; null where there is none. */
function words(value: unknown, length: number): string | null {
  return typeof value === 'string' && value !== '' ? clipText(storableText(value), length) : null;
}

function usageOf(value: unknown): CallUsage | null {
  try {
    return readUsage(value) ?? null;
  } catch {
    // A getter of it threw.
    return null;
  }
}

function detailsOf(value: unknown): string | null {
  if (value === undefined || value === null) return null;
  const json = toJsonText(value, LIMITS.failureDetailsBytes, LIMITS.jsonDepth);
  return json.ok ? json.text : null;
}

const text = (value: unknown): string | null =>
  typeof value === 'string' ? value : typeof value === 'number' ? String(value) : null;
const integer = (value: unknown): number | null => (Number.isInteger(value) ? Number(value) : null);
const retryAfter = (value: unknown): number | null =>
  typeof value === 'number' && Number.isFinite(value) && value >= 0 ? Math.min(value, 86_400_000) : null;
