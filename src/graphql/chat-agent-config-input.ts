/** The config that a chat agent is stored with. */
import {
  type ANSWER_TYPES,
  type ATTACH_RULES,
  CHAT_LIMITS,
  type IMAGE_DETAILS,
  type TOO_LONG_RULES,
} from '../domain/chat-rules.ts';
import { LIMITS } from '../domain/limits.ts';
import { AgentHeaderInput, SecretTextInput } from './agent-header-input.ts';
import { builder } from './builder.ts';

const { agentConnections, agentHeaders, itemTimeoutMs, userMessageLength } = LIMITS;
const { documentLength, extraBodyBytes, fallbackModels, schemaBytes, stopLength, stops, tokens } = CHAT_LIMITS;

const ChatAnswerType = builder.enumType('ChatAnswerType', {
  description: "The form of a model's answer.",
  values: {
    TEXT: { description: 'The result is the answer as a text.' },
    JSON: { description: 'The answer is asked for as JSON of any shape, and the result is its value.' },
    JSON_SCHEMA: {
      description: 'The answer is asked for as JSON that fits a schema, and one that does not fit fails the item.',
    },
  } satisfies { [type in (typeof ANSWER_TYPES)[number]]: { description: string } },
});

const ChatResponseFormatInput = builder.inputType('ChatResponseFormatInput', {
  description:
    'How the answer is asked for and read. JSON may come bare or as the only thing in one Markdown fence; any other text around it fails the item with `answer_not_json`.',
  fields: (t) => ({
    type: t.field({ type: ChatAnswerType, required: true, description: 'The form.' }),
    schema: t.field({
      type: 'JSON',
      description: `JSON_SCHEMA only, and required there: the JSON Schema, at most ${schemaBytes} bytes. What an answer misses is in the item's \`fieldErrors\`.`,
    }),
    name: t.string({
      description: 'What the endpoint calls the schema: 1-64 of letters, digits, "_" and "-"; `answer` by default.',
    }),
    strict: t.boolean({
      description: 'Whether the endpoint is to hold the model to the schema while it writes; true by default.',
    }),
  }),
});

const ChatAttachRule = builder.enumType('ChatAttachRule', {
  description: 'What is attached to the user message.',
  values: {
    AUTO: {
      description:
        'What the messages do not mention themselves: in tier 0 the documents, in later tiers the result of the tier before. Images are never mentioned, so tier 0 attaches them always.',
    },
    ALWAYS: { description: 'As AUTO, and the documents in every tier.' },
    NEVER: { description: 'Nothing.' },
  } satisfies { [rule in (typeof ATTACH_RULES)[number]]: { description: string } },
});

const ChatTooLongRule = builder.enumType('ChatTooLongRule', {
  description: 'What becomes of a document that is too long.',
  values: {
    FAIL: { description: 'The item fails with `document_too_long`.' },
    CUT: { description: 'Its end is left out.' },
  } satisfies { [rule in (typeof TOO_LONG_RULES)[number]]: { description: string } },
});

const ChatImageDetail = builder.enumType('ChatImageDetail', {
  description: 'How closely a model looks at images.',
  values: {
    AUTO: { description: 'As the endpoint chooses.' },
    LOW: { description: 'At a small size, for few tokens.' },
    HIGH: { description: 'In detail.' },
  } satisfies { [detail in (typeof IMAGE_DETAILS)[number]]: { description: string } },
});

const ChatDocumentsInput = builder.inputType('ChatDocumentsInput', {
  description: `How an item's documents go into the message: text in UTF-8 as it is, \`image/*\` as data URLs (at most ${CHAT_LIMITS.images}, of ${CHAT_LIMITS.imageBytes} bytes each); another document fails the item with \`unsupported_document\`.`,
  fields: (t) => ({
    attach: t.field({
      type: ChatAttachRule,
      defaultValue: 'AUTO',
      description: 'What is attached to the user message.',
    }),
    maxLength: t.int({
      defaultValue: documentLength.default,
      description: `Characters of one document, ${documentLength.min}-${documentLength.max}.`,
    }),
    tooLong: t.field({ type: ChatTooLongRule, defaultValue: 'FAIL', description: 'What becomes of a longer one.' }),
    imageDetail: t.field({
      type: ChatImageDetail,
      description: 'How closely images are looked at; not sent by default.',
    }),
  }),
});

