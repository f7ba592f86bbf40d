/** What is refused before a request's body is read: foreign host names, other origins, bodies of no known size. */
import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';
import { LIMITS } from '../domain/limits.ts';
import type { TopLevelCode } from '../graphql/top-level-errors.ts';

/** Why a request is not served, as its HTTP answer. */
export interface Refusal {
  readonly status: number;
  readonly code: TopLevelCode;
  readonly message: string;
}

/** Host names and origins that the service answers to. */
export interface AllowedNames {
  readonly host: string;
  readonly allowedHosts: readonly string[];
  readonly allowedOrigins: readonly string[];
}

const WITH_BODY = new Set(['POST', 'PUT', 'PATCH']);

/**
 * Refuses a `Host` that is not ours, or null.
 *
 * A page anywhere can point its own name at this machine and then read what it answers (DNS rebinding); it cannot
 * do so with an IP address or with localhost, which are always taken.
 */
export function refuseHost(request: IncomingMessage, names: AllowedNames): Refusal | null {
  const name = hostName(request.headers.host);
  const allowed = ['localhost', names.host, ...names.allowedHosts].map((host) => host.toLowerCase());
  if (name !== null && (isIP(name) !== 0 || allowed.includes(name) || name.endsWith('.localhost'))) return null;
  const message = 'This service does not go by that host name. Add it to BATCHYARD_ALLOWED_HOSTS if it should.';
  return { status: 421, code: 'FORBIDDEN', message };
}

/** Refuses a browser page of another origin that is not on the list, or null; programs send no `Origin`. */
export function refuseOrigin(request: IncomingMessage, names: AllowedNames): Refusal | null {
  const { origin, host } = request.headers;
  if (origin === undefined || names.allowedOrigins.includes(origin)) return null;
  if (URL.parse(origin)?.host === host?.toLowerCase()) return null;
  const message = 'Pages of that origin may not use this service. Add it to BATCHYARD_ALLOWED_ORIGINS if they should.';
  return { status: 403, code: 'FORBIDDEN', message };
}

/** Refuses a body that is too large, of unstated length or not JSON, or null. Node holds bodies to their stated length. */
export function refuseBody(request: IncomingMessage): Refusal | null {
  if (!WITH_BODY.has(request.method ?? '')) return null;
  const length = request.headers['content-length'];
  if (length === undefined) {
    return { status: 411, code: 'BAD_USER_INPUT', message: 'The request needs a Content-Length header.' };
  }
  if (Number(length) > LIMITS.requestBytes) {
    return {
      status: 413,
      code: 'LIMIT_EXCEEDED',
      message: `The request body may have at most ${LIMITS.requestBytes} bytes.`,
    };
  }
  // Forms and plain text are what a page of another origin can send without being asked.
  if (!/^application\/(json|graphql-response\+json)\s*(;|$)/i.test(request.headers['content-type'] ?? '')) {
    return { status: 415, code: 'BAD_USER_INPUT', message: 'The request body must be application/json.' };
  }
  return null;
}

/** Refuses a body that is no plain stream of JSON lines, or null. It may be of any length, and of none that is stated. */
export function refuseLines(request: IncomingMessage): Refusal | null {
  const { 'content-type': type = '', 'content-encoding': encoding = 'identity' } = request.headers;
  if (!/^application\/(x-ndjson|ndjson|jsonl|x-jsonlines)\s*(;|$)/i.test(type)) {
    return { status: 415, code: 'BAD_USER_INPUT', message: 'The request body must be application/x-ndjson.' };
  }
  if (encoding !== 'identity') {
    return { status: 415, code: 'BAD_USER_INPUT', message: 'The request body must not be compressed.' };
  }
  return null;
}

/** The host name without port and brackets, in lower case; null when there is none. */
function hostName(host: string | undefined): string | null {
  const url = host === undefined ? null : URL.parse(`http://${host}`);
  if (url === null || url.username !== '' || url.pathname !== '/' || url.search !== '') return null;
  return url.hostname.replace(/^\[(.*)\]$/, '$1').toLowerCase();
}
