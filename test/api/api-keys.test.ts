import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Db } from '../../src/store/database.ts';
import { type FreshDatabase, freshEmbedded } from '../support/databases.ts';
import { makeProject, type ProjectRows } from '../support/rows.ts';
import {
  type Answer,
  codeOf,
  dig,
  openEvents,
  post,
  socketClient,
  startTestServer,
  type TestServer,
} from '../support/server.ts';
import { openTicks, tick } from '../support/ticks.ts';
import { until } from '../support/until.ts';

let database: FreshDatabase;
let db: Db;
let server: TestServer;
let operator: ProjectRows;
let admin: ProjectRows;

beforeAll(async () => {
  database = await freshEmbedded();
  db = database.db;
  server = await startTestServer(db);
  operator = await makeProject(db, 'OPERATOR');
  admin = await makeProject(db, 'ADMIN');
});
afterAll(async () => {
  await server.stop();
  await database.close();
});

const ERRORS = '... on UserError { code message } ... on ValidationError { issues { loc msg type } }';
const CREATE_KEY = `mutation ($input: CreateApiKeyInput!) { createApiKey(input: $input) {
  ... on CreateApiKeySuccess { secret apiKey { id role prefix expiresAt project { id } } } ${ERRORS} } }`;
const ROTATE = `mutation ($input: RotateApiKeyInput!) { rotateApiKey(input: $input) {
  ... on RotateApiKeySuccess { secret apiKey { id name role } previous { id expiresAt } } ${ERRORS} } }`;
const REVOKE = `mutation ($input: RevokeApiKeyInput!) { revokeApiKey(input: $input) {
  ... on RevokeApiKeySuccess { apiKey { revokedAt } } ... on InvalidStateError { status } ${ERRORS} } }`;

async function createKey(input: Record<string, unknown> = {}, by = admin.key): Promise<{ id: string; secret: string }> {
  const answer = await post(server, by, CREATE_KEY, { input: { name: 'A key', role: 'MEMBER', ...input } });
  const made = dig(answer.data, 'createApiKey');
  expect(made).toMatchObject({ secret: expect.any(String) });
  return { id: String(dig(made, 'apiKey', 'id')), secret: String(dig(made, 'secret')) };
}
const works = async (key: string): Promise<boolean> => (await post(server, key, '{ __typename }')).status === 200;
const rotate = (apiKeyId: string, overlapMs?: number, by = admin.key): Promise<Answer> =>
  post(server, by, ROTATE, { input: { apiKeyId, ...(overlapMs !== undefined && { overlapMs }) } });
const revoke = (apiKeyId: string, by = admin.key): Promise<Answer> => post(server, by, REVOKE, { input: { apiKeyId } });

