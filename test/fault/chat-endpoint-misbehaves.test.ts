import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { ChatAgentConfig } from '../../src/agents/chat/config.ts';
import { makeChatRun } from '../../src/agents/chat/run.ts';
import { createOutgoing, type Outgoing } from '../../src/agents/net/outgoing.ts';
import { createOutputChecker, type RunningOutputChecker } from '../../src/agents/output/output-checker.ts';
import type { AgentContext } from '../../src/domain/agent-context.ts';
import { parseAllowedHost } from '../../src/domain/allowed-hosts.ts';
import { classifyThrown } from '../../src/domain/item-error.ts';
import { type ChatEndpoint, completion, ending, send, sendError, startChatEndpoint } from '../support/chat-endpoint.ts';

const KEY = 'sk-secret/of"the+project';
const USAGE = { inputTokens: 12, outputTokens: 5, totalTokens: 17, cachedInputTokens: 8, reasoningTokens: 2 };
const NOW = new Date('2026-11-22T12:00:00Z');

let endpoint: ChatEndpoint;
let outgoing: Outgoing;
let outputs: RunningOutputChecker;
beforeEach(async () => {
  endpoint = await startChatEndpoint();
  const local = parseAllowedHost('127.0.0.1');
  outgoing = createOutgoing(local === null ? [] : [local]);
  outputs = createOutputChecker();
});
afterEach(async () => {
  await outgoing.stop();
  await outputs.stop();
  await endpoint.stop();
  vi.unstubAllEnvs();
});

function runOf(config: object, network = outgoing) {
  const parsed = ChatAgentConfig.parse({
    ...{ baseURL: endpoint.baseURL, model: 'tiny', apiKey: { secret: 'key' }, user: 'Say hello.' },
    ...config,
  });
  const { openFetch } = network;
  return makeChatRun(parsed, { secrets: async () => KEY, openFetch, now: () => NOW, outputs });
}

function contextOf(signal = new AbortController().signal, log: string[] = []): AgentContext {
  const none = () => Promise.reject(new Error('is not asked'));
  const item = { ordinal: 0, dataElementId: 'e', filename: 'a.txt', mediaType: 'text/plain', metadata: null };
  return {
    item: { ...item, documents: [], text: none, bytes: none, json: none, exists: none },
    ...{ previous: null, userMessage: null, config: {}, tier: 0, round: 0, attempt: 1 },
    ...{ signal, idempotencyKey: 'exec_1:0:0:0', log: (line: string) => log.push(line) },
  };
}

const call = async (config: object = {}, context = contextOf()): Promise<unknown> => await runOf(config)(context);
/** What the engine makes of what a call throws; no secret may be in it. */
async function errorOf(config: object = {}, context = contextOf()) {
  const thrown = await call(config, context).then(
    (value) => Promise.reject(new Error(`answered ${JSON.stringify(value)}`)),
    (error: unknown) => error,
  );
  const error = classifyThrown(thrown);
  expect(JSON.stringify(error)).not.toContain(KEY.slice(0, 9));
  expect(error.trace).toBeNull();
  return { ...error, details: error.details === null ? null : JSON.parse(error.details) };
}

