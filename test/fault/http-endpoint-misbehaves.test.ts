import { gzipSync } from 'node:zlib';
import { afterEach, describe, expect, test } from 'vitest';
import { HttpAgentConfig } from '../../src/agents/http/config.ts';
import { makeHttpRun } from '../../src/agents/http/run.ts';
import {
  call,
  contextOf,
  documentOf,
  endpointOf,
  errorOf,
  NOW,
  outgoingTo,
  SECRET,
  stopAll,
  withKey,
} from '../support/http-agent-calls.ts';
import { sendJson } from '../support/http-endpoint.ts';

afterEach(stopAll);

describe('a call', () => {
  test('posts the item with its documents, its place and its key, and answers the JSON that comes back', async () => {
    const { url, requests } = await endpointOf((_request, response) => sendJson(response, 200, { pages: 2 }));
    const documents = [
      documentOf('a.txt', 'text/plain', Buffer.from('Grüße')),
      documentOf('b.json', 'application/json; charset=utf-8', Buffer.from('{"b":[1]}')),
      documentOf('c.png', 'image/png', Buffer.from([0x89, 0x50, 0xff])),
      documentOf('d.json', 'application/json', Buffer.from('{not json')),
    ];
    const headers = [...withKey.headers, { name: 'x-team', value: { text: 'ocr' } }];
    expect(await call({ url: `${url}/run?x=1`, headers }, undefined, contextOf({}, documents))).toEqual({ pages: 2 });
    const [request] = requests;
    expect(request).toMatchObject({ method: 'POST', path: '/run?x=1' });
    expect(request?.headers).toMatchObject({
      ...{ 'content-type': 'application/json', 'idempotency-key': 'exec_1:0:3:1', 'user-agent': 'batchyard' },
      ...{ authorization: `Bearer ${SECRET}`, 'x-team': 'ocr' },
    });
    expect(request?.body).toEqual({
      item: {
        ...{ ordinal: 3, dataElementId: 'e-3', filename: 'a.txt', mediaType: 'text/plain', metadata: { k: 1 } },
        documents: [
          { filename: 'a.txt', mediaType: 'text/plain', text: 'Grüße' },
          { filename: 'b.json', mediaType: 'application/json; charset=utf-8', json: { b: [1] } },
          { filename: 'c.png', mediaType: 'image/png', base64: 'iVD/' },
          { filename: 'd.json', mediaType: 'application/json', text: '{not json' },
        ],
      },
      ...{ previous: { from: 'tier 0' }, userMessage: 'Be exact.', config: { size: 2 } },
      ...{ tier: 1, round: 0, attempt: 2, idempotencyKey: 'exec_1:0:3:1' },
    });
    expect(request?.text).not.toContain(SECRET.slice(0, 6));
  });

  test('leaves contents out when the config says so, and does not read them', async () => {
    const { url, requests } = await endpointOf((_request, response) => sendJson(response, 200, 1));
    const unread = { ...documentOf('a.txt', 'text/plain', Buffer.from('')), bytes: () => Promise.reject(new Error()) };
    await call({ url, sendDocuments: false }, undefined, contextOf({}, [unread]));
    expect(requests[0]?.body['item']).not.toHaveProperty('documents');
  });

  test('answers a text as text, nothing as null, and any other type as an artifact', async () => {
    const answers: [string, string | Buffer][] = [
      ['text/plain; charset=iso-8859-1', Buffer.from([0x47, 0x72, 0xfc, 0xdf, 0x65])],
      ['application/json', ''],
      ['application/pdf', '%PDF'],
      ['application/problem+json', '{"a":1}'],
      ['application/json', '\ufeff{"b":2}'],
    ];
    const { url } = await endpointOf((_request, response, no) => {
      const [type, body] = answers[no - 1] ?? ['', ''];
      response.writeHead(200, { 'content-type': type }).end(body);
    });
    expect(await call({ url })).toBe('Grüße');
    expect(await call({ url })).toBeNull();
    expect(await call({ url })).toEqual({
      data: null,
      artifacts: [{ filename: 'answer.pdf', mediaType: 'application/pdf', content: Buffer.from('%PDF') }],
    });
    expect(await call({ url })).toEqual({ a: 1 });
    expect(await call({ url })).toEqual({ b: 2 });
  });

  test('asks a GraphQL endpoint with the item as variables, and takes its errors for the item’s', async () => {
    const { url, requests } = await endpointOf((_request, response, no) =>
      sendJson(
        response,
        200,
        no === 1
          ? { data: { made: 7 } }
          : { data: null, errors: [{ message: 'No such thing.', extensions: { code: 'NOT_FOUND' } }] },
      ),
    );
    const graphql = 'mutation ($idempotencyKey: String!) { made(key: $idempotencyKey) }';
    expect(await call({ url, graphql })).toEqual({ made: 7 });
    expect(requests[0]?.body).toMatchObject({ query: graphql, variables: { idempotencyKey: 'exec_1:0:3:1', tier: 1 } });
    expect(await errorOf({ url, graphql })).toMatchObject({ category: 'RUNTIME', code: 'NOT_FOUND', stage: 'answer' });
    const gateway = await endpointOf((_request, response, no) =>
      no === 1 ? sendJson(response, 200, { message: 'Welcome.' }) : response.end(),
    );
    expect(await errorOf({ url: gateway.url, graphql })).toMatchObject({ code: 'answer_not_graphql' });
    expect(await errorOf({ url: gateway.url, graphql })).toMatchObject({ code: 'answer_not_json' });
  });

  test('keeps its connections, and has at most as many at once as the config says', async () => {
    const waiting: (() => void)[] = [];
    const { url, connections, requests } = await endpointOf((_request, response) => {
      waiting.push(() => sendJson(response, 200, 1));
      if (requests.length % 2 === 0) for (const answer of waiting.splice(0)) answer();
    });
    const deps = { secrets: async () => SECRET, openFetch: outgoingTo(['127.0.0.1']).openFetch, now: () => NOW };
    const run = makeHttpRun(HttpAgentConfig.parse({ url, connections: 2 }), deps);
    await Promise.all(Array.from({ length: 20 }, () => run(contextOf())));
    expect(requests).toHaveLength(20);
    expect(connections()).toBe(2);
  });
});

