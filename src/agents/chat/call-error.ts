/** From what a call of the client throws to a ChatError with the category that the engine goes by. */
import { APIConnectionError, APIConnectionTimeoutError, APIError, APIUserAbortError } from 'openai';
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

/**
 * The error for what was thrown while `model` was called; a ChatError stays as it is.
 *
 * `timeoutMs` is told where the call ran out of time.
 */
export function callError(thrown: unknown, model: string, timeoutMs: number): ChatError {
  if (thrown instanceof ChatError) return thrown;
  if (thrown instanceof APIConnectionTimeoutError || thrown instanceof APIUserAbortError) return timedOut(timeoutMs);
  if (thrown instanceof APIConnectionError) return connectionError(thrown);
  if (thrown instanceof APIError) return statusError(thrown, model);
  if (thrown instanceof SyntaxError) {
    return new ChatError('DEPENDENCY', 'bad_completion', "The endpoint's answer is not JSON.", { stage: 'answer' });
  }
  return connectionError(thrown);
}

/** Whether another model of the same endpoint may do instead: this one is not there, or not now. */
export const modelUnavailable = ({ code, details }: ChatError): boolean =>
  code === 'model_not_found' || [503, 529].includes(statusIn(details));

const statusIn = (details: unknown): number =>
  typeof details === 'object' && details !== null ? Number(Reflect.get(details, 'status')) : Number.NaN;

const timedOut = (timeoutMs: number): ChatError =>
  new ChatError('TIMEOUT', 'timeout', `The endpoint took longer than ${timeoutMs} ms.`, {
    stage: 'call',
    recovery: "Give it more time with the agent's timeoutMs, or ask for a shorter answer.",
  });

/** The client wraps what fetch throws; the cause says whether the guard refused, or what became of the connection. */
function connectionError(thrown: unknown): ChatError {
  const causes = causesOf(thrown);
  const own = causes.find((cause) => cause instanceof ChatError);
  if (own !== undefined) return own;
  const told = causes.map(classifyThrown).find(({ category }) => category !== 'RUNTIME');
  if (told === undefined) {
    return new ChatError('NETWORK', 'connection_failed', 'The connection to the endpoint failed.', { stage: 'call' });
  }
  return new ChatError(told.category, told.code, told.message, {
    stage: 'call',
    transient: told.declared ?? undefined,
    recovery: told.recovery ?? undefined,
  });
}

/** The thrown value's causes, innermost first, and itself. */
function causesOf(thrown: unknown): readonly unknown[] {
  const causes: unknown[] = [];
  for (let cause = thrown; cause instanceof Error && causes.length < 8; cause = cause.cause) causes.unshift(cause);
  return causes;
}

function statusError(thrown: APIError, model: string): ChatError {
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
  const retryAfterMs = retryAfter(headers);
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
function retryAfter(headers: Headers | undefined): number | undefined {
  const ms = Number.parseFloat(headers?.get('retry-after-ms') ?? '');
  if (ms >= 0) return ms;
  const text = headers?.get('retry-after') ?? '';
  const seconds = Number.parseFloat(text);
  if (/^\s*[\d.]+\s*$/.test(text) && seconds >= 0) return seconds * 1_000;
  const date = Date.parse(text);
  return Number.isNaN(date) ? undefined : Math.max(date - Date.now(), 0);
}

/** A short machine word of the endpoint's, or undefined. */
const word = (value: unknown): string | undefined =>
  typeof value === 'string' && /^[\w.:-]{1,100}$/.test(value) ? value : undefined;
