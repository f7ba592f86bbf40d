import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Db } from '../../src/store/database.ts';
import { type FreshDatabase, freshEmbedded } from '../support/databases.ts';
import { makeProject, type ProjectRows } from '../support/rows.ts';
import {
  codeOf,
  dig,
  openEvents,
  post,
  rawSocket,
  socketClient,
  startTestServer,
  type TestServer,
} from '../support/server.ts';
import '../support/ticks.ts';

const VIEWER = '{ viewer { role project { id slug } customer { id } apiKey { id } } }';

let database: FreshDatabase;
let db: Db;
let server: TestServer;
let mine: ProjectRows;
let foreign: ProjectRows;

beforeAll(async () => {
  database = await freshEmbedded();
  db = database.db;
  server = await startTestServer(db);
  mine = await makeProject(db, 'MEMBER');
  foreign = await makeProject(db, 'MEMBER');
});
afterAll(async () => {
  await server.stop();
  await database.close();
});

const asProject = (headers: Record<string, string>) => post(server, null, VIEWER, {}, headers);

/** A key of the role in the project, and its secret. */
async function keyOf(project: ProjectRows, role: 'READER' | 'ADMIN' | 'OPERATOR'): Promise<string> {
  const other = await makeProject(db, role);
  await db
    .updateTable('apiKey')
    .set({ projectId: project.projectId, customerId: project.customerId })
    .where('id', '=', other.actor.keyId)
    .execute();
  return other.key;
}

describe('without a valid key', () => {
  test.each([
    ['no header', {}],
    ['an unknown key', { authorization: 'Bearer by_unknown_key_of_some_length' }],
    ['another scheme', { authorization: 'Basic dXNlcjpwYXNz' }],
    ['an endless key', { authorization: `Bearer ${'x'.repeat(5_000)}` }],
  ])('%s is UNAUTHENTICATED over HTTP', async (_name, headers) => {
    const answer = await asProject(headers);
    expect(answer.status).toBe(401);
    expect(codeOf(answer)).toBe('UNAUTHENTICATED');
    expect(answer.data).toBeUndefined();
  });

  test('not even introspection or __typename is answered', async () => {
    expect(codeOf(await post(server, null, '{ __typename }'))).toBe('UNAUTHENTICATED');
    expect(codeOf(await post(server, null, '{ __schema { types { name } } }'))).toBe('UNAUTHENTICATED');
  });

  test('server-sent events are UNAUTHENTICATED', async () => {
    const { response, text, ended } = await openEvents(server, 'by_unknown', 'subscription { ticks }');
    await ended;
    expect(response.status).toBe(401);
    expect(text()).toContain('"UNAUTHENTICATED"');
  });

  test.each([[{}], [{ authorization: 'Bearer by_unknown' }], [{ authorization: 42 }]])(
    'a socket with the parameters %j is closed with 4401',
    async (params) => {
      const { socket, closed } = await rawSocket(server);
      socket.send(JSON.stringify({ type: 'connection_init', payload: params }));
      const { code, reason } = await closed;
      expect(code).toBe(4401);
      expect(reason).toMatch(/^UNAUTHENTICATED: /);
    },
  );

  test('a socket that subscribes before it connects is closed with 4401', async () => {
    const { send, closed } = await rawSocket(server);
    send({ type: 'subscribe', id: '1', payload: { query: 'subscription { ticks }' } });
    expect((await closed).code).toBe(4401);
  });
});

