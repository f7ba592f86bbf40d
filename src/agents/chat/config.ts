/** What a chat agent is made of: its endpoint, its model and how its messages are made. */
import { z } from 'zod';
import { ANSWER_TYPES, ATTACH_RULES, CHAT_LIMITS, IMAGE_DETAILS, TOO_LONG_RULES } from '../../domain/chat-rules.ts';
import { jsonProblemMessage, toJsonText } from '../../domain/json.ts';
import { LIMITS } from '../../domain/limits.ts';
import { urlProblem } from '../net/outgoing-url.ts';
import { secretText } from '../secret-text.ts';
import { FIELD_NAMES, MESSAGE_FIELD_NAMES } from './field-names.ts';
import { parseTemplate, TemplateError } from './template.ts';

const { agentConnections, agentHeaders, itemTimeoutMs, jsonDepth, userMessageLength } = LIMITS;

const HEADER_NAME = /^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}$/;
const SCHEMA_NAME = /^[A-Za-z0-9_-]{1,64}$/;
/** Headers that belong to the connection, to the body, or to the call itself. */
const OWN_HEADERS: ReadonlySet<string> = new Set(
  (
    'accept accept-encoding connection content-encoding content-length content-type expect host idempotency-key ' +
    'keep-alive proxy-authorization te trailer transfer-encoding upgrade user-agent'
  ).split(' '),
);
/** What of a request is made from other fields, or would change what kind of answer comes. */
const OWN_BODY_FIELDS: ReadonlySet<string> = new Set(
  (
    'model messages n stream stream_options tools tool_choice functions function_call modalities audio ' +
    'temperature top_p max_tokens max_completion_tokens seed stop response_format reasoning_effort'
  ).split(' '),
);

const word = z
  .string()
  .max(200)
  .regex(/^[\x21-\x7e]+$/, 'must be printable ASCII without spaces');

const template = z
  .string()
  .max(userMessageLength)
  .superRefine((text, ctx) => {
    const problem = templateProblem(text, FIELD_NAMES);
    if (problem !== null) ctx.addIssue({ code: 'custom', message: problem });
  });

/** Why a text cannot be the userMessage of a chat agent's tier; null when it can. */
export const messageProblem = (text: string): string | null => templateProblem(text, MESSAGE_FIELD_NAMES);

function templateProblem(text: string, fields: ReadonlySet<string>): string | null {
  try {
    parseTemplate(text, fields);
    return null;
  } catch (error) {
    if (!(error instanceof TemplateError)) throw error;
    return `is no template: ${error.message}`;
  }
}

const jsonObject = (maxBytes: number) =>
  z.record(z.string(), z.unknown()).superRefine((value, ctx) => {
    const json = toJsonText(value, maxBytes, jsonDepth);
    if (!json.ok) ctx.addIssue({ code: 'custom', message: jsonProblemMessage(json.problem) });
  });