describe('a call', () => {
  test('sends what the config says and nothing of this machine, and tells model and usage', async () => {
    vi.stubEnv('OPENAI_API_KEY', 'sk-of-the-operator');
    vi.stubEnv('OPENAI_ORG_ID', 'org-of-the-operator');
    vi.stubEnv('OPENAI_CUSTOM_HEADERS', 'x-operator: 1');
    const config = {
      ...{ system: 'Be brief.', temperature: 0.5, topP: 0.9, maxCompletionTokens: 50, seed: 7, stop: ['END'] },
      ...{ reasoningEffort: 'low', extraBody: { top_k: 40 }, headers: [{ name: 'X-Team', value: { text: 'a' } }] },
    };
    expect(await call(config)).toEqual({ data: 'hello', usage: { ...USAGE, model: 'tiny-1-2026-11-01' } });
    const [request] = endpoint.requests;
    expect(request?.path).toBe('/v1/chat/completions');
    expect(request?.body).toEqual({
      ...{ model: 'tiny', temperature: 0.5, top_p: 0.9, max_completion_tokens: 50, seed: 7, stop: ['END'] },
      ...{ reasoning_effort: 'low', top_k: 40 },
      messages: [
        { role: 'system', content: 'Be brief.' },
        { role: 'user', content: 'Say hello.' },
      ],
    });
    const { host: _host, connection: _connection, 'content-length': _length, ...headers } = request?.headers ?? {};
    expect(headers).toEqual({
      ...{ authorization: `Bearer ${KEY}`, 'x-team': 'a', 'idempotency-key': 'exec_1:0:0:0' },
      ...{ accept: 'application/json', 'content-type': 'application/json', 'user-agent': 'batchyard' },
      ...{ 'accept-encoding': 'gzip, deflate', 'accept-language': '*', 'sec-fetch-mode': 'cors' },
    });
  });

  test('without a key sends none, and takes an answer without usage', async () => {
    endpoint.answer((_request, response) => send(response, 200, { choices: [{ message: { content: 'ok' } }] }));
    expect(await call({ apiKey: null })).toEqual({ data: 'ok' });
    expect(endpoint.requests[0]?.headers.authorization).toBeUndefined();
  });

  test('takes an answer whose server does not call it JSON, or marks its byte order', async () => {
    endpoint.answer((_request, response) =>
      response.writeHead(200, { 'content-type': 'text/plain' }).end(`\ufeff${JSON.stringify(completion('hello'))}`),
    );
    expect(await call()).toMatchObject({ data: 'hello' });
  });

  test('takes an answer that comes in parts, without the thoughts', async () => {
    const content = [
      { type: 'thinking', thinking: [{ type: 'text', text: 'hm' }] },
      { type: 'text', text: 'hel' },
      { type: 'text', text: 'lo' },
    ];
    endpoint.answer((_request, response) => send(response, 200, { choices: [{ message: { content } }] }));
    expect(await call()).toEqual({ data: 'hello' });
  });

  test('shows a secret that the endpoint repeats to no one', async () => {
    endpoint.answer((request, response) =>
      send(response, 200, completion(`You sent ${request.headers.authorization}`)),
    );
    expect(await call()).toMatchObject({ data: 'You sent Bearer [secret]' });
    // Some write what is not letters in escapes.
    const escaped = (text: string) => text.replaceAll('/', String.raw`\/`).replaceAll('-', String.raw`\u002d`);
    endpoint.answer((_request, response) => response.end(escaped(JSON.stringify(completion(`It was ${KEY}`)))));
    expect(await call()).toMatchObject({ data: 'It was [secret]' });
    endpoint.answer((request, response) =>
      sendError(response, 401, { message: `Bad key ${request.headers.authorization}`, code: 'invalid_api_key' }),
    );
    expect(await errorOf()).toMatchObject({
      ...{ category: 'AUTHENTICATION', code: 'invalid_api_key', component: 'chat', stage: 'call' },
      message: 'The endpoint answered 401 Bad key Bearer [secret]',
    });
  });
});

describe('an error status', () => {
  const cases: [number, object, object][] = [
    [
      400,
      { code: 'context_length_exceeded' },
      { category: 'VALIDATION', code: 'context_length_exceeded', declared: null },
    ],
    [400, { code: 'content_policy_violation' }, { category: 'VALIDATION', code: 'content_policy_violation' }],
    [401, { code: null, type: 'x y' }, { category: 'AUTHENTICATION', code: 'http_401' }],
    [402, {}, { category: 'RATE_LIMIT', declared: false }],
    [403, {}, { category: 'AUTHENTICATION', code: 'invalid_request_error' }],
    [404, { code: 'model_not_found' }, { category: 'DEPENDENCY', code: 'model_not_found', declared: false }],
    [404, { message: 'Invalid URL' }, { category: 'DEPENDENCY', code: 'not_found', declared: false }],
    [408, { type: 'timeout' }, { category: 'TIMEOUT', transient: true }],
    [409, {}, { category: 'NETWORK', transient: true }],
    [413, {}, { category: 'VALIDATION' }],
    [418, {}, { category: 'DEPENDENCY' }],
    [422, {}, { category: 'VALIDATION' }],
    [429, { code: 'rate_limit_exceeded' }, { category: 'RATE_LIMIT', code: 'rate_limit_exceeded', declared: null }],
    [429, { code: 'insufficient_quota' }, { category: 'RATE_LIMIT', code: 'insufficient_quota', declared: false }],
    [500, { type: 'server_error' }, { category: 'NETWORK', code: 'server_error', transient: true }],
    [503, {}, { category: 'NETWORK' }],
    [504, {}, { category: 'TIMEOUT' }],
  ];
  test.each(cases)('%i with %j is %j, after one request', async (status, error, expected) => {
    endpoint.answer((_request, response) =>
      sendError(response, status, { message: 'No.', param: 'messages', ...error }),
    );
    const thrown = await errorOf();
    expect(thrown).toMatchObject(expected);
    expect(thrown.details).toMatchObject({ status, model: 'tiny', requestId: 'req_1', param: 'messages' });
    expect(endpoint.requests).toHaveLength(1);
  });

  test.each([
    [{ 'retry-after': '7' }, 7_000],
    [{ 'retry-after': 'Sun, 22 Nov 2026 12:00:30 GMT' }, 30_000],
    [{ 'retry-after-ms': '250', 'retry-after': '1' }, 250],
    [{ 'retry-after': 'soon' }, null],
  ])('says with %j when to come back', async (headers, retryAfterMs) => {
    endpoint.answer((_request, response) => sendError(response, 429, { message: 'Slow down.' }, headers));
    expect(await errorOf()).toMatchObject({ category: 'RATE_LIMIT', retryAfterMs });
  });

  test.each([
    { detail: 'No such route.' },
    { error: 'No such route.' },
    { object: 'error', message: 'No such route.', code: 40_401 },
  ])('in the shape of another gateway (%j) keeps its words', async (body) => {
    endpoint.answer((_request, response) => send(response, 404, body));
    expect(await errorOf()).toMatchObject({
      ...{ category: 'DEPENDENCY', code: 'not_found', message: 'The endpoint answered 404 No such route.' },
    });
  });

  test('that is no JSON, or nothing at all, is told by its number', async () => {
    endpoint.answer((_request, response) =>
      response.writeHead(502, { 'content-type': 'text/html' }).end('<h1>Bad</h1>'),
    );
    expect(await errorOf()).toMatchObject({ category: 'NETWORK', code: 'http_502' });
    endpoint.answer((_request, response) => response.writeHead(500).end());
    expect(await errorOf()).toMatchObject({ category: 'NETWORK', code: 'http_500' });
  });
});

