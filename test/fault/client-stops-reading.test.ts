/** Clients that stay connected and stop reading, while an execution changes thousands of times. */
import type { Client } from 'graphql-ws';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import type { Db } from '../../src/store/database.ts';
import { type FreshDatabase, freshEmbedded } from '../support/databases.ts';
import { makeExecutionWith } from '../support/execution-rows.ts';
import { type ExecutionServer, startExecutionServer } from '../support/execution-server.ts';
import { makeProject, type ProjectRows } from '../support/rows.ts';
import { until } from '../support/until.ts';
import { clientWithSockets, finish, watch } from '../support/watching.ts';

/** More than would end the process of a plain pub/sub, many times over. */
const EVENTS_PER_STATE = 50;
const STATES = 40;

let database: FreshDatabase;
let db: Db;
let server: ExecutionServer;
let tenant: ProjectRows;
let id: string;
let eager: ReturnType<typeof watch>;
let eagerClient: Client;

beforeAll(async () => {
  database = await freshEmbedded();
  ({ db } = database);
  server = await startExecutionServer(db);
});
afterAll(async () => {
  await server.stop();
  await server.feed.stop();
  await database.close();
});
beforeEach(async () => {
  tenant = await makeProject(db, 'READER');
  // Each event is so large that the buffers of the system hold few of them.
  const metadata = JSON.stringify('x'.repeat(1_000_000));
  id = await makeExecutionWith(db, tenant.projectId, { status: 'RUNNING', startedAt: new Date(), metadata });
  ({ client: eagerClient } = clientWithSockets(server, tenant.key));
  eager = watch(eagerClient, { id }, query('$id'));
  await until(() => eager.events.length === 1);
});

const query = (reference: string) =>
  `subscription ${reference === '$id' ? '($id: ID!)' : ''} { batchExecutionUpdated(id: ${reference}) {
    revision batchExecution { status metadata } } }`;

/** Moves the execution through its states to its end; each state reaches the eager client before the next. */
async function runToItsEnd(): Promise<void> {
  for (let revision = 2; revision <= STATES; revision += 1) {
    await db.updateTable('batchExecution').set({ revision }).where('id', '=', id).execute();
    for (let n = 0; n < EVENTS_PER_STATE; n += 1) server.publish(id, revision);
    await until(() => eager.events.at(-1)?.revision === revision);
  }
  await finish(db, server, id, STATES + 1);
  await eager.ended;
  await eagerClient.dispose();
  expect(eager.events).toHaveLength(STATES + 1);
}

test('over WebSocket: it holds up nobody, no events are kept for it, and it skips to the final state', async () => {
  const { client, sockets } = clientWithSockets(server, tenant.key);
  const slow = watch(client, { id }, query('$id'));
  await until(() => slow.events.length === 1);
  sockets[0]?.pause();
  await runToItsEnd();
  // It has not taken the final state yet: the bytes of an event wait in its socket, and the states behind do not.
  expect(server.listeners(id)).toBe(1);
  sockets[0]?.resume();
  expect(await slow.ended).toBe('completed');
  expect(slow.events.at(-1)).toMatchObject({ revision: STATES + 1, batchExecution: { status: 'COMPLETED' } });
  expect(slow.events.length).toBeLessThan(STATES / 2);
  expect(server.listeners(id)).toBe(0);
  await client.dispose();
});

test('over server-sent events: the same', async () => {
  const response = await fetch(`${server.url}/graphql`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      ...{ accept: 'text/event-stream', authorization: `Bearer ${tenant.key}` },
    },
    body: JSON.stringify({ query: query(`"${id}"`) }),
  });
  await runToItsEnd();
  expect(server.listeners(id)).toBe(1);
  const revisions = [...(await response.text()).matchAll(/"revision":(\d+)/g)].map(([, revision]) => Number(revision));
  expect(revisions.at(-1)).toBe(STATES + 1);
  expect(revisions.length).toBeLessThan(STATES / 2);
  expect(server.listeners(id)).toBe(0);
});
