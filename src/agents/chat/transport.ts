/**
 * What lies between the client and the guarded fetch: only the headers that are meant go out, answers are bounded,
 * and no secret that an endpoint repeats comes back.
 */
import { ChatError } from './chat-error.ts';
import { CHAT_LIMITS } from './config.ts';

/** An HTTP call, made by the guard. */
export type Fetch = (url: string | URL | Request, init?: RequestInit) => Promise<Response>;

/** What stands in an answer in place of a secret. */
const REDACTED = '[secret]';
/** A shorter secret would be found in ordinary words. */
const SHORTEST_SECRET = 4;
/** Headers of the answer that are looked at. */
const ANSWER_HEADERS = ['content-type', 'retry-after', 'retry-after-ms', 'x-request-id', 'x-should-retry'] as const;

/** What is not to be seen in anything that comes back. */
export type Redact = (text: string) => string;

/** Takes these secrets out of texts, also where they are written as in JSON. */
export function redactor(secrets: readonly string[]): Redact {
  const written = secrets
    .filter((secret) => secret.length >= SHORTEST_SECRET)
    .flatMap((secret) => [secret, JSON.stringify(secret).slice(1, -1)]);
  return (text) => written.reduce((left, secret) => left.replaceAll(secret, REDACTED), text);
}

/**
 * A fetch for the client.
 *
 * `headers` is everything that is sent beside the content type: the client has headers of its own that tell of this
 * machine, and takes more from the environment, which belongs to the operator. Throws a ChatError when an answer is
 * longer than `CHAT_LIMITS.answerBytes`.
 */
export function transport(fetch: Fetch, headers: Readonly<Record<string, string>>, redact: Redact): Fetch {
  return async (url, init = {}) => {
    const sent = { accept: 'application/json', 'content-type': 'application/json', ...headers };
    const response = await fetch(url, { ...init, headers: sent });
    const text = redact(await readBounded(response));
    const kept = ANSWER_HEADERS.flatMap((name): [string, string][] => {
      const value = response.headers.get(name);
      return value === null ? [] : [[name, redact(value)]];
    });
    const body = response.status === 204 || response.status === 304 ? null : text;
    return new Response(body, { status: response.status, headers: kept });
  };
}

async function readBounded(response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  // A stream that is left early is cancelled, and its connection with it.
  for await (const chunk of response.body ?? []) {
    length += chunk.byteLength;
    if (length > CHAT_LIMITS.answerBytes) {
      throw new ChatError(
        'VALIDATION',
        'answer_too_large',
        `The endpoint's answer is longer than ${CHAT_LIMITS.answerBytes} bytes.`,
        { stage: 'answer' },
      );
    }
    chunks.push(chunk);
  }
  return new TextDecoder().decode(Buffer.concat(chunks));
}
