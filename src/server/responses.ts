/** Answers of the plain HTTP routes. */
import type { ServerResponse } from 'node:http';
import type { Refusal } from './request-guard.ts';

/** Sends a value as JSON that no cache keeps. */
export function sendJson(response: ServerResponse, status: number, value: unknown): void {
  const body = JSON.stringify(value);
  response.writeHead(status, {
    'content-type': 'application/json; charset=utf-8',
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    'content-length': Buffer.byteLength(body),
  });
  response.end(body);
}

/** Refuses a request in the form of a GraphQL error; the unread body goes with the connection. */
export function sendRefusal(response: ServerResponse, { status, code, message }: Refusal): void {
  response.setHeader('connection', 'close');
  sendJson(response, status, errorBody(code, message));
}

/** One error in the form that GraphQL clients understand. */
export const errorBody = (code: string, message: string) => ({ errors: [{ message, extensions: { code } }] });