describe('an answer', () => {
  test.each([
    ['that was cut', ending('length'), { code: 'answer_cut' }],
    ['that a filter ended', ending('content_filter'), { code: 'content_filter' }],
    [
      'that refuses',
      ending('stop', { content: null, refusal: 'I will not.' }),
      { message: 'The model refused: I will not.' },
    ],
    [
      'that calls a tool',
      ending('tool_calls', { tool_calls: [{ id: 'c', type: 'function', function: { name: 'f', arguments: '{}' } }] }),
      { code: 'tool_calls_unsupported' },
    ],
    ['that is empty', completion('  '), { category: 'RUNTIME', code: 'empty_answer' }],
  ])('%s is an error that may be retried by rule, with what it used', async (_name, body, expected) => {
    endpoint.answer((_request, response) => send(response, 200, body));
    const usage = { inputTokens: 12, outputTokens: 5, cachedInputTokens: 8, model: 'tiny-1-2026-11-01' };
    expect(await errorOf()).toMatchObject({
      category: 'VALIDATION',
      declared: null,
      stage: 'answer',
      usage,
      ...expected,
    });
  });

  test.each([
    ['JSON cut short', 'application/json', '{"choices": [{"mess'],
    ['HTML', 'text/html', '<html>Log in</html>'],
    ['JSON of another kind', 'application/json', '{"object":"list","data":[]}'],
    ['nothing', 'application/json', ''],
  ])('that is %s is a fault of the endpoint', async (_name, type, body) => {
    endpoint.answer((_request, response) => response.writeHead(200, { 'content-type': type }).end(body));
    expect(await errorOf()).toMatchObject({ category: 'DEPENDENCY', code: 'bad_completion', declared: null });
  });

  test('that is huge is given up before it is read', async () => {
    let closed = false;
    endpoint.answer((_request, response) => {
      response.on('close', () => {
        closed = true;
      });
      response.writeHead(200, { 'content-type': 'application/json' });
      const more = (): void => {
        while (!closed && response.write(Buffer.alloc(1 << 20, 32)));
        if (!closed) response.once('drain', more);
      };
      more();
    });
    expect(await errorOf()).toMatchObject({ category: 'VALIDATION', code: 'response_too_large', transient: false });
    await vi.waitFor(() => expect(closed).toBe(true));
  });
});

