/** What browsers are told about the plain HTTP routes, as Yoga tells them about GraphQL. */
import type { IncomingMessage, ServerResponse } from 'node:http';

/** Headers that a page may read beside those that every page may. */
export const EXPOSED_HEADERS = ['x-request-id', 'x-batch-execution-status', 'content-disposition', 'retry-after'];

const METHODS = 'GET, HEAD, POST, PUT, OPTIONS';

/**
 * Lets the pages of an allowed origin read the answer; `true` when the request was a browser's question whether it
 * may send another, which is answered with that.
 */
export function answerCors(
  request: IncomingMessage,
  response: ServerResponse,
  allowedOrigins: readonly string[],
): boolean {
  if (allowedOrigins.length === 0) return false;
  const { origin, 'access-control-request-headers': wanted } = request.headers;
  response.setHeader('vary', 'origin');
  if (origin !== undefined && allowedOrigins.includes(origin)) {
    response.setHeader('access-control-allow-origin', origin);
    response.setHeader('access-control-expose-headers', EXPOSED_HEADERS.join(', '));
  }
  if (request.method !== 'OPTIONS') return false;
  response.setHeader('access-control-allow-methods', METHODS);
  if (wanted !== undefined) {
    response.setHeader('access-control-allow-headers', wanted);
    response.setHeader('vary', 'origin, access-control-request-headers');
  }
  response.writeHead(204, { 'content-length': 0 });
  response.end();
  return true;
}
