/** What a chat agent is made of: its endpoint, its model and how its messages are made. */
import { z } from 'zod';
import { jsonProblemMessage, toJsonText } from '../../domain/json.ts';
import { LIMITS } from '../../domain/limits.ts';
import { compileAnswerSchema } from './answer-schema.ts';
import { FIELD_NAMES } from './field-names.ts';
import { parseTemplate, TemplateError } from './template.ts';

/** Limits of chat agents, in characters, bytes or numbers. */
export const CHAT_LIMITS = {
  /** Characters of one message, its templates filled in and its documents attached. */
  messageLength: 4_000_000,
  documentLength: { max: 2_000_000, default: 400_000 },
  /** Bytes of one image, before base64. */
  imageBytes: 20 * 1024 * 1024,
  /** Images of one message. */
  images: 50,
  /** Bytes of the endpoint's answer. */
  answerBytes: 16 * 1024 * 1024,
  schemaBytes: 64 * 1024,
  extraBodyBytes: 64 * 1024,
  headers: 32,
  headerLength: 4_096,
  fallbackModels: 8,
  stops: 16,
} as const;

const SECRET_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/;
const HEADER_NAME = /^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}$/;
const SCHEMA_NAME = /^[A-Za-z0-9_-]{1,64}$/;
/** Headers that belong to the connection, or to the call itself. */
const OWN_HEADERS: ReadonlySet<string> = new Set(
  'connection content-length content-type expect host idempotency-key keep-alive te trailer transfer-encoding upgrade'.split(
    ' ',
  ),
);
/** What of a request is made from other fields, or would change what kind of answer comes. */
const OWN_BODY_FIELDS: ReadonlySet<string> = new Set(
  (
    'model messages n stream stream_options tools tool_choice functions function_call modalities audio ' +
    'temperature top_p max_tokens max_completion_tokens seed stop response_format reasoning_effort'
  ).split(' '),
);

const word = (max: number) =>
  z
    .string()
    .min(1)
    .max(max)
    .regex(/^[\x21-\x7e]+$/, 'must be printable ASCII without spaces');
const modelName = word(200);

const template = z
  .string()
  .max(LIMITS.userMessageLength)
  .superRefine((text, ctx) => {
    try {
      parseTemplate(text, FIELD_NAMES);
    } catch (error) {
      if (!(error instanceof TemplateError)) throw error;
      ctx.addIssue({ code: 'custom', message: `is no template: ${error.message}`, params: { rule: 'template' } });
    }
  });

const bounded = (maxBytes: number) => (value: unknown, ctx: z.RefinementCtx) => {
  const json = toJsonText(value, maxBytes, LIMITS.jsonDepth);
  if (!json.ok)
    ctx.addIssue({ code: 'custom', message: jsonProblemMessage(json.problem), params: { rule: json.problem } });
};

const jsonObject = (maxBytes: number) => z.record(z.string(), z.unknown()).superRefine(bounded(maxBytes));

const answerSchema = jsonObject(CHAT_LIMITS.schemaBytes).superRefine((schema, ctx) => {
  try {
    compileAnswerSchema(schema);
  } catch (error) {
    const message = error instanceof Error ? error.message.slice(0, 500) : 'it cannot be compiled';
    ctx.addIssue({
      code: 'custom',
      message: `is no JSON Schema that can be checked: ${message}`,
      params: { rule: 'schema' },
    });
  }
});

const secretName = z.strictObject({
  /** The name of a secret of the project. */
  secret: z.string().regex(SECRET_NAME, 'must be the name of a secret'),
});

const headers = z
  .record(z.string(), z.union([z.string().max(CHAT_LIMITS.headerLength), secretName]))
  .superRefine((given, ctx) => {
    const names = Object.keys(given);
    if (names.length > CHAT_LIMITS.headers)
      ctx.addIssue({ code: 'custom', message: `has more than ${CHAT_LIMITS.headers} headers` });
    for (const name of names) {
      if (HEADER_NAME.test(name) && !OWN_HEADERS.has(name.toLowerCase())) continue;
      ctx.addIssue({ code: 'custom', message: 'is no header that may be set', path: [name] });
    }
    for (const [name, value] of Object.entries(given)) {
      if (typeof value === 'string' && !/^[\t\x20-\x7e]*$/.test(value))
        ctx.addIssue({ code: 'custom', message: 'must be printable ASCII', path: [name] });
    }
  });

const baseURL = z
  .string()
  .max(2_000)
  .superRefine((text, ctx) => {
    const url = URL.parse(text);
    const say = (message: string): void => ctx.addIssue({ code: 'custom', message, params: { rule: 'url' } });
    if (url === null || !/^https?:$/.test(url.protocol)) return say('must be an http or https URL');
    if (url.username !== '' || url.password !== '') say('must not have a user or password: use apiKey');
    if (url.hash !== '') say('must not have a fragment');
  });

