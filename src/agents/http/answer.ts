/** Reads what an endpoint answered: the item's result, or its error. */
import { extension } from 'mime-types';
import { readBody, readStart } from '../net/read-body.ts';
import { retryAfterMs } from '../net/retry-after.ts';
import type { Redactor } from '../redact.ts';
import type { HttpAgentConfig } from './config.ts';
import { type ErrorBody, readErrorBody } from './error-body.ts';
import { HttpAgentError } from './http-error.ts';
import { isJsonType } from './request-body.ts';

/** What reading an answer takes. */
export interface AnswerReader {
  readonly config: Pick<HttpAgentConfig, 'graphql' | 'maxResponseBytes'>;
  readonly redactor: Redactor;
  readonly now: () => Date;
}

/** Of an error's body no more is read. */
const ERROR_BYTES = 64 * 1024;
const SHOWN_LENGTH = 500;
const TEXT_TYPE = /^(?:text\/|application\/(?:xml|javascript|yaml|toml|x-www-form-urlencoded)|[^;]+\+xml)/i;

/**
 * What the agent's run returns for a 2xx answer: the JSON, the text, or an artifact of any other type.
 *
 * Throws HttpAgentError for other answers, and for JSON that is none. No secret of the call is in either.
 */
export async function readAnswer(response: Response, reader: AnswerReader): Promise<unknown> {
  if (!response.ok) throw await errorOf(response, reader);
  const { config, redactor } = reader;
  const bytes = await readBody(response, config.maxResponseBytes);
  const mediaType = response.headers.get('content-type') ?? '';
  if (config.graphql !== null) return graphqlData(redactor.json(parsed(bytes, response.status)), response.status);
  if (bytes.byteLength === 0) return null;
  if (isJsonType(mediaType)) return redactor.json(parsed(bytes, response.status));
  const isText = mediaType === '' || TEXT_TYPE.test(mediaType);
  if (isText) return redactor.text(decoded(bytes, mediaType));
  const type = mediaType.split(';')[0]?.trim() ?? mediaType;
  return {
    data: null,
    artifacts: [{ filename: `answer.${extension(type) || 'bin'}`, mediaType: type, content: redactor.bytes(bytes) }],
  };
}

function parsed(bytes: Buffer, status: number): unknown {
  try {
    // Unlike `toString` it drops a byte order mark, which some servers write.
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    throw new HttpAgentError('The endpoint answered with JSON that cannot be read.', {
      ...{ status, code: 'answer_not_json', category: 'VALIDATION', stage: 'answer' },
    });
  }
}

/** The text in the charset that the media type names, UTF-8 by default. */
function decoded(bytes: Buffer, mediaType: string): string {
  const charset = /;\s*charset="?([^";\s]+)/i.exec(mediaType)?.[1] ?? 'utf-8';
  try {
    return new TextDecoder(charset).decode(bytes);
  } catch {
    return bytes.toString('utf8');
  }
}

/** The `data` of a GraphQL answer; any of its errors is the item's. */
function graphqlData(answer: unknown, status: number): unknown {
  const { data, errors } = Object(answer);
  const [first] = Array.isArray(errors) ? errors : [];
  if (first === undefined && data !== undefined) return data;
  if (first === undefined) {
    throw new HttpAgentError('The endpoint answered with neither data nor errors, as GraphQL has them.', {
      ...{ status, code: 'answer_not_graphql', category: 'DEPENDENCY', stage: 'answer' },
    });
  }
  const { message, extensions } = Object(first);
  throw new HttpAgentError(`The endpoint answered with a GraphQL error: ${clipped(String(message))}`, {
    ...{ status, code: String(Object(extensions).code ?? 'graphql_error'), category: 'RUNTIME', stage: 'answer' },
  });
}

async function errorOf(response: Response, { redactor, now }: AnswerReader): Promise<HttpAgentError> {
  const { status } = response;
  const text = decoded(await readStart(response, ERROR_BYTES), response.headers.get('content-type') ?? '');
  const { body, shown } = bodyOf(text, redactor);
  const said = body.message ?? shown.replaceAll(/\s+/g, ' ').trim();
  return new HttpAgentError(`The endpoint answered ${status}${said === '' ? '.' : `: ${clipped(said)}`}`, {
    ...{ status, stage: 'answer' },
    code: body.code ?? `http_${status}`,
    // Below 400 there is no rule by status: the endpoint redirects nowhere, or answers what nobody asked.
    category: body.category ?? (status < 400 ? 'DEPENDENCY' : undefined),
    transient: body.transient,
    retryAfterMs: retryAfterMs(response.headers, now()) ?? undefined,
    fieldErrors: body.fieldErrors,
  });
}

/** What the body says, and its text, without secrets: JSON can write one in escapes that its text does not show. */
function bodyOf(text: string, redactor: Redactor): { readonly body: ErrorBody; readonly shown: string } {
  try {
    const json = redactor.json(JSON.parse(text));
    return { body: readErrorBody(json), shown: redactor.text(JSON.stringify(json)) };
  } catch {
    return { body: {}, shown: redactor.text(text) };
  }
}

const clipped = (text: string): string => (text.length > SHOWN_LENGTH ? `${text.slice(0, SHOWN_LENGTH)}…` : text);