describe('an answer that is an error', () => {
  const statuses: [number, string, boolean][] = [
    ...([
      [408, 'TIMEOUT', true],
      [504, 'TIMEOUT', true],
      [429, 'RATE_LIMIT', true],
      [425, 'NETWORK', true],
    ] as const),
    ...([
      [500, 'NETWORK', true],
      [503, 'NETWORK', true],
      [401, 'AUTHENTICATION', false],
    ] as const),
    ...([
      [403, 'AUTHENTICATION', false],
      [404, 'DEPENDENCY', false],
      [410, 'DEPENDENCY', false],
    ] as const),
    ...([
      [400, 'VALIDATION', false],
      [422, 'VALIDATION', false],
      [409, 'DEPENDENCY', false],
    ] as const),
    ...([[304, 'DEPENDENCY', false]] as const),
  ].map(([status, category, transient]) => [status, category, transient]);
  test.each(statuses)('%i is %s, transient: %s', async (status, category, transient) => {
    const { url } = await endpointOf((_request, response) => response.writeHead(status).end());
    expect(await errorOf({ url })).toMatchObject({
      ...{ category, transient, declared: null, code: `http_${status}`, component: 'http', stage: 'answer' },
      details: { status },
    });
  });

  test('says in its own words what is wrong, with which fields, and whether to try again', async () => {
    const fieldErrors = [{ path: '/item/metadata/k', code: 'too_small', message: 'must be 2' }];
    const bodies = [
      { code: 'bad_item', message: 'No good.', fieldErrors },
      { error: { code: 'BUSY', message: 'Later.', category: 'RESOURCE', transient: true } },
      { detail: [{ loc: ['body', 'item', 'a/b'], msg: 'field required', type: 'missing' }] },
      { error: 'words', fieldErrors: 'nonsense', transient: 'yes' },
    ];
    const { url } = await endpointOf((_request, response, no) => sendJson(response, 422, bodies[no - 1]));
    expect(await errorOf({ url })).toMatchObject({
      ...{ category: 'VALIDATION', code: 'bad_item', message: 'The endpoint answered 422: No good.' },
      details: { status: 422, fieldErrors },
    });
    expect(await errorOf({ url })).toMatchObject({ category: 'RESOURCE', declared: true, code: 'BUSY' });
    expect((await errorOf({ url })).details).toEqual({
      status: 422,
      fieldErrors: [{ path: '/body/item/a~1b', code: 'missing', message: 'field required' }],
    });
    expect(await errorOf({ url })).toMatchObject({
      ...{ message: 'The endpoint answered 422: words', declared: null, details: { status: 422 } },
    });
  });

  test('may say when to come again, in seconds or by a date', async () => {
    const values = ['7', 'Sun, 22 Nov 2026 12:01:00 GMT', 'Sun, 22 Nov 2026 11:00:00 GMT', 'soon', '-5'];
    const { url } = await endpointOf((_request, response, no) =>
      response.writeHead(503, { 'retry-after': values[no - 1] ?? '' }).end(),
    );
    const waits: unknown[] = [];
    for (const _value of values) waits.push((await errorOf({ url })).retryAfterMs);
    expect(waits).toEqual([7_000, 60_000, 0, null, null]);
  });

  test('never brings the secret back, however the endpoint writes it', async () => {
    const escaped = SECRET.replaceAll('t', '\\u0074').replaceAll('"', '\\"');
    const echoes = [
      `{"title":"bad key ${escaped}"}`,
      `{"message":"bad key ${escaped}","fieldErrors":[{"path":"/x","code":"c","message":"${escaped}"}]}`,
      `Bearer ${SECRET}`,
      Buffer.from(SECRET).toString('base64'),
      encodeURIComponent(SECRET),
      `%PDF ${SECRET}`,
    ];
    const typeOf = (echo: string): string =>
      echo.startsWith('{') ? 'application/json' : echo.startsWith('%PDF') ? 'application/pdf' : 'text/plain';
    const { url } = await endpointOf((_request, response, no) => {
      const ok = no > echoes.length;
      const echo = echoes[(no - 1) % echoes.length] ?? '';
      response.writeHead(ok ? 200 : 500, { 'content-type': typeOf(echo) });
      response.end(echo);
    });
    for (const _echo of echoes) expect((await errorOf({ url, ...withKey })).message).toContain('[secret]');
    for (const _echo of echoes) {
      const answer = await call({ url, ...withKey });
      const file: unknown = Object(answer).artifacts?.[0]?.content;
      const text = file instanceof Buffer ? file.toString('latin1') : JSON.stringify(answer);
      expect(text).toContain('[secret]');
      expect(text).not.toMatch(/tok\/en|dG9rL2Vu/);
    }
  });
});