describe('keys', () => {
  test('a made key works, is shown once and stored only as a hash', async () => {
    const { id, secret } = await createKey();
    expect(secret).toMatch(/^by_[a-z0-9]{8}_[A-Za-z0-9_-]{43}$/);
    expect(await works(secret)).toBe(true);
    const rows = await db.selectFrom('apiKey').selectAll().where('id', '=', id).execute();
    expect(JSON.stringify(rows)).not.toContain(secret.slice(12));
    expect(rows[0]?.prefix).toBe(secret.slice(0, 11));
  });

  test('every problem of a key is told at once, with its place', async () => {
    const answer = await post(server, admin.key, CREATE_KEY, {
      input: { name: ' ', role: 'MEMBER', expiresAt: '2001-01-01T00:00:00Z' },
    });
    expect(dig(answer.data, 'createApiKey', 'code')).toBe('VALIDATION_FAILED');
    expect(dig(answer.data, 'createApiKey', 'issues')).toMatchObject([
      { loc: ['input', 'name'] },
      { loc: ['input', 'expiresAt'] },
    ]);
  });

  test('a foreign project is not found', async () => {
    const answer = await post(server, admin.key, CREATE_KEY, {
      input: { name: 'A key', role: 'MEMBER', projectId: operator.projectId },
    });
    expect(dig(answer.data, 'createApiKey', 'code')).toBe('NOT_FOUND');
  });

  test('nobody makes, rotates or revokes a key above the own role', async () => {
    const input = { name: 'A key', role: 'OPERATOR' };
    expect(codeOf(await post(server, admin.key, CREATE_KEY, { input }))).toBe('FORBIDDEN');
    const strong = await makeProject(db, 'OPERATOR');
    const { customerId, projectId } = admin;
    await db.updateTable('apiKey').set({ customerId, projectId }).where('id', '=', strong.actor.keyId).execute();
    expect(codeOf(await rotate(strong.actor.keyId))).toBe('FORBIDDEN');
    expect(codeOf(await revoke(strong.actor.keyId))).toBe('FORBIDDEN');
  });

  test('MEMBER keys make no keys and list none', async () => {
    const { secret } = await createKey();
    expect(codeOf(await post(server, secret, CREATE_KEY, { input: { name: 'x', role: 'READER' } }))).toBe('FORBIDDEN');
    expect(codeOf(await post(server, secret, '{ apiKeys { nodes { id } } }'))).toBe('FORBIDDEN');
  });

  test('READER keys change nothing', async () => {
    const { secret } = await createKey({ role: 'READER' });
    const answer = await post(server, secret, 'mutation { createProject(input: { name: "x" }) { __typename } }');
    expect(codeOf(answer)).toBe('FORBIDDEN');
  });

  test('a key ends at its expiry', async () => {
    const expiresAt = new Date(server.clock.now.getTime() + 1_000).toISOString();
    const { secret } = await createKey({ expiresAt });
    expect(await works(secret)).toBe(true);
    server.clock.now = new Date(expiresAt);
    expect(await works(secret)).toBe(false);
  });

  test('a rotated key ends at once, its successor takes over name, role and project', async () => {
    const { id, secret } = await createKey({ name: 'Worker', role: 'READER' });
    const rotated = dig((await rotate(id)).data, 'rotateApiKey');
    expect(rotated).toMatchObject({ apiKey: { name: 'Worker', role: 'READER' }, previous: { id } });
    expect(await works(secret)).toBe(false);
    expect(await works(String(dig(rotated, 'secret')))).toBe(true);
  });

  test('a rotation with overlap leaves both keys valid for that time', async () => {
    const { id, secret } = await createKey();
    await rotate(id, 60_000);
    expect(await works(secret)).toBe(true);
    server.clock.now = new Date(server.clock.now.getTime() + 60_000);
    expect(await works(secret)).toBe(false);
  });

  test.each([[-1], [7 * 86_400_000 + 1]])('an overlap of %d ms is refused', async (overlapMs) => {
    const { id } = await createKey();
    expect(dig((await rotate(id, overlapMs)).data, 'rotateApiKey', 'issues')).toMatchObject([
      { loc: ['input', 'overlapMs'] },
    ]);
  });

  test('a key that has ended cannot be rotated', async () => {
    const { id } = await createKey();
    await revoke(id);
    expect(dig((await rotate(id)).data, 'rotateApiKey', 'code')).toBe('INVALID_STATE');
  });

  test('a revoked key is refused at once; revoking it again changes nothing', async () => {
    const { id, secret } = await createKey();
    const first = dig((await revoke(id)).data, 'revokeApiKey', 'apiKey', 'revokedAt');
    expect(await works(secret)).toBe(false);
    server.clock.now = new Date(server.clock.now.getTime() + 1_000);
    expect(dig((await revoke(id)).data, 'revokeApiKey', 'apiKey', 'revokedAt')).toBe(first);
  });

  test.each([['key_unknown'], ['nonsense'], ['key_AAAAAAAAAAAAAAAAAAAAA']])('the id %s is not found', async (id) => {
    expect(dig((await revoke(id)).data, 'revokeApiKey', 'code')).toBe('NOT_FOUND');
    expect(dig((await rotate(id)).data, 'rotateApiKey', 'code')).toBe('NOT_FOUND');
  });

  test("another customer's key is not found", async () => {
    expect(dig((await revoke(operator.actor.keyId)).data, 'revokeApiKey', 'code')).toBe('NOT_FOUND');
  });
});

describe('an open subscription', () => {
  test('over WebSocket ends with 4401 when its key is revoked', async () => {
    const { id, secret } = await createKey();
    const { client, closed } = socketClient(server, { authorization: `Bearer ${secret}` });
    const stream = client.iterate({ query: 'subscription { ticks }' });
    const first = stream.next();
    first.catch(() => undefined);
    await until(() => openTicks() === 1);
    tick(1);
    expect(await first).toMatchObject({ value: { data: { ticks: 1 } } });
    const second = stream.next().catch((error: unknown) => error);
    await revoke(id);
    expect(await closed).toMatchObject({ code: 4401 });
    expect(await second).toMatchObject({ code: 4401 });
    await until(() => openTicks() === 0);
  });

  test('over server-sent events ends with UNAUTHENTICATED when its key expires', async () => {
    const expiresAt = new Date(server.clock.now.getTime() + 1_000).toISOString();
    const { secret } = await createKey({ expiresAt });
    const events = await openEvents(server, secret, 'subscription { ticks }');
    await until(() => openTicks() === 1);
    tick(7);
    await until(() => events.text().includes('{"ticks":7}'));
    server.clock.now = new Date(expiresAt);
    await events.ended;
    expect(events.text()).toMatch(/"UNAUTHENTICATED".*event: complete/s);
    expect(openTicks()).toBe(0);
  });
});
