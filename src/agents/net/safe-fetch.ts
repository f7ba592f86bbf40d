/** A fetch that goes to allowed addresses only, and follows redirects without taking secrets along. */
import { type Dispatcher, fetch } from 'undici';
import { OutgoingError, unwrapped } from './outgoing-error.ts';
import { checkedUrl, urlProblem } from './outgoing-url.ts';

/** What a call may say; a subset of fetch's. A body is a text or bytes, so that a redirect can repeat it. */
export interface SafeRequest {
  readonly method?: string | undefined;
  readonly headers?: HeadersInit | undefined;
  readonly body?: string | Uint8Array<ArrayBuffer> | null | undefined;
  readonly signal?: AbortSignal | null | undefined;
}

/**
 * Like `fetch`, for http and https, with at most a stated number of redirects.
 *
 * Throws OutgoingError for what a rule refuses, the connection's own error (with its `code`) where it fails, and the
 * signal's reason where it is aborted.
 */
export type SafeFetch = (url: string | URL, request?: SafeRequest) => Promise<Response>;

const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);
/** What may be sent to another origin than the one that it was meant for: no agent's config can set these. */
const HARMLESS: ReadonlySet<string> = new Set(['content-type', 'idempotency-key']);

/** A fetch over a guarded pool. */
export function createSafeFetch(dispatcher: Dispatcher, maxRedirects: number): SafeFetch {
  return async (first, request = {}) => {
    let url = checkedUrl(first);
    let call = {
      method: request.method ?? 'GET',
      body: request.body ?? null,
      headers: new Headers(request.headers),
    };
    for (let redirects = 0; ; redirects += 1) {
      const response = await send(dispatcher, url, call, request.signal ?? null);
      const location = REDIRECTS.has(response.status) ? response.headers.get('location') : null;
      if (location === null) return response;
      // Read to its end it would cost; left open it would keep the connection.
      await response.body?.cancel();
      if (redirects === maxRedirects)
        throw new OutgoingError('too_many_redirects', `There were more than ${maxRedirects} redirects.`);
      const next = redirectTarget(location, url);
      call = { ...followUp(call, response.status), headers: headersFor(call.headers, url, next) };
      url = next;
    }
  };
}

type Call = { method: string; body: string | Uint8Array<ArrayBuffer> | null; headers: Headers };

async function send(dispatcher: Dispatcher, url: URL, call: Call, signal: AbortSignal | null): Promise<Response> {
  try {
    const response = await fetch(url, { ...call, headers: [...call.headers], redirect: 'manual', signal, dispatcher });
    // The same thing as Node's own, of the copy whose pools we may bring; only the iterator's type is older.
    return response as unknown as Response;
  } catch (error) {
    throw unwrapped(error);
  }
}

function redirectTarget(location: string, from: URL): URL {
  const next = URL.parse(location, from);
  const problem = next === null ? 'leads to no URL' : urlProblem(next);
  if (next === null || problem !== null)
    throw new OutgoingError('redirect_refused', `The endpoint redirects to a URL that ${problem}.`);
  return next;
}

/** As fetch has it: 303 asks for a GET, and so do 301 and 302 after a POST; 307 and 308 repeat the call. */
function followUp({ method, body }: Call, status: number): Omit<Call, 'headers'> {
  const becomesGet = status === 303 ? method !== 'HEAD' : status < 303 && method === 'POST';
  return becomesGet ? { method: 'GET', body: null } : { method, body };
}

function headersFor(headers: Headers, from: URL, next: URL): Headers {
  if (next.origin === from.origin) return headers;
  const kept = [...headers].filter(([name]) => HARMLESS.has(name));
  return new Headers([...kept, ['accept', '*/*'], ['user-agent', 'batchyard']]);
}
