/** What a request may look like, and what a client is told when it may not. */
import { request as httpRequest } from 'node:http';
import { getIntrospectionQuery } from 'graphql';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { LIMITS } from '../../src/domain/limits.ts';
import { type FreshDatabase, freshEmbedded } from '../support/databases.ts';
import { makeProject } from '../support/rows.ts';
import { type Answer, codeOf, dig, openEvents, post, startTestServer, type TestServer } from '../support/server.ts';
import { openTicks } from '../support/ticks.ts';
import { until } from '../support/until.ts';

let database: FreshDatabase;
let server: TestServer;
let key: string;

beforeAll(async () => {
  database = await freshEmbedded();
  server = await startTestServer(database.db, {
    allowedHosts: ['batch.example'],
    allowedOrigins: ['https://app.example'],
  });
  ({ key } = await makeProject(database.db, 'OPERATOR'));
});
afterAll(async () => {
  await server.stop();
  await database.close();
});

interface RawAnswer {
  readonly status: number;
  readonly headers: Record<string, string | string[] | undefined>;
  readonly body: string;
}

/** Sends a request exactly as given; fetch would set or refuse some of these headers. */
async function raw(
  path: string,
  options: { method?: string; headers?: Record<string, string>; body?: string },
): Promise<RawAnswer> {
  const { promise, resolve, reject } = Promise.withResolvers<RawAnswer>();
  const { method = 'GET', headers = {}, body } = options;
  const request = httpRequest(new URL(path, server.url), { method, headers, agent: false }, async (response) => {
    let text = '';
    for await (const chunk of response) text += String(chunk);
    resolve({ status: response.statusCode ?? 0, headers: response.headers, body: text });
  });
  request.on('error', reject);
  request.end(body);
  return promise;
}

const json = (extra: Record<string, string> = {}) => ({
  'content-type': 'application/json',
  authorization: `Bearer ${key}`,
  ...extra,
});
const bodyCode = ({ body }: RawAnswer): unknown => codeOf(JSON.parse(body) as Answer);

describe('the Host header', () => {
  test.each([
    ['localhost'],
    ['LOCALHOST:1'],
    ['127.0.0.1'],
    ['[::1]:4000'],
    ['10.1.2.3:4000'],
    ['batch.example'],
    ['app.localhost:4000'],
  ])('%s is served', async (host) => {
    expect((await raw('/healthz', { headers: { host } })).status).toBe(200);
  });

  test.each([
    ['evil.example'],
    ['evil.example:4000'],
    ['127.0.0.1.evil.example'],
    ['localhost.evil.example'],
    ['user@localhost'],
  ])('%j is refused on every route', async (host) => {
    for (const path of ['/healthz', '/graphql', '/session']) {
      expect((await raw(path, { headers: { host } })).status).toBe(421);
    }
  });
});

describe('a body', () => {
  test('above the limit is 413, told by its length alone', async () => {
    const answer = await raw('/graphql', {
      method: 'POST',
      headers: json({ 'content-length': String(LIMITS.requestBytes + 1) }),
    });
    expect(answer.status).toBe(413);
    expect(bodyCode(answer)).toBe('LIMIT_EXCEEDED');
  });

  test('of unstated length is 411', async () => {
    const headers = json({ 'transfer-encoding': 'chunked' });
    expect((await raw('/graphql', { method: 'POST', headers, body: '{"query":"{__typename}"}' })).status).toBe(411);
  });

  test.each([
    ['application/x-www-form-urlencoded'],
    ['multipart/form-data; boundary=x'],
    ['text/plain'],
    ['application/jsonp'],
  ])('of type %s is 415, with and without a key', async (type) => {
    const body = 'query={__typename}';
    const headers = { 'content-type': type, 'content-length': String(body.length) };
    for (const given of [headers, { ...headers, authorization: `Bearer ${key}` }]) {
      expect((await raw('/graphql', { method: 'POST', headers: given, body })).status).toBe(415);
    }
  });

  test('that is no JSON is the caller’s mistake', async () => {
    const headers = json({ 'content-length': '1' });
    const answer = await raw('/graphql', { method: 'POST', headers, body: '{' });
    expect(answer.status).toBe(400);
  });
});

