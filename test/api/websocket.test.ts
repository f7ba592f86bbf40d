/** What the socket does with clients that are rude, wrong or many. */
import { connect } from 'node:net';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { LIMITS } from '../../src/domain/limits.ts';
import { type FreshDatabase, freshEmbedded } from '../support/databases.ts';
import { makeProject } from '../support/rows.ts';
import { dig, post, rawSocket, socketClient, startTestServer, type TestServer } from '../support/server.ts';
import { openTicks, tick } from '../support/ticks.ts';
import { until } from '../support/until.ts';

let database: FreshDatabase;
let server: TestServer;
let key: string;
const open: { terminate(): void }[] = [];

beforeAll(async () => {
  database = await freshEmbedded();
  server = await startTestServer(database.db, { allowedOrigins: ['https://app.example'] });
  ({ key } = await makeProject(database.db, 'MEMBER'));
});
afterEach(() => {
  for (const socket of open.splice(0)) socket.terminate();
});
afterAll(async () => {
  await server.stop();
  await database.close();
});

async function connected() {
  const raw = await rawSocket(server);
  open.push(raw.socket);
  raw.send({ type: 'connection_init', payload: { 'x-api-key': key } });
  await until(() => raw.messages.some(({ type }) => type === 'connection_ack'));
  return raw;
}
const subscribe = (id: string, query = 'subscription { ticks }', variables = {}) => ({
  type: 'subscribe',
  id,
  payload: { query, variables },
});
const of = (messages: Record<string, unknown>[], id: string) => messages.filter((message) => message['id'] === id);

test('queries, mutations and subscriptions all work on one socket', async () => {
  const { client } = socketClient(server, { authorization: `Bearer ${key}` });
  expect(await client.iterate({ query: '{ viewer { role } }' }).next()).toMatchObject({
    value: { data: { viewer: { role: 'MEMBER' } } },
  });
  const stream = client.iterate({ query: 'subscription { ticks }' });
  const first = stream.next();
  await until(() => openTicks() === 1);
  tick(5);
  expect(await first).toMatchObject({ value: { data: { ticks: 5 } } });
  await stream.return?.();
  await until(() => openTicks() === 0);
  await client.dispose();
});

test('a mistake in one operation leaves the others alone', async () => {
  const { messages, send, socket } = await connected();
  send(subscribe('good'));
  await until(() => openTicks() === 1);
  send(subscribe('syntax', 'subscription {'));
  send(subscribe('unknown', 'subscription { nothing }'));
  send(subscribe('long', `{ ${'__typename '.repeat(LIMITS.queryTokens)} }`));
  send(subscribe('variables', 'query ($id: ID!) { node(id: $id) { id } }'));
  send(subscribe('nul', 'query ($id: ID!) { node(id: $id) { id } }', { id: '\u0000' }));
  await until(() => ['syntax', 'unknown', 'long', 'variables', 'nul'].every((id) => of(messages, id).length > 0));
  const code = (id: string) => {
    const [message] = of(messages, id);
    return (
      dig(message, 'payload', 0, 'extensions', 'code') ?? dig(message, 'payload', 'errors', 0, 'extensions', 'code')
    );
  };
  expect({
    ...Object.fromEntries(['syntax', 'unknown', 'long', 'variables', 'nul'].map((id) => [id, code(id)])),
  }).toEqual({
    syntax: 'GRAPHQL_PARSE_FAILED',
    unknown: 'GRAPHQL_VALIDATION_FAILED',
    long: 'QUERY_TOO_COMPLEX',
    variables: 'BAD_USER_INPUT',
    nul: 'BAD_USER_INPUT',
  });
  tick(9);
  await until(() => of(messages, 'good').length === 1);
  expect(socket.readyState).toBe(socket.OPEN);
});

test('an error of ours says no more than over HTTP', async () => {
  const { messages, send } = await connected();
  send(subscribe('1', '{ breaks }'));
  const [message] = await until(() => of(messages, '1').length > 0 && of(messages, '1'));
  expect(Object.keys(dig(message, 'payload', 'errors', 0, 'extensions') as object).sort()).toEqual(['code', 'errorId']);
  expect(JSON.stringify(message)).not.toContain('hunter2');
});