const baseURL = z
  .string()
  .max(2_000)
  .superRefine((text, ctx) => {
    const url = URL.parse(text);
    const problem = url === null ? 'is not a URL' : urlProblem(url);
    if (problem !== null) ctx.addIssue({ code: 'custom', message: problem });
    else if (/[?#]/.test(text)) ctx.addIssue({ code: 'custom', message: 'must have neither a query nor a fragment' });
  });

const header = z.strictObject({
  name: z
    .string()
    .regex(HEADER_NAME, 'is no name of a header')
    .refine((name) => !OWN_HEADERS.has(name.toLowerCase()), 'is set by the service itself'),
  value: secretText,
});

const headers = z
  .array(header)
  .max(agentHeaders)
  .refine(
    (given) => new Set(given.map(({ name }) => name.toLowerCase())).size === given.length,
    'has two headers of one name',
  );

const responseFormat = z
  .strictObject({
    type: z.enum(ANSWER_TYPES),
    schema: jsonObject(CHAT_LIMITS.schemaBytes).nullish(),
    name: z.string().regex(SCHEMA_NAME, 'must be 1 to 64 letters, digits, "_" and "-"').nullish(),
    strict: z.boolean().nullish(),
  })
  .refine(({ type, schema }) => (type === 'JSON_SCHEMA') === (schema != null), {
    message: 'goes with the type JSON_SCHEMA, and that with it',
    path: ['schema'],
  })
  .transform(({ type, schema, name, strict }) =>
    schema == null || type !== 'JSON_SCHEMA'
      ? ({ type: type === 'JSON' ? 'JSON' : 'TEXT' } as const)
      : ({ type, schema, name: name ?? 'answer', strict: strict ?? true } as const),
  );

const orElse = <T, D>(schema: z.ZodType<T>, fallback: D) => schema.nullish().transform((value) => value ?? fallback);

const documents = z.strictObject({
  attach: orElse(z.enum(ATTACH_RULES), 'AUTO'),
  maxLength: orElse(
    z.int().min(CHAT_LIMITS.documentLength.min).max(CHAT_LIMITS.documentLength.max),
    CHAT_LIMITS.documentLength.default,
  ),
  tooLong: orElse(z.enum(TOO_LONG_RULES), 'FAIL'),
  imageDetail: orElse(z.enum(IMAGE_DETAILS), null),
});

const ranged = ({ min, max, default: fallback }: { min: number; max: number; default: number }) =>
  orElse(z.int().min(min).max(max), fallback);

const tokens = orElse(z.int().min(1).max(CHAT_LIMITS.tokens), null);

/** The config of a chat agent, with the defaults for what is absent; null where nothing is sent. */
export const ChatAgentConfig = z
  .strictObject({
    baseURL,
    model: word,
    fallbackModels: orElse(z.array(word).max(CHAT_LIMITS.fallbackModels), []),
    apiKey: orElse(
      secretText.refine(({ secret }) => secret !== undefined, 'must name a secret'),
      null,
    ),
    organization: orElse(word, null),
    headers: orElse(headers, []),
    system: orElse(template, null),
    user: orElse(template, null),
    temperature: orElse(z.number().min(0).max(2), null),
    topP: orElse(z.number().min(0).max(1), null),
    maxTokens: tokens,
    maxCompletionTokens: tokens,
    seed: orElse(z.int(), null),
    stop: orElse(z.array(z.string().min(1).max(CHAT_LIMITS.stopLength)).min(1).max(CHAT_LIMITS.stops), null),
    responseFormat: orElse(responseFormat, { type: 'TEXT' } as const),
    reasoningEffort: orElse(word, null),
    extraBody: orElse(
      jsonObject(CHAT_LIMITS.extraBodyBytes).superRefine((given, ctx) => {
        for (const name of Object.keys(given).filter((key) => OWN_BODY_FIELDS.has(key))) {
          ctx.addIssue({ code: 'custom', message: 'is not set here', path: [name] });
        }
      }),
      {},
    ),
    documents: documents.nullish().transform((rules) => rules ?? documents.parse({})),
    timeoutMs: ranged(itemTimeoutMs),
    connections: ranged(agentConnections),
  })
  .refine(({ maxTokens, maxCompletionTokens }) => maxTokens === null || maxCompletionTokens === null, {
    message: 'is another name of maxCompletionTokens: give one of them',
    path: ['maxTokens'],
  });
export type ChatAgentConfig = z.output<typeof ChatAgentConfig>;

/** The schema in a config, however else that is, that its answers are to fit; with its place. */
export function answerSchemas(config: unknown): readonly { path: readonly string[]; schema: object }[] {
  const { type, schema }: { type?: unknown; schema?: unknown } = Object(Object(config).responseFormat);
  const isGiven = type === 'JSON_SCHEMA' && typeof schema === 'object' && schema !== null;
  return isGiven ? [{ path: ['responseFormat', 'schema'], schema }] : [];
}