const TEMPLATE = `a Mustache template of at most ${userMessageLength} characters, see \`docs/chat-agents.md\``;

export const ChatAgentConfigInput = builder.inputType('ChatAgentConfigInput', {
  description:
    "A chat model behind any endpoint of the OpenAI API's shape: one chat completion for every item. See `docs/chat-agents.md`.",
  fields: (t) => ({
    baseURL: t.string({
      required: true,
      description:
        'Where the API is, such as `https://api.openai.com/v1`, https, at most 2000 characters. Private addresses and plain http are refused when it is called, except for what the operator allows by BATCHYARD_ALLOW_PRIVATE_HOSTS.',
    }),
    model: t.string({ required: true, description: 'The model, at most 200 characters.' }),
    fallbackModels: t.stringList({
      description: `Models that are asked in order where the endpoint does not have the model (404 or a code that says so) or not now (503, 529); at most ${fallbackModels}.`,
    }),
    apiKey: t.field({
      type: SecretTextInput,
      description: 'The secret that is sent as a bearer token; none is sent by default. It must name a secret.',
    }),
    organization: t.string({ description: 'The `OpenAI-Organization` header, at most 200 characters.' }),
    headers: t.field({ type: [AgentHeaderInput], description: `Headers for every call, at most ${agentHeaders}.` }),
    system: t.string({ description: `The system message, ${TEMPLATE}; none by default.` }),
    user: t.string({
      description: `The user message, ${TEMPLATE}. A tier's \`userMessage\`, a template too, takes its place, or goes where \`{{userMessage}}\` is in \`user\` or \`system\`.`,
    }),
    temperature: t.float({ description: 'The sampling temperature, 0-2; not sent by default.' }),
    topP: t.float({ description: 'The share of nucleus sampling, 0-1; not sent by default.' }),
    maxTokens: t.int({
      description: `\`max_tokens\`, for endpoints that do not know the newer name, 1-${tokens}; not together with maxCompletionTokens.`,
    }),
    maxCompletionTokens: t.int({
      description: `The tokens of an answer, its reasoning included, 1-${tokens}; an answer that is cut fails its item with \`answer_cut\`.`,
    }),
    seed: t.int({
      description: 'For the same answer to the same message, where the endpoint can; not sent by default.',
    }),
    stop: t.stringList({
      description: `Texts at which the answer ends, at most ${stops} of ${stopLength} characters.`,
    }),
    responseFormat: t.field({
      type: ChatResponseFormatInput,
      description: 'How the answer is read; as a text by default.',
    }),
    reasoningEffort: t.string({
      description: "The endpoint's word for how much is to be thought, such as `low`; not sent by default.",
    }),
    extraBody: t.field({
      type: 'JSON',
      description: `An object of further fields of the request's body, for what only this endpoint knows, at most ${extraBodyBytes} bytes; no field that is made from another setting.`,
    }),
    documents: t.field({ type: ChatDocumentsInput, description: 'How documents go into the message.' }),
    timeoutMs: t.int({
      defaultValue: itemTimeoutMs.default,
      description: `How long one call may take, in ms, ${itemTimeoutMs.min}-${itemTimeoutMs.max}; the item's timeout may end it before.`,
    }),
    connections: t.int({
      defaultValue: agentConnections.default,
      description: `Connections that one node keeps to the endpoint, ${agentConnections.min}-${agentConnections.max}; further calls wait for one.`,
    }),
  }),
});