describe('a valid key', () => {
  test.each([['authorization'], ['Authorization'], ['x-api-key'], ['Meibel-API-Key']])(
    'is taken from %s',
    async (name) => {
      const value = name.toLowerCase() === 'authorization' ? `bearer ${mine.key}` : mine.key;
      const answer = await asProject({ [name]: value });
      expect(answer.status).toBe(200);
      expect(dig(answer.data, 'viewer', 'project', 'id')).toBe(mine.projectId);
    },
  );

  test.each([['authorization'], ['Authorization'], ['X-API-Key'], ['meibel-api-key']])(
    'is taken from the connection parameter %s',
    async (name) => {
      const value = name.toLowerCase() === 'authorization' ? `Bearer ${mine.key}` : mine.key;
      const { client } = socketClient(server, { [name]: value });
      const { value: result } = await client.iterate({ query: VIEWER }).next();
      expect(dig(result, 'data', 'viewer', 'apiKey', 'id')).toBe(mine.actor.keyId);
      await client.dispose();
    },
  );

  test('notes its use at most once a minute', async () => {
    const lastUsed = async () =>
      (await db.selectFrom('apiKey').select('lastUsedAt').where('id', '=', mine.actor.keyId).executeTakeFirstOrThrow())
        .lastUsedAt;
    const start = server.clock.now.getTime();
    await post(server, mine.key, VIEWER);
    const first = (await lastUsed()) ?? new Date(0);
    server.clock.now = new Date(first.getTime() + 59_999);
    await post(server, mine.key, VIEWER);
    expect(await lastUsed()).toEqual(first);
    server.clock.now = new Date(first.getTime() + 60_000);
    await post(server, mine.key, VIEWER);
    expect(await lastUsed()).toEqual(server.clock.now);
    expect(first.getTime()).toBeLessThanOrEqual(start);
  });
});

describe('the tenant headers', () => {
  test('may name the own project and customer, by id or slug', async () => {
    const { slug } = await db
      .selectFrom('project')
      .select('slug')
      .where('id', '=', mine.projectId)
      .executeTakeFirstOrThrow();
    for (const headers of [
      { 'x-namespace': mine.projectId },
      { 'X-Namespace': slug },
      { 'X-Tenant-ID': mine.customerId },
      { 'X-Tenant-ID': slug, 'X-Namespace': slug },
    ]) {
      const answer = await post(server, mine.key, VIEWER, {}, headers as Record<string, string>);
      expect(dig(answer.data, 'viewer', 'project', 'id')).toBe(mine.projectId);
    }
  });

  test('naming what is foreign, unknown or malformed is FORBIDDEN, and looks the same', async () => {
    const answers = await Promise.all(
      [
        { 'x-namespace': foreign.projectId },
        { 'x-namespace': 'no-such-project' },
        { 'x-namespace': 'ill named / %00' },
        { 'x-tenant-id': foreign.customerId },
        { 'x-tenant-id': foreign.customerId, 'x-namespace': foreign.projectId },
        { 'x-tenant-id': 'x'.repeat(500) },
      ].map((headers) => post(server, mine.key, VIEWER, {}, headers as Record<string, string>)),
    );
    for (const answer of answers) {
      expect(answer.status).toBe(403);
      expect(codeOf(answer)).toBe('FORBIDDEN');
      expect(answer.errors).toEqual(answers[0]?.errors);
    }
  });

  test('a socket that names a foreign project is closed with 4403', async () => {
    const { socket, closed } = await rawSocket(server);
    const payload = { authorization: `Bearer ${mine.key}`, 'X-Namespace': foreign.projectId };
    socket.send(JSON.stringify({ type: 'connection_init', payload }));
    expect((await closed).code).toBe(4403);
  });

  test('an ADMIN chooses among the projects of its customer, an OPERATOR among all', async () => {
    const admin = await keyOf(mine, 'ADMIN');
    const created = await post(
      server,
      admin,
      'mutation { createProject(input: { name: "Second" }) { ... on CreateProjectSuccess { project { id } } } }',
    );
    const second = String(dig(created.data, 'createProject', 'project', 'id'));
    const chosen = await post(server, admin, VIEWER, {}, { 'x-namespace': 'second' });
    expect(dig(chosen.data, 'viewer', 'project', 'id')).toBe(second);
    expect(codeOf(await post(server, mine.key, VIEWER, {}, { 'x-namespace': 'second' }))).toBe('FORBIDDEN');
    expect(codeOf(await post(server, admin, VIEWER, {}, { 'x-tenant-id': foreign.customerId }))).toBe('FORBIDDEN');

    const operator = await keyOf(mine, 'OPERATOR');
    const away = await post(server, operator, VIEWER, {}, { 'x-tenant-id': foreign.customerId });
    expect(dig(away.data, 'viewer')).toMatchObject({
      project: { id: foreign.projectId },
      customer: { id: foreign.customerId },
    });
    expect(dig(away.data, 'viewer', 'apiKey', 'id')).toBeDefined();
  });
});
