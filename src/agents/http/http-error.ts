/** Why an endpoint's answer is not a result, in the shape that the engine classifies. */
import type { ErrorCategory } from '../../domain/item-error.ts';
import type { FieldError } from '../contract.ts';

/** What the endpoint told of its error. */
export interface HttpErrorFacts {
  readonly status: number;
  /** The endpoint's own code, else `http_<status>`. */
  readonly code: string;
  readonly category?: ErrorCategory | undefined;
  readonly transient?: boolean | undefined;
  readonly retryAfterMs?: number | undefined;
  readonly fieldErrors?: readonly FieldError[] | undefined;
}

/** An answer that is an error; without a category of its own its status decides. */
export class HttpAgentError extends Error {
  readonly status: number;
  readonly code: string;
  readonly category?: ErrorCategory;
  readonly transient?: boolean;
  readonly retryAfterMs?: number;
  readonly details: { readonly status: number; readonly fieldErrors?: readonly FieldError[] };
  constructor(message: string, facts: HttpErrorFacts) {
    super(message);
    this.name = 'HttpAgentError';
    const { status, code, category, transient, retryAfterMs, fieldErrors } = facts;
    this.status = status;
    this.code = code;
    if (category !== undefined) this.category = category;
    if (transient !== undefined) this.transient = transient;
    if (retryAfterMs !== undefined) this.retryAfterMs = retryAfterMs;
    this.details = { status, ...(fieldErrors !== undefined && { fieldErrors }) };
  }
}