describe('an endpoint that misbehaves', () => {
  test('is too slow to begin, or pauses for too long: TIMEOUT', async () => {
    const { url } = await endpointOf((_request, response, no) => {
      if (no > 1) response.writeHead(200, { 'content-type': 'text/plain' }).write('half');
    });
    const codeWithin = async (limits: object) => {
      const { category, code } = await errorOf({ url, ...limits });
      return [category, code];
    };
    expect(await codeWithin({ headersTimeoutMs: 200 })).toEqual(['TIMEOUT', 'UND_ERR_HEADERS_TIMEOUT']);
    expect(await codeWithin({ bodyTimeoutMs: 200 })).toEqual(['TIMEOUT', 'UND_ERR_BODY_TIMEOUT']);
  });

  test('drops the connection before or within its answer, or is not there: NETWORK', async () => {
    const { url, stop } = await endpointOf((_request, response, no) => {
      if (no === 1) return response.socket?.destroy();
      response.writeHead(200, { 'content-type': 'text/plain', 'content-length': '100' }).write('half');
      return setImmediate(() => response.socket?.destroy());
    });
    const network = { category: 'NETWORK', transient: true, component: 'http', stage: 'call' };
    expect(await errorOf({ url })).toMatchObject(network);
    expect(await errorOf({ url })).toMatchObject(network);
    await stop();
    expect(await errorOf({ url })).toMatchObject({ ...network, code: 'ECONNREFUSED' });
  });

  test('answers more than is allowed, announced, streamed or packed: VALIDATION, and it is not read on', async () => {
    let sent = 0;
    const { url } = await endpointOf((_request, response, no) => {
      const head = { 'content-type': 'text/plain' };
      if (no === 1) return response.writeHead(200, { ...head, 'content-length': '5000' }).end('x'.repeat(5_000));
      if (no === 2) {
        response.writeHead(200, { ...head, 'content-encoding': 'gzip' });
        return response.end(gzipSync(Buffer.alloc(50_000_000)));
      }
      response.writeHead(200, head);
      const more = (): void => {
        sent += 1_000_000;
        if (!response.destroyed && sent < 200_000_000) response.write('x'.repeat(1_000_000), more);
      };
      return more();
    });
    const tooLarge = { category: 'VALIDATION', code: 'response_too_large', declared: false };
    const config = { url, maxResponseBytes: 2_000 };
    for (let no = 0; no < 3; no += 1) expect(await errorOf(config)).toMatchObject(tooLarge);
    expect(sent).toBeLessThan(50_000_000);
  });

  test('says JSON and sends none: VALIDATION', async () => {
    const { url } = await endpointOf((_request, response) =>
      response.writeHead(200, { 'content-type': 'application/json' }).end('{"a":'),
    );
    expect(await errorOf({ url })).toMatchObject({ category: 'VALIDATION', code: 'answer_not_json' });
  });

  test('is called no further once the call is aborted', async () => {
    const asked = Promise.withResolvers<void>();
    const closed = Promise.withResolvers<void>();
    const { url } = await endpointOf((_request, response) => {
      response.on('close', () => closed.resolve());
      asked.resolve();
    });
    const controller = new AbortController();
    const running = call({ url }, undefined, contextOf({ signal: controller.signal }));
    await asked.promise;
    controller.abort(new DOMException('cancelled', 'AbortError'));
    await expect(running).rejects.toThrow('cancelled');
    await closed.promise;
  });

  test('never gets an item that is larger than is allowed', async () => {
    const { url, requests } = await endpointOf((_request, response) => sendJson(response, 200, 1));
    const large = contextOf({}, [documentOf('a.txt', 'text/plain', Buffer.alloc(3_000, 'x'))]);
    expect(await errorOf({ url, maxRequestBytes: 2_000 }, undefined, large)).toMatchObject({
      ...{ category: 'VALIDATION', code: 'request_too_large' },
    });
    expect(requests).toEqual([]);
  });
});
