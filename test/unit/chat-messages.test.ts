import { expect, test } from 'vitest';
import { ChatAgentConfig } from '../../src/agents/chat/config.ts';
import { messageMaker } from '../../src/agents/chat/messages.ts';
import type { AgentContext, AgentDocument } from '../../src/domain/agent-context.ts';
import { CHAT_LIMITS } from '../../src/domain/chat-rules.ts';
import { LIMITS } from '../../src/domain/limits.ts';

const BASE = { baseURL: 'https://llm.example/v1', model: 'tiny' };

const documentOf = (filename: string, mediaType: string, content: string | Uint8Array): AgentDocument => {
  const bytes = Buffer.from(content);
  return {
    ...{ filename, mediaType },
    bytes: () => Promise.resolve(bytes),
    text: () => Promise.resolve(bytes.toString()),
    json: () => Promise.resolve(JSON.parse(bytes.toString())),
  };
};

function contextOf(documents: readonly AgentDocument[], parts: Partial<AgentContext> = {}): AgentContext {
  const none = () => Promise.reject(new Error('is not asked'));
  return {
    item: {
      ...{ ordinal: 3, dataElementId: 'el-3', filename: 'a.txt', mediaType: 'text/plain', metadata: { lang: 'de' } },
      ...{ documents, text: none, bytes: none, json: none, exists: none },
    },
    ...{ previous: null, userMessage: null, config: {}, tier: 0, round: 0, attempt: 1 },
    ...{ signal: new AbortController().signal, idempotencyKey: 'k', log: () => undefined },
    ...parts,
  };
}

const text = documentOf('a.txt', 'text/plain', 'Guten Tag');
const image = documentOf('p.png', 'image/PNG; q=1', new Uint8Array([1, 2, 255]));
const make = async (config: object, context: AgentContext) =>
  await messageMaker(ChatAgentConfig.parse({ ...BASE, ...config }))(context);
const userOf = async (config: object, context: AgentContext) => (await make(config, context)).at(-1)?.content;

test('without a template the document is the message, and in later tiers the result of the tier before', async () => {
  expect(await make({}, contextOf([text]))).toEqual([{ role: 'user', content: 'Guten Tag' }]);
  expect(await userOf({}, contextOf([text], { tier: 1, previous: { a: 1 } }))).toBe('{"a":1}');
  expect(await userOf({}, contextOf([text], { tier: 1, previous: 'plain' }))).toBe('plain');
});

test('documents are attached behind a message that does not mention them, each under its name if there are several', async () => {
  expect(await userOf({ user: 'Translate from {{metadata.lang}}.' }, contextOf([text]))).toBe(
    'Translate from de.\n\nGuten Tag',
  );
  const both = contextOf([text, documentOf('b.md', 'text/markdown', '# B')]);
  expect(await userOf({ user: 'Read.' }, both)).toBe('Read.\n\n[a.txt]\nGuten Tag\n\n[b.md]\n# B');
  expect(await userOf({ user: 'Read {{text}}!' }, both)).toBe('Read Guten Tag!');
  expect(await userOf({ user: '{{#documents}}{{number}}:{{filename}}:{{text}} {{/documents}}' }, both)).toBe(
    '1:a.txt:Guten Tag 2:b.md:# B ',
  );
  expect(await userOf({ user: 'Only this.', documents: { attach: 'NEVER' } }, both)).toBe('Only this.');
  const later = contextOf([text], { tier: 1, previous: 'P' });
  expect(await userOf({ user: 'Go.', documents: { attach: 'ALWAYS' } }, later)).toBe('Go.\n\nP\n\nGuten Tag');
});

test("a tier's message takes the place of the agent's, or goes where the agent's templates want it", async () => {
  const tier = contextOf([text], { userMessage: 'Sum up {{filename}}: {{text}}' });
  expect(await make({ system: 'S', user: 'U {{text}}' }, tier)).toEqual([
    { role: 'system', content: 'S' },
    { role: 'user', content: 'Sum up a.txt: Guten Tag' },
  ]);
  expect(await userOf({ user: 'Task: {{userMessage}} End.' }, tier)).toBe('Task: Sum up a.txt: Guten Tag End.');
  expect(await make({ system: 'You {{userMessage}}' }, contextOf([text], { userMessage: 'translate.' }))).toEqual([
    { role: 'system', content: 'You translate.' },
    { role: 'user', content: 'Guten Tag' },
  ]);
  await expect(make({}, contextOf([text], { userMessage: 'a {{userMessage}}' }))).rejects.toMatchObject({
    ...{ category: 'VALIDATION', code: 'invalid_template' },
  });
  await expect(make({ user: '{{userMessage}}' }, contextOf([text]))).rejects.toMatchObject({ code: 'missing_field' });
});