test('a connection runs a limited number of operations, and goes on with those', async () => {
  const { messages, send, socket } = await connected();
  for (let n = 0; n < LIMITS.subscriptionsPerConnection; n += 1) send(subscribe(`s${n}`));
  await until(() => openTicks() === LIMITS.subscriptionsPerConnection);
  send(subscribe('more'));
  await until(() => of(messages, 'more').length > 0);
  expect(of(messages, 'more')[0]).toMatchObject({
    type: 'error',
    payload: [{ extensions: { code: 'LIMIT_EXCEEDED' } }],
  });
  send({ type: 'complete', id: 's0' });
  await until(() => openTicks() === LIMITS.subscriptionsPerConnection - 1);
  send(subscribe('again'));
  await until(() => openTicks() === LIMITS.subscriptionsPerConnection);
  socket.terminate();
  await until(() => openTicks() === 0);
});

test.each<[string, (raw: Awaited<ReturnType<typeof connected>>) => void, number]>([
  ['text that is no JSON', ({ socket }) => socket.send('rubbish'), 4400],
  ['bytes', ({ socket }) => socket.send(Buffer.from([0xff, 0xfe, 0])), 4400],
  ['a message of no type', ({ send }) => send({ id: '1' }), 4400],
  ['a subscribe without a query', ({ send }) => send({ type: 'subscribe', id: '1', payload: {} }), 4400],
  ['a message that only servers send', ({ send }) => send({ type: 'next', id: '1', payload: {} }), 4500],
  ['a second init', ({ send }) => send({ type: 'connection_init' }), 4429],
  ['a message that is too large', ({ socket }) => socket.send('x'.repeat(LIMITS.socketMessageBytes + 1)), 1009],
])('%s closes the socket, and nothing but it', async (_name, act, code) => {
  const raw = await connected();
  act(raw);
  expect((await raw.closed).code).toBe(code);
  expect((await post(server, key, '{ __typename }')).status).toBe(200);
});

test('an id that is in use closes the socket with 4409', async () => {
  const { send, closed } = await connected();
  send(subscribe('1'));
  await until(() => openTicks() === 1);
  send(subscribe('1'));
  expect((await closed).code).toBe(4409);
  await until(() => openTicks() === 0);
});

test('broken frames end the socket, not the service', async () => {
  const { socket, closed } = await connected();
  // A frame with reserved bits set, written below the client's own framing.
  const transport: unknown = Reflect.get(socket, '_socket');
  (transport as { write(bytes: Buffer): void }).write(Buffer.from([0xff, 0xff, 0xff, 0xff, 0xff, 0xff]));
  expect((await closed).code).toBe(1002);
  expect((await post(server, key, '{ __typename }')).status).toBe(200);
});

test.each([
  ['https://evil.example', 'HTTP 403'],
  ['null', 'HTTP 403'],
])('a page of %s cannot connect', async (origin, refusal) => {
  await expect(rawSocket(server, { origin })).rejects.toThrow(refusal);
});

test('a page of our own or of an allowed origin can connect', async () => {
  for (const origin of [server.url, 'https://app.example']) {
    const { socket } = await rawSocket(server, { origin });
    expect(socket.readyState).toBe(socket.OPEN);
    socket.terminate();
  }
});

test('another path or host name cannot be upgraded', async () => {
  const answer = async (path: string, host: string): Promise<string> => {
    const { promise, resolve } = Promise.withResolvers<string>();
    const socket = connect(Number(new URL(server.url).port), '127.0.0.1');
    socket.once('data', (data) => resolve(String(data).split('\r\n')[0] ?? ''));
    socket.write(
      `GET ${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
        'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
    );
    const line = await promise;
    socket.destroy();
    return line;
  };
  expect(await answer('/other', 'localhost')).toBe('HTTP/1.1 404 Not Found');
  expect(await answer('/graphql', 'evil.example')).toBe('HTTP/1.1 421 Misdirected Request');
  expect(await answer('/graphql', 'localhost')).toBe('HTTP/1.1 101 Switching Protocols');
});

test('a stopping server ends sockets with 1012 and event streams with a reason, and frees the port', async () => {
  const other = await startTestServer(database.db);
  const { client, closed } = socketClient(other, { 'x-api-key': key });
  const waiting = client.iterate({ query: 'subscription { ticks }' }).next();
  waiting.catch(() => undefined);
  const events = await fetch(`${other.url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'text/event-stream', 'x-api-key': key },
    body: JSON.stringify({ query: 'subscription { ticks }' }),
  });
  const text = events.text();
  await until(() => openTicks() === 2);
  const start = performance.now();
  await Promise.all([other.stop(), other.stop()]);
  expect(performance.now() - start).toBeLessThan(1_900);
  expect(await closed).toMatchObject({ code: 1012 });
  expect(await text).toMatch(/"SERVICE_STOPPING".*event: complete/s);
  expect(openTicks()).toBe(0);
  await expect(fetch(`${other.url}/healthz`)).rejects.toThrow('fetch failed');
});
