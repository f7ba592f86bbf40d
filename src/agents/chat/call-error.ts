/** From what a call of the client throws to a ChatError with the category that the engine goes by. */
import { APIConnectionTimeoutError, APIError, APIUserAbortError } from 'openai';
import { classifyThrown, type ErrorCategory } from '../../domain/item-error.ts';
import { ChatError } from './chat-error.ts';

/** Codes by which endpoints say that they do not have the model that was asked for. */
const MODEL_GONE: ReadonlySet<string> = new Set([
  ...['model_not_found', 'model_not_available', 'model_not_active', 'model_decommissioned', 'model_deprecated'],
]);
/** Codes of an account without money: to wait does not help. */
const NO_CREDIT: ReadonlySet<string> = new Set([
  'insufficient_quota',
  'billing_hard_limit_reached',
  'billing_not_active',
]);

/** What there is to know of a call that failed. */
export interface FailedCall {
  readonly model: string;
  readonly timeoutMs: number;
  /** The present, from which a date in Retry-After counts. */
  readonly now: Date;
}

/** The error for what was thrown during a call; a ChatError stays as it is. */
export function callError(thrown: unknown, call: FailedCall): ChatError {
  if (thrown instanceof ChatError) return thrown;
  if (thrown instanceof APIError && thrown.status !== undefined) return statusError(thrown, call);
  if (thrown instanceof SyntaxError) {
    return new ChatError('DEPENDENCY', 'bad_completion', "The endpoint's answer is not JSON.", { stage: 'answer' });
  }
  return connectionError(thrown, call);
}

/** Whether another model of the same endpoint may do instead: this one is not there, or not now. */
export const modelUnavailable = ({ code, details }: ChatError): boolean =>
  code === 'model_not_found' || [503, 529].includes(statusIn(details));

const statusIn = (details: unknown): number =>
  typeof details === 'object' && details !== null ? Number(Reflect.get(details, 'status')) : Number.NaN;

const timedOut = ({ timeoutMs }: FailedCall): ChatError =>
  new ChatError('TIMEOUT', 'timeout', `The endpoint took longer than ${timeoutMs} ms.`, {
    stage: 'call',
    recovery: "Give it more time with the agent's timeoutMs, or ask for a shorter answer.",
  });

/** The client wraps what fetch throws; the cause says whether the guard refused, or what became of the connection. */
function connectionError(thrown: unknown, call: FailedCall): ChatError {
  const cause = causeWithCode(thrown);
  if (cause !== undefined) {
    const { category, code, message, declared } = classifyThrown(cause);
    const known = category === 'RUNTIME' ? 'NETWORK' : category;
    return new ChatError(known, code, message, { stage: 'call', transient: declared ?? undefined });
  }
  // An abort that is not the item's own is that of the client's clock.
  if (thrown instanceof APIConnectionTimeoutError || thrown instanceof APIUserAbortError) return timedOut(call);
  return new ChatError('NETWORK', 'connection_failed', 'The connection to the endpoint failed.', { stage: 'call' });
}

/** The innermost of the errors that caused this one, itself included, that has a word for what happened. */
function causeWithCode(thrown: unknown): Error | undefined {
  let found: Error | undefined;
  let cause = thrown;
  for (let depth = 0; cause instanceof Error && depth < 8; depth += 1) {
    if (typeof Reflect.get(cause, 'code') === 'string') found = cause;
    cause = cause.cause;
  }
  return found;
}

function statusError(thrown: APIError, { model, now }: FailedCall): ChatError {
  const { status, requestID, headers } = thrown;
  const code = word(thrown.code) ?? word(thrown.type);
  const details = {
    ...{ status, model },
    ...(code !== undefined && { code }),
    ...(word(thrown.type) !== undefined && { type: thrown.type }),
    ...(word(thrown.param) !== undefined && { param: thrown.param }),
    ...(requestID != null && { requestId: requestID }),
  };
  const { category, name, transient, recovery } = kindOf(status ?? 0, code, thrown.message);
  const retryAfterMs = retryAfter(headers, now);
  return new ChatError(category, name, `The endpoint answered ${thrown.message}`, {
    ...{ stage: 'call', transient, details, retryAfterMs, recovery },
  });
}

interface Kind {
  readonly category: ErrorCategory;
  readonly name: string;
  readonly transient?: boolean;
  readonly recovery?: string;
}

function kindOf(status: number, code: string | undefined, message: string): Kind {
  if (status === 404 || (status >= 400 && MODEL_GONE.has(code ?? ''))) {
    const isModel = MODEL_GONE.has(code ?? '') || /\bmodel\b/i.test(message);
    return {
      ...{ category: 'DEPENDENCY', name: isModel ? 'model_not_found' : 'not_found', transient: false },
      recovery: "Check the agent's model and baseURL.",
    };
  }
  if (NO_CREDIT.has(code ?? '') || status === 402) {
    return {
      ...{ category: 'RATE_LIMIT', name: code ?? 'insufficient_quota', transient: false },
      recovery: 'Add credit to the account of the API key, then retry the failed items.',
    };
  }
  if (status === 429) return { category: 'RATE_LIMIT', name: code ?? 'rate_limited' };
  if (status === 401 || status === 403) {
    return {
      ...{ category: 'AUTHENTICATION', name: code ?? `http_${status}` },
      recovery: "Check the secret that the agent's apiKey names.",
    };
  }
  if (status === 408 || status === 504) return { category: 'TIMEOUT', name: code ?? `http_${status}` };
  // The endpoint's own lock; the client would try it again, too.
  if (status === 409 || status === 425 || status >= 500) return { category: 'NETWORK', name: code ?? `http_${status}` };
  if ([400, 413, 415, 422].includes(status)) return { category: 'VALIDATION', name: code ?? `http_${status}` };
  return { category: 'DEPENDENCY', name: code ?? `http_${status}` };
}

/** `Retry-After` in ms, of the kinds that endpoints send: seconds, a date, or milliseconds under another name. */
function retryAfter(headers: Headers | undefined, now: Date): number | undefined {
  const ms = Number.parseFloat(headers?.get('retry-after-ms') ?? '');
  if (ms >= 0) return ms;
  const text = headers?.get('retry-after') ?? '';
  const seconds = Number.parseFloat(text);
  if (/^\s*[\d.]+\s*$/.test(text) && seconds >= 0) return seconds * 1_000;
  const date = Date.parse(text);
  return Number.isNaN(date) ? undefined : Math.max(date - now.getTime(), 0);
}

/** A short machine word of the endpoint's, or undefined. */
const word = (value: unknown): string | undefined =>
  typeof value === 'string' && /^[\w.:-]{1,100}$/.test(value) ? value : undefined;