describe('pages of other origins', () => {
  const preflight = (origin: string) =>
    raw('/graphql', { method: 'OPTIONS', headers: { origin, 'access-control-request-method': 'POST' } });

  test('are allowed only by the list', async () => {
    expect((await preflight('https://app.example')).headers['access-control-allow-origin']).toBe('https://app.example');
    expect((await preflight('https://evil.example')).headers['access-control-allow-origin']).not.toBe(
      'https://evil.example',
    );
  });

  test('get no CORS header at all when the list is empty', async () => {
    const closed = await startTestServer(database.db);
    const response = await fetch(`${closed.url}/graphql`, {
      method: 'OPTIONS',
      headers: { origin: 'https://evil.example' },
    });
    expect([...response.headers.keys()].filter((name) => name.startsWith('access-control'))).toEqual([]);
    await closed.stop();
  });

  test('cannot query by GET without a header that makes the browser ask first', async () => {
    expect((await raw('/graphql?query={__typename}', {})).status).toBe(401);
    const answer = await raw('/graphql?query={__typename}', { headers: { authorization: `Bearer ${key}` } });
    expect(JSON.parse(answer.body)).toEqual({ data: { __typename: 'Query' } });
  });

  test('mutations by GET are refused', async () => {
    const query = encodeURIComponent('mutation { createProject(input: { name: "x" }) { __typename } }');
    expect((await raw(`/graphql?query=${query}`, { headers: { authorization: `Bearer ${key}` } })).status).toBe(405);
  });
});

describe('a document', () => {
  test.each([
    ['aliases', `{ ${Array.from({ length: LIMITS.queryAliases + 1 }, (_, i) => `a${i}: __typename`).join(' ')} }`],
    ['tokens', `{ ${'__typename '.repeat(LIMITS.queryTokens)} }`],
    ['cost', '{ customers(first: 1000) { nodes { projects(first: 1000) { nodes { id } } } } }'],
  ])('with too many %s is QUERY_TOO_COMPLEX', async (_name, query) => {
    const answer = await post(server, key, query);
    expect(codeOf(answer)).toBe('QUERY_TOO_COMPLEX');
    expect(answer.data ?? null).toBeNull();
  });

  test('with more aliases than the limit in a fragment counts them too', async () => {
    const aliases = Array.from({ length: LIMITS.queryAliases + 1 }, (_, i) => `a${i}: role`).join(' ');
    const answer = await post(server, key, `{ viewer { ...F } } fragment F on Viewer { ${aliases} }`);
    expect(codeOf(answer)).toBe('QUERY_TOO_COMPLEX');
  });

  test('with the standard introspection query is answered', async () => {
    const answer = await post(server, key, getIntrospectionQuery({ inputValueDeprecation: true, oneOf: true }));
    expect(answer.errors).toBeUndefined();
    expect(dig(answer.data, '__schema', 'queryType', 'name')).toBe('Query');
  });

  test('that introspects in circles is refused', async () => {
    const circle =
      '{ __schema { types { fields { type { fields { type { fields { type { fields { name } } } } } } } } } }';
    expect((await post(server, key, circle)).errors).toBeDefined();
  });

  test.each([
    ['{', 'GRAPHQL_PARSE_FAILED'],
    ['{ nothing }', 'GRAPHQL_VALIDATION_FAILED'],
    ['query ($a: Int!) { projects(first: $a) { nodes { id } } }', 'BAD_USER_INPUT'],
    ['{ customers(first: 1001) { nodes { id } } }', 'BAD_USER_INPUT'],
    ['{ customers(after: "x") { nodes { id } } }', 'BAD_USER_INPUT'],
  ])('%s has an error with the code %s', async (query, code) => {
    expect(codeOf(await post(server, key, query))).toBe(code);
  });

  test('batches are refused', async () => {
    const body = JSON.stringify([{ query: '{ __typename }' }, { query: '{ __typename }' }]);
    const answer = await raw('/graphql', {
      method: 'POST',
      headers: json({ 'content-length': String(body.length) }),
      body,
    });
    expect(answer.status).toBe(400);
  });
});

