/** Answers of the plain HTTP routes. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { finished } from 'node:stream/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { ServiceUnavailableError } from '../domain/service-unavailable.ts';
import type { UserError, UserErrorCode } from '../domain/user-error.ts';
import { userErrorToGraphQL } from '../graphql/top-level-errors.ts';
import type { Refusal } from './request-guard.ts';

const LINGER_MS = 1_000;

/** Sends a value as JSON that no cache keeps. */
export function sendJson(response: ServerResponse, status: number, value: unknown): void {
  const body = bodyOf(response, value);
  response.writeHead(status, headersOf(body));
  response.end(body);
}

/** The id that the answer and the log know a request by. */
export const requestIdOf = (response: ServerResponse): string => String(response.getHeader(REQUEST_ID) ?? '');

/** The header that a request's id comes and goes in. */
export const REQUEST_ID = 'x-request-id';

/** The value as JSON; its errors, if it has any, name the request. */
function bodyOf(response: ServerResponse, value: unknown): string {
  if (!hasErrors(value)) return JSON.stringify(value);
  const requestId = requestIdOf(response);
  const errors = value.errors.map((error) => ({ ...error, extensions: { ...error.extensions, requestId } }));
  return JSON.stringify({ ...value, errors });
}

interface WithErrors {
  readonly errors: readonly { readonly extensions?: object }[];
}
const hasErrors = (value: unknown): value is WithErrors =>
  typeof value === 'object' && value !== null && 'errors' in value && Array.isArray(value.errors);

const headersOf = (body: string) => ({
  'content-type': 'application/json; charset=utf-8',
  'cache-control': 'no-store',
  'x-content-type-options': 'nosniff',
  'content-length': Buffer.byteLength(body),
});

/** Refuses a request in the form of a GraphQL error; the unread body goes with the connection. */
export function sendRefusal(response: ServerResponse, { status, code, message }: Refusal): void {
  response.setHeader('connection', 'close');
  sendJson(response, status, errorBody(code, message));
}

/**
 * Answers what a caller caused, with the status that HTTP has for it; `more` goes beside the errors.
 *
 * A caller that is still sending gets a moment to read the answer before the connection goes with what is unread:
 * closed at once, it would be reset, and the answer lost.
 */
export async function sendUserError(
  request: IncomingMessage,
  response: ServerResponse,
  error: UserError,
  more: object = {},
): Promise<void> {
  const { message, extensions } = userErrorToGraphQL(error).toJSON();
  if (error.code === 'UNAUTHENTICATED') response.setHeader('www-authenticate', 'Bearer');
  const body = { errors: [{ message, extensions }], ...more };
  await sendEarly(request, response, USER_ERROR_STATUS[error.code], body);
}

/** Answers before the request was read to its end; resolves when the connection may go. */
export async function sendEarly(
  request: IncomingMessage,
  response: ServerResponse,
  status: number,
  value: object,
): Promise<void> {
  if (request.complete) {
    sendJson(response, status, value);
    return;
  }
  const body = bodyOf(response, value);
  response.setHeader('connection', 'close');
  response.writeHead(status, headersOf(body));
  response.write(body);
  request.resume();
  await Promise.race([finished(request).catch(() => undefined), delay(LINGER_MS, undefined, { ref: false })]);
  response.end();
}

const USER_ERROR_STATUS: { readonly [code in UserErrorCode]: number } = {
  UNAUTHENTICATED: 401,
  FORBIDDEN: 403,
  NOT_FOUND: 404,
  INVALID_STATE: 409,
  IDEMPOTENCY_CONFLICT: 409,
  ALREADY_EXISTS: 409,
  VERSION_CONFLICT: 409,
  VALIDATION_FAILED: 422,
  LIMIT_EXCEEDED: 429,
};

/** The status for an error that no caller caused. */
export const statusOf = (error: unknown): 500 | 503 => (error instanceof ServiceUnavailableError ? 503 : 500);

/** One error in the form that GraphQL clients understand. */
export const errorBody = (code: string, message: string) => ({ errors: [{ message, extensions: { code } }] });