/** How the answer is asked for and read: as text (the default), as any JSON, or as JSON that fits a schema. */
const responseFormat = z.union([
  z.enum(['text', 'json']),
  z.strictObject({
    schema: answerSchema,
    /** What the endpoint calls the schema. */
    name: z.string().regex(SCHEMA_NAME, 'must be 1 to 64 letters, digits, "_" and "-"').default('answer'),
    /** Whether the endpoint is to hold the model to the schema while it writes. */
    strict: z.boolean().default(true),
  }),
]);

const documents = z.strictObject({
  /**
   * AUTO attaches what the messages do not mention: in tier 0 the documents, later the result of the tier before.
   * ALWAYS attaches the documents in every tier, NEVER attaches nothing.
   */
  attach: z.enum(['AUTO', 'ALWAYS', 'NEVER']).default('AUTO'),
  /** Characters of one document. */
  maxLength: z.int().min(1).max(CHAT_LIMITS.documentLength.max).default(CHAT_LIMITS.documentLength.default),
  /** What becomes of a longer document: its item fails, or the rest is left out. */
  tooLong: z.enum(['FAIL', 'CUT']).default('FAIL'),
  /** How closely the model looks at images. */
  imageDetail: z.enum(['auto', 'low', 'high']).optional(),
});

/** The part of a config that a tier may set for itself. */
const perTier = {
  model: modelName,
  /** Template of the system message; absent: none is sent. */
  system: template.optional(),
  temperature: z.number().min(0).max(2).optional(),
  topP: z.number().min(0).max(1).optional(),
  /** `max_tokens`, for endpoints that do not know the newer name. */
  maxTokens: z.int().min(1).max(10_000_000).optional(),
  maxCompletionTokens: z.int().min(1).max(10_000_000).optional(),
  seed: z.int().optional(),
  stop: z.array(z.string().min(1).max(200)).min(1).max(CHAT_LIMITS.stops).optional(),
  responseFormat: responseFormat.optional(),
  reasoningEffort: word(50).optional(),
};

/** The config of a chat agent as a caller writes it, with the defaults of what is absent. */
export const chatAgentConfig = z
  .strictObject({
    ...perTier,
    baseURL,
    /** Sent as a bearer token; absent: no Authorization is sent. */
    apiKey: secretName.optional(),
    organization: word(200).optional(),
    headers: headers.default({}),
    /** Template of the user message; a tier's userMessage takes its place. */
    user: template.optional(),
    /** Tried in order where the endpoint does not have the model, or not now. */
    fallbackModels: z.array(modelName).max(CHAT_LIMITS.fallbackModels).default([]),
    /** For one call, in ms; the item's own timeout ends it too. */
    timeoutMs: z.int().min(1).max(LIMITS.itemTimeoutMs.max).default(LIMITS.itemTimeoutMs.default),
    /** Further fields of the request's body, for what only this endpoint knows. */
    extraBody: jsonObject(CHAT_LIMITS.extraBodyBytes)
      .superRefine((given, ctx) => {
        for (const name of Object.keys(given)) {
          if (OWN_BODY_FIELDS.has(name)) ctx.addIssue({ code: 'custom', message: 'is not set here', path: [name] });
        }
      })
      .default({}),
    documents: documents.prefault({}),
  })
  .refine(({ maxTokens, maxCompletionTokens }) => maxTokens === undefined || maxCompletionTokens === undefined, {
    message: 'takes one of maxTokens and maxCompletionTokens',
    path: ['maxTokens'],
  });

/** A checked config of a chat agent. */
export type ChatAgentConfig = z.output<typeof chatAgentConfig>;

/** What the config of a tier may set in place of its chat agent's own. */
export const chatTierConfig = z.strictObject(perTier).partial();

/** The config with what a tier sets for itself; throws a ZodError when that does not fit. */
export function withTierConfig(config: ChatAgentConfig, tierConfig: unknown): ChatAgentConfig {
  if (tierConfig === null || tierConfig === undefined) return config;
  const own = chatTierConfig.parse(tierConfig);
  const { maxTokens, maxCompletionTokens, ...rest } = config;
  // They are two names of one limit, and an endpoint refuses both together.
  const setsLimit = own.maxTokens !== undefined || own.maxCompletionTokens !== undefined;
  return { ...rest, ...(!setsLimit && { maxTokens, maxCompletionTokens }), ...own, model: own.model ?? config.model };
}
