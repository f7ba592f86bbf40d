/** Which requests are served at all: host names, bodies, origins, and the probes. */
import { request as httpRequest } from 'node:http';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { LIMITS } from '../../src/domain/limits.ts';
import { type FreshDatabase, freshEmbedded } from '../support/databases.ts';
import { makeProject } from '../support/rows.ts';
import { type Answer, codeOf, openEvents, startTestServer, type TestServer } from '../support/server.ts';
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