describe('user JSON', () => {
  test('comes back as it came, keys and all', async () => {
    const value = { b: 1, a: [null, true, 1.5, { snake_key: 'ä😀', __proto__x: {} }], '': '' };
    const answer = await post(server, key, 'query ($v: JSON) { echo(value: $v) }', { v: value });
    expect(JSON.stringify(dig(answer.data, 'echo'))).toBe(JSON.stringify(value));
  });

  test('in a literal may hold variables', async () => {
    const answer = await post(server, key, 'query ($v: JSON) { echo(value: { a: $v, b: [1, "x", null] }) }', { v: 7 });
    expect(dig(answer.data, 'echo')).toEqual({ a: 7, b: [1, 'x', null] });
  });

  test.each([
    ['a NUL in a variable', 'query ($v: JSON) { echo(value: $v) }', { v: { a: 'x\u0000' } }],
    ['a lone surrogate in a variable', 'query ($v: JSON) { echo(value: $v) }', { v: ['\ud800'] }],
    ['a NUL in a literal', String.raw`{ echo(value: "\u0000") }`, {}],
    ['a NUL in an id', 'query ($id: ID!) { node(id: $id) { id } }', { id: 'proj_\u0000' }],
    [
      '100 levels of nesting',
      'query ($v: JSON) { echo(value: $v) }',
      { v: JSON.parse(`${'['.repeat(100)}${']'.repeat(100)}`) },
    ],
  ])('with %s is BAD_USER_INPUT with its place', async (_name, query, variables) => {
    const answer = await post(server, key, query, variables);
    expect(codeOf(answer)).toBe('BAD_USER_INPUT');
    expect(dig(answer.errors, 0, 'extensions', 'issues', 0, 'loc', 0)).toBeTypeOf('string');
  });

  test('with a NUL in a mutation is a typed error, and nothing is stored', async () => {
    const answer = await post(
      server,
      key,
      'mutation ($n: String!) { createProject(input: { name: $n }) { ... on ValidationError { issues { loc type } } } }',
      { n: 'a\u0000b' },
    );
    expect(dig(answer.data, 'createProject', 'issues')).toEqual([{ loc: ['input', 'name'], type: 'nul_character' }]);
  });

  test('nested a hundred thousand levels deep is refused, and the service lives', async () => {
    const body = `{"query":"query ($v: JSON) { echo(value: $v) }","variables":{"v":${'['.repeat(100_000)}${']'.repeat(100_000)}}}`;
    const answer = await raw('/graphql', {
      method: 'POST',
      headers: json({ 'content-length': String(body.length) }),
      body,
    });
    expect(bodyCode(answer)).toBe('BAD_USER_INPUT');
    expect((await raw('/healthz', {})).status).toBe(200);
  });
});

describe('an error of ours', () => {
  test('is hidden, and logged once with the id that the client gets', async () => {
    server.log.length = 0;
    const answer = await post(server, key, '{ breaks }');
    expect(codeOf(answer)).toBe('INTERNAL_SERVER_ERROR');
    expect(JSON.stringify(answer)).not.toContain('hunter2');
    const errorId = String(dig(answer.errors, 0, 'extensions', 'errorId'));
    expect(errorId).toMatch(/^err_/);
    expect(server.log.filter((line) => line.includes(errorId))).toHaveLength(1);
    expect(server.log.filter((line) => line.includes('hunter2'))).toHaveLength(1);
    expect(Object.keys(dig(answer.errors, 0, 'extensions') as object).sort()).toEqual(['code', 'errorId']);
  });
});

describe('server-sent events', () => {
  test('tell a mistake in the document and end', async () => {
    const { text, ended } = await openEvents(server, key, 'subscription { nothing }');
    await ended;
    expect(text()).toContain('GRAPHQL_VALIDATION_FAILED');
  });

  test('end on our side as soon as the client leaves', async () => {
    const { abort } = await openEvents(server, key, 'subscription { ticks }');
    await until(() => openTicks() === 1);
    abort();
    await until(() => openTicks() === 0);
  });
});

describe('the probes', () => {
  test('tell life and readiness apart', async () => {
    let ready = false;
    const other = await startTestServer(database.db, {}, async () => ready);
    const status = async (path: string) => (await fetch(`${other.url}${path}`)).status;
    expect([await status('/healthz'), await status('/readyz')]).toEqual([200, 503]);
    ready = true;
    expect(await status('/readyz')).toBe(200);
    await other.stop();
  });

  test('what is nowhere is 404', async () => {
    expect((await raw('/nowhere', {})).status).toBe(404);
  });
});
