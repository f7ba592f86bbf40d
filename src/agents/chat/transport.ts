/**
 * What lies between the client and the guarded fetch: only the headers that are meant go out, answers are bounded,
 * and no secret that an endpoint repeats comes back.
 */

import { CHAT_LIMITS } from '../../domain/chat-rules.ts';
import { readBody } from '../net/read-body.ts';
import type { SafeFetch } from '../net/safe-fetch.ts';
import type { Redactor } from '../redact.ts';

/** Headers of the answer that are looked at. */
const ANSWER_HEADERS = ['retry-after', 'retry-after-ms', 'x-request-id'] as const;

/** A fetch as the client calls it. */
export type ClientFetch = (url: string | URL | Request, init?: RequestInit) => Promise<Response>;

/**
 * A fetch for the client.
 *
 * `sent` are all headers that go out: the client has some of its own that tell of this machine, and takes more from
 * the environment, which belongs to the operator. Throws OutgoingError when an answer is longer than
 * `CHAT_LIMITS.answerBytes`.
 */
export function transport(fetch: SafeFetch, sent: Headers, redactor: Redactor): ClientFetch {
  return async (url, init = {}) => {
    if (url instanceof Request || (init.body != null && typeof init.body !== 'string')) {
      throw new TypeError('The client made a request of another kind than before.');
    }
    const { method, body: asked = null, signal = null } = init;
    const response = await fetch(url, { method, headers: sent, body: asked, signal });
    // Decoded so, it comes without the byte order mark that some servers write.
    const text = new TextDecoder().decode(await readBody(response, CHAT_LIMITS.answerBytes));
    const body = redacted(text, redactor);
    const answer = response.ok ? body : asApiError(body);
    const kept = ANSWER_HEADERS.flatMap((name): [string, string][] => {
      const value = response.headers.get(name);
      return value === null ? [] : [[name, redactor.text(value)]];
    });
    // These have no body, and a Response that is given one throws.
    const bare = [204, 205, 304].includes(response.status);
    // What is no JSON is found out by parsing it; servers call theirs by many names.
    const headers: [string, string][] = [['content-type', 'application/json'], ...kept];
    return new Response(bare ? null : answer, { status: response.status, headers });
  };
}

/** The body without secrets, which JSON may write in escapes. */
function redacted(body: string, redactor: Redactor): string {
  try {
    return redactor.text(JSON.stringify(redactor.json(JSON.parse(body))));
  } catch {
    return redactor.text(body);
  }
}

/** An error's body in the API's shape; gateways have their own, whose words the client would drop. */
function asApiError(body: string): string {
  let parsed: unknown;
  try {
    parsed = JSON.parse(body);
  } catch {
    return body;
  }
  if (typeof parsed !== 'object' || parsed === null || typeof Reflect.get(parsed, 'error') === 'object') return body;
  const words = ['error', 'message', 'detail'].map((key): unknown => Reflect.get(parsed, key));
  const message = words.find((word) => typeof word === 'string') ?? body;
  return JSON.stringify({ error: { message, type: Reflect.get(parsed, 'type'), code: Reflect.get(parsed, 'code') } });
}
