/** Why a call of another host was not made, or not followed to its end; as an item's error it says so. */
import type { ErrorCategory } from '../../domain/item-error.ts';

export const OUTGOING_ERRORS = {
  address_refused: 'DEPENDENCY',
  plain_http_refused: 'DEPENDENCY',
  url_refused: 'VALIDATION',
  redirect_refused: 'DEPENDENCY',
  too_many_redirects: 'DEPENDENCY',
  response_too_large: 'VALIDATION',
  request_too_large: 'VALIDATION',
} as const satisfies Record<string, ErrorCategory>;
export type OutgoingErrorCode = keyof typeof OUTGOING_ERRORS;

/** Thrown by the guarded fetch; permanent, for the rule that refused the call is the same the next time. */
export class OutgoingError extends Error {
  readonly code: OutgoingErrorCode;
  readonly category: ErrorCategory;
  readonly transient = false;
  constructor(code: OutgoingErrorCode, message: string) {
    super(message);
    this.name = 'OutgoingError';
    // It would tell the item's owner of this service's files, and nothing of the item.
    delete this.stack;
    this.code = code;
    this.category = OUTGOING_ERRORS[code];
  }
}

/**
 * What really went wrong with a call: fetch hides it behind "fetch failed" and "terminated".
 *
 * The cause keeps its `code` (ECONNREFUSED, UND_ERR_HEADERS_TIMEOUT, …), by which it is classified.
 */
export function unwrapped(error: unknown): unknown {
  const hides = error instanceof TypeError && (error.message === 'fetch failed' || error.message === 'terminated');
  const cause = hides && error.cause instanceof Error ? error.cause : error;
  // Fetch has a list of ports that belong to other protocols.
  if (cause instanceof Error && cause.message === 'bad port')
    return new OutgoingError('url_refused', 'The port of the URL belongs to another protocol, and is not called.');
  // Of several addresses that were tried, the first that failed tells as much as all.
  return cause instanceof AggregateError && cause.errors[0] instanceof Error ? cause.errors[0] : cause;
}