describe('JSON answers', () => {
  const schema = {
    ...{ type: 'object', additionalProperties: false, required: ['name', 'age'] },
    properties: { name: { type: 'string' }, age: { type: 'integer' } },
  };
  const responseFormat = { type: 'JSON_SCHEMA', schema, name: 'person' };
  const answers = (content: string): void =>
    endpoint.answer((_request, response) => send(response, 200, completion(content)));

  test('are asked for with the schema and come as data, also out of a single fence', async () => {
    for (const content of [
      '{"name":"Ada","age":36}',
      ' ```json\n{"name":"Ada","age":36}\n```\n',
      '```\n{"name":"Ada",\n"age":36}\n```',
    ]) {
      answers(content);
      expect(await call({ responseFormat })).toMatchObject({ data: { name: 'Ada', age: 36 }, usage: USAGE });
    }
    expect(endpoint.requests[0]?.body.response_format).toEqual({
      type: 'json_schema',
      json_schema: { name: 'person', strict: true, schema },
    });
  });

  test('that miss the schema are VALIDATION errors with every field error and the usage', async () => {
    answers('{"name":1,"extra":true}');
    const error = await errorOf({ responseFormat });
    expect(error).toMatchObject({ category: 'VALIDATION', code: 'output_mismatch', usage: { inputTokens: 12 } });
    const places = error.details.fieldErrors.map(({ path, code }: Record<string, string>) => `${code} ${path}`);
    expect(places.sort()).toEqual(['additionalProperties /extra', 'required /age', 'type /name']);
  });

  test.each(['Sure! {"name":"Ada"}', '```json\n{}\n```\nDone.', '{'])('that are %j are no JSON', async (content) => {
    answers(content);
    expect(await errorOf({ responseFormat: { type: 'JSON' } })).toMatchObject({
      ...{ category: 'VALIDATION', code: 'answer_not_json', details: { start: content } },
    });
    expect(endpoint.requests[0]?.body.response_format).toEqual({ type: 'json_object' });
  });
});

describe('a connection', () => {
  test('that takes too long is a TIMEOUT, before and within the answer', async () => {
    endpoint.answer(() => undefined);
    expect(await errorOf({ timeoutMs: 100 })).toMatchObject({ category: 'TIMEOUT', transient: true });
    endpoint.answer(
      (_request, response) => void response.writeHead(200, { 'content-type': 'application/json' }).write('{'),
    );
    expect(await errorOf({ timeoutMs: 100 })).toMatchObject({ category: 'TIMEOUT', transient: true });
  });

  test('that drops is a NETWORK error, before and within the answer', async () => {
    endpoint.answer((_request, response) => void response.destroy());
    expect(await errorOf()).toMatchObject({ category: 'NETWORK', transient: true });
    endpoint.answer((_request, response) => {
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': '1000' });
      response.write('{', () => response.destroy());
    });
    expect(await errorOf()).toMatchObject({ category: 'NETWORK', transient: true });
  });

  test('that is refused is a NETWORK error with its code', async () => {
    await endpoint.stop();
    expect(await errorOf()).toMatchObject({ category: 'NETWORK', code: 'ECONNREFUSED' });
  });

  test('to a private address is not made unless the operator allows it', async () => {
    const guarded = createOutgoing([]);
    const thrown = await Promise.resolve(runOf({}, guarded)(contextOf())).catch((error: unknown) => error);
    expect(classifyThrown(thrown)).toMatchObject({ category: 'DEPENDENCY', code: 'address_refused', declared: false });
    expect(endpoint.requests).toHaveLength(0);
    await guarded.stop();
  });

  test("ends with the item's signal, and the reason is the signal's", async () => {
    const abort = new AbortController();
    const reason = new Error('cancelled');
    const closed = Promise.withResolvers<void>();
    endpoint.answer((_request, response) => {
      response.on('close', () => closed.resolve());
      abort.abort(reason);
    });
    await expect(call({}, contextOf(abort.signal))).rejects.toBe(reason);
    await closed.promise;
  });
});

describe('fallback models', () => {
  const models = () => endpoint.requests.map(({ body, headers }) => [body.model, headers['idempotency-key']]);

  test('are asked in order while a model is not there or overloaded, each as a request of its own', async () => {
    endpoint.answer(({ body }, response) => {
      if (body.model === 'tiny') return sendError(response, 404, { message: 'The model `tiny` does not exist' });
      if (body.model === 'busy') return sendError(response, 503, { message: 'Overloaded' });
      return send(response, 200, completion('from the third', { model: 'third' }));
    });
    const log: string[] = [];
    expect(await call({ fallbackModels: ['busy', 'third'] }, contextOf(undefined, log))).toMatchObject({
      ...{ data: 'from the third', usage: { model: 'third' } },
    });
    expect(models()).toEqual([
      ['tiny', 'exec_1:0:0:0'],
      ['busy', 'exec_1:0:0:0:1'],
      ['third', 'exec_1:0:0:0:2'],
    ]);
    expect(log).toHaveLength(2);
  });

  test('are not asked for what another model would not change', async () => {
    endpoint.answer((_request, response) => sendError(response, 429, { message: 'Slow down.' }));
    expect(await errorOf({ fallbackModels: ['other'] })).toMatchObject({ category: 'RATE_LIMIT' });
    expect(endpoint.requests).toHaveLength(1);
  });

  test('that are all missing are a DEPENDENCY error about the last', async () => {
    endpoint.answer((_request, response) => sendError(response, 404, { message: 'No model', code: 'model_not_found' }));
    expect(await errorOf({ fallbackModels: ['other'] })).toMatchObject({ details: { model: 'other' } });
  });
});
