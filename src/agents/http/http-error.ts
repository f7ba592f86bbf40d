/** Why a call of an endpoint gave no result, in the shape that the engine classifies. */
import { classifyThrown, type ErrorCategory } from '../../domain/item-error.ts';
import type { FieldError } from '../contract.ts';
import type { Redactor } from '../redact.ts';

/** What else there is to say of such an error. */
export interface HttpErrorFacts {
  readonly code: string;
  /** Without one the status decides. */
  readonly category?: ErrorCategory | undefined;
  /** Whether a later attempt may succeed; absent: as the category and the execution's retry rules have it. */
  readonly transient?: boolean | undefined;
  /** The HTTP status, where there was an answer. */
  readonly status?: number | undefined;
  readonly retryAfterMs?: number | undefined;
  readonly fieldErrors?: readonly FieldError[] | undefined;
  /** What was being done: `call` until the answer's head is there, then `answer`. */
  readonly stage: 'call' | 'answer';
}

/** An error of an endpoint, or of the way to it; its fields are the words that the engine goes by. */
export class HttpAgentError extends Error {
  readonly component = 'http';
  readonly code: string;
  readonly stage: string;
  readonly category?: ErrorCategory;
  readonly transient?: boolean;
  readonly status?: number;
  readonly retryAfterMs?: number;
  readonly details?: { readonly status: number; readonly fieldErrors?: readonly FieldError[] };
  constructor(message: string, facts: HttpErrorFacts) {
    super(message);
    this.name = 'HttpAgentError';
    // It would tell the item's owner of this service's files, and nothing of the item.
    delete this.stack;
    const { code, stage, category, transient, status, retryAfterMs, fieldErrors } = facts;
    this.code = code;
    this.stage = stage;
    if (category !== undefined) this.category = category;
    if (transient !== undefined) this.transient = transient;
    if (retryAfterMs !== undefined) this.retryAfterMs = retryAfterMs;
    if (status === undefined) return;
    this.status = status;
    this.details = { status, ...(fieldErrors !== undefined && { fieldErrors }) };
  }
}

/** The error for what a call threw that got no whole answer: a rule refused it, or its connection failed. */
export function connectionError(thrown: unknown, redactor: Redactor): HttpAgentError {
  if (thrown instanceof HttpAgentError) return thrown;
  const { category, code, message, declared } = classifyThrown(thrown);
  return new HttpAgentError(
    redactor.text(declared === false ? message : `The call of the endpoint failed: ${message}`),
    {
      ...{ code, stage: 'call' },
      // What has no word of its own went wrong between here and there.
      category: category === 'RUNTIME' ? 'NETWORK' : category,
      transient: declared ?? undefined,
    },
  );
}