test("the tier's config and JSON documents can be put in", async () => {
  const json = documentOf('r.json', 'application/json', '{"name":"Ada","tags":["x","y"]}');
  const user = '{{json.name}} {{#json.tags}}[{{.}}]{{/json.tags}} {{config.style}}';
  expect(await userOf({ user }, contextOf([json], { config: { style: 'short' } }))).toBe('Ada [x][y] short');
  await expect(make({ user }, contextOf([text]))).rejects.toMatchObject({ category: 'VALIDATION', code: 'not_json' });
});

test('images go along as data URLs, whatever the message mentions', async () => {
  const part = { type: 'image_url', image_url: { url: 'data:image/png;base64,AQL/' } };
  expect(await userOf({}, contextOf([image]))).toEqual([part]);
  expect(await userOf({ user: 'What is on {{filename}}?' }, contextOf([image]))).toEqual([
    { type: 'text', text: 'What is on a.txt?' },
    part,
  ]);
  const detailed = await userOf({ documents: { imageDetail: 'LOW' } }, contextOf([text, image]));
  expect(detailed).toEqual([
    { type: 'text', text: 'Guten Tag' },
    { type: 'image_url', image_url: { ...part.image_url, detail: 'low' } },
  ]);
  expect(await userOf({}, contextOf([image], { tier: 1, previous: 'P' }))).toBe('P');
});

test('what cannot go into a message is a VALIDATION error that says which', async () => {
  const pdf = documentOf('x.pdf', 'application/pdf', new Uint8Array([0x25, 0, 0xff]));
  const cases: [object, AgentContext, string][] = [
    [{}, contextOf([pdf]), 'unsupported_document'],
    [{ user: '{{text}}' }, contextOf([pdf]), 'unsupported_document'],
    [{ documents: { maxLength: 4 } }, contextOf([text]), 'document_too_long'],
    [{}, contextOf([documentOf('e.txt', 'text/plain', '')]), 'empty_prompt'],
    [{}, contextOf(Array.from({ length: CHAT_LIMITS.images + 1 }, () => image)), 'too_many_images'],
    [{}, contextOf([documentOf('i.png', 'image/png', Buffer.alloc(CHAT_LIMITS.imageBytes + 1))]), 'image_too_large'],
  ];
  for (const [config, context, code] of cases) {
    await expect(make(config, context)).rejects.toMatchObject({ category: 'VALIDATION', code, stage: 'prompt' });
  }
  expect(await userOf({ documents: { maxLength: 6, tooLong: 'CUT' } }, contextOf([text]))).toBe('Guten…');
});

test('a config is taken with its defaults, and null is as absent', () => {
  const plain = ChatAgentConfig.parse(BASE);
  expect(plain).toMatchObject({
    ...{ fallbackModels: [], apiKey: null, headers: [], system: null, user: null, temperature: null },
    ...{ responseFormat: { type: 'TEXT' }, extraBody: {}, timeoutMs: LIMITS.itemTimeoutMs.default },
    documents: { attach: 'AUTO', maxLength: 400_000, tooLong: 'FAIL', imageDetail: null },
  });
  const nulls = { system: null, apiKey: null, documents: null, responseFormat: null, timeoutMs: null };
  expect(ChatAgentConfig.parse({ ...BASE, ...nulls })).toEqual(plain);
});

test('what cannot be right in a config is refused in its place', () => {
  const placeOf = (config: object): string => {
    const { error } = ChatAgentConfig.safeParse({ ...BASE, ...config });
    return (error?.issues ?? []).map(({ path }) => path.join('.')).join(' ');
  };
  expect(placeOf({ baseURL: 'ftp://x' })).toBe('baseURL');
  expect(placeOf({ baseURL: 'https://u:p@x/v1' })).toBe('baseURL');
  expect(placeOf({ baseURL: 'https://x/v1?key=1' })).toBe('baseURL');
  expect(placeOf({ user: '{{txet}}' })).toBe('user');
  expect(placeOf({ system: '{{#text}}' })).toBe('system');
  expect(placeOf({ apiKey: { text: 'sk-in-the-open' } })).toBe('apiKey');
  expect(placeOf({ headers: [{ name: 'Host', value: { text: 'x' } }] })).toBe('headers.0.name');
  expect(placeOf({ extraBody: { stream: true, top_k: 4 } })).toBe('extraBody.stream');
  expect(placeOf({ responseFormat: { type: 'JSON_SCHEMA' } })).toBe('responseFormat.schema');
  expect(placeOf({ responseFormat: { type: 'TEXT', schema: {} } })).toBe('responseFormat.schema');
  expect(placeOf({ maxTokens: 1, maxCompletionTokens: 1 })).toBe('maxTokens');
  expect(placeOf({ temperature: 3 })).toBe('temperature');
});
