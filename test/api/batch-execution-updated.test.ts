/** The live stream over real WebSockets and server-sent events. */
import type { Client } from 'graphql-ws';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { newId } from '../../src/domain/ids.ts';
import type { Db } from '../../src/store/database.ts';
import { type FreshDatabase, freshEmbedded } from '../support/databases.ts';
import { addItems, makeExecutionWith } from '../support/execution-rows.ts';
import { type ExecutionServer, startExecutionServer } from '../support/execution-server.ts';
import { settled } from '../support/feed-clock.ts';
import { makeProject, type ProjectRows } from '../support/rows.ts';
import { openEvents, post } from '../support/server.ts';
import { until } from '../support/until.ts';
import {
  clientWithSockets,
  change as commitChange,
  finish as commitEnd,
  WATCH,
  type WatchEvent,
  watch,
} from '../support/watching.ts';

interface Missed {
  readonly items: { readonly nodes: readonly { readonly ordinal: number; readonly revision: number }[] };
}

let database: FreshDatabase;
let db: Db;
let server: ExecutionServer;
let tenant: ProjectRows;
let clients: Client[];

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
  clients = [];
  tenant = await makeProject(db, 'READER');
});
afterEach(async () => {
  await Promise.all(clients.map((client) => client.dispose()));
  await until(() => server.feed.watched() === 0);
});

function connect(): Client {
  const { client } = clientWithSockets(server, tenant.key);
  clients.push(client);
  return client;
}

const change = (id: string, revision: number, ordinals: readonly number[]) =>
  commitChange(db, server, id, revision, ordinals);
const finish = (id: string, revision: number) => commitEnd(db, server, id, revision);

const running = (items = 10) =>
  makeExecutionWith(db, tenant.projectId, { status: 'RUNNING', startedAt: new Date(), total: items, queued: items });

const revisionsOf = (events: readonly WatchEvent[]) => events.map((event) => event.revision);

describe('over WebSocket', () => {
  test('first the present state, then each newer one, and the end after the final one', async () => {
    const id = await running();
    await addItems(
      db,
      id,
      Array.from({ length: 10 }, () => ({})),
    );
    const { events, ended } = watch(connect(), { id });
    await until(() => events.length === 1);
    await change(id, 2, [3, 4]);
    await until(() => events.length === 2);
    await change(id, 3, [4]);
    await change(id, 4, [5]);
    await until(() => events.at(-1)?.revision === 4);
    await finish(id, 5);
    expect(await ended).toBe('completed');
    expect(revisionsOf(events)).toEqual([...new Set(revisionsOf(events))].sort((a, b) => a - b));
    expect(events.every((event) => event.revision === event.batchExecution.revision)).toBe(true);
    expect(events[0]).toMatchObject({ revision: 1, changedItems: [], changedItemsTruncated: false });
    expect(events[1]?.changedItems.map((item) => item.ordinal)).toEqual([3, 4]);
    expect(events.at(-1)).toMatchObject({ revision: 5, batchExecution: { status: 'COMPLETED' } });
    expect(server.listeners(id)).toBe(0);
  });

  test('the items changed since the client left come with the first event', async () => {
    const id = await running();
    await addItems(
      db,
      id,
      Array.from({ length: 300 }, () => ({})),
    );
    await change(id, 2, [0]);
    await change(id, 3, [1, 2]);
    const few = watch(connect(), { id, afterRevision: 2 });
    await until(() => few.events[0]);
    expect(few.events[0]).toMatchObject({ revision: 3, changedItemsTruncated: false });
    expect(few.events[0]?.changedItems.map((item) => item.ordinal)).toEqual([1, 2]);
    await change(
      id,
      4,
      Array.from({ length: 150 }, (_, n) => 100 + n),
    );
    await until(() => few.events[1]);
    expect(few.events[1]).toMatchObject({ changedItemsTruncated: true, changedItems: { length: 100 } });
  });

  test('nothing comes first to a client that has the present state; one with a later state gets the present one', async () => {
    const id = await running();
    const [has, ahead] = [watch(connect(), { id, afterRevision: 1 }), watch(connect(), { id, afterRevision: 1_000 })];
    await until(() => ahead.events.length === 1 && server.listeners(id) === 1);
    expect(has.events).toEqual([]);
    await finish(id, 2);
    await Promise.all([has.ended, ahead.ended]);
    expect(revisionsOf(has.events)).toEqual([2]);
    expect(revisionsOf(ahead.events)).toEqual([1, 2]);
  });

  test('a client whose socket breaks again and again misses no item', async () => {
    const id = await running();
    const items = 400;
    await addItems(
      db,
      id,
      Array.from({ length: items }, () => ({})),
    );
    let last = 0;
    let connections = 0;
    let done = false;
    const known = new Map<number, number>();
    const learn = (changed: readonly { ordinal: number; revision: number }[]) => {
      for (const { ordinal, revision } of changed) known.set(ordinal, Math.max(revision, known.get(ordinal) ?? 0));
    };
    const missed = async (since: number) => {
      const query = `query ($id: ID!, $since: Int) { batchExecution(id: $id) {
        items(first: 1000, filter: {updatedAfterRevision: $since}) { nodes { ordinal revision } } } }`;
      const { data } = await post(server, tenant.key, query, { id, since });
      learn((data as { batchExecution: Missed }).batchExecution.items.nodes);
    };
    const reader = async () => {
      while (!done) {
        connections += 1;
        const { client, sockets } = clientWithSockets(server, tenant.key);
        let left = 3;
        try {
          const stream = client.iterate<{ batchExecutionUpdated: WatchEvent }>({
            query: WATCH,
            variables: { id, afterRevision: last },
          });
          for await (const { data } of stream) {
            const event = data?.batchExecutionUpdated;
            if (event === undefined) throw new Error('No event.');
            expect(event.revision).toBeGreaterThan(last);
            if (event.changedItemsTruncated) await missed(last);
            learn(event.changedItems);
            last = event.revision;
            done = event.batchExecution.status === 'COMPLETED';
            left -= 1;
            // The socket is gone in the middle of the stream, without a goodbye.
            if (left === 0) sockets[0]?.terminate();
          }
        } catch (error) {
          if (error instanceof Error && error.message !== 'No event.') throw error;
        }
        await client.dispose();
      }
    };
    const reading = reader();
    let revision = 1;
    while (revision < 300 || connections < 6) {
      revision += 1;
      await change(id, revision, [(revision * 7) % items, (revision * 13) % items]);
      // The embedded database answers without giving way to sockets.
      await Promise.race([reading, settled()]);
    }
    await finish(id, revision + 1);
    await reading;
    const rows = await db
      .selectFrom('batchItem')
      .select(['ordinal', 'revision'])
      .where('executionId', '=', id)
      .execute();
    const changed = rows.filter((row) => row.revision > 1).map((row) => [row.ordinal, row.revision] as const);
    expect([...known].filter(([, revision]) => revision > 1).sort((a, b) => a[0] - b[0])).toEqual(
      changed.sort((a, b) => a[0] - b[0]),
    );
  });

  test('a thousand streams of one execution share one listener, and all see its end', async () => {
    const id = await running();
    const streams = Array.from({ length: 10 }, () => connect()).flatMap((client) =>
      Array.from({ length: 100 }, () => watch(client, { id })),
    );
    await until(() => streams.every(({ events }) => events.length === 1), 20_000);
    expect(server.listeners(id)).toBe(1);
    await finish(id, 2);
    for (const { ended, events } of streams) {
      expect(await ended).toBe('completed');
      expect(revisionsOf(events)).toEqual([1, 2]);
    }
    expect(server.listeners(id)).toBe(0);
  });

  test('a client that leaves or is lost leaves no listener behind', async () => {
    const id = await running();
    const client = connect();
    const streams = [watch(client, { id }), watch(client, { id }), watch(connect(), { id })];
    await until(() => streams.every(({ events }) => events.length === 1));
    expect(server.listeners(id)).toBe(1);
    streams[0]?.leave();
    streams[2]?.leave();
    await streams[2]?.ended;
    expect(server.listeners(id)).toBe(1);
    client.terminate();
    await until(() => server.listeners(id) === 0);
    expect(server.feed.watched()).toBe(0);
  });

  test.each([
    ['unknown', async () => newId('BatchExecution')],
    ['malformed', async () => 'exec_1'],
    ['foreign', async () => makeExecutionWith(db, (await makeProject(db)).projectId, {})],
  ])('an id that is %s is an error before the stream starts, and the connection stays', async (_name, idOf) => {
    const client = connect();
    const { errors, ended, events } = watch(client, { id: await idOf() });
    await ended;
    expect(events).toEqual([]);
    expect(errors).toMatchObject([{ extensions: { code: 'NOT_FOUND' } }]);
    const id = await running();
    const next = watch(client, { id });
    await until(() => next.events.length === 1);
  });

  test('a negative revision is an error before the stream starts', async () => {
    const { errors, ended } = watch(connect(), { id: await running(), afterRevision: -1 });
    await ended;
    expect(errors).toMatchObject([{ extensions: { code: 'BAD_USER_INPUT' } }]);
  });
});

describe('over server-sent events', () => {
  const query = (id: string, args = '') =>
    `subscription { batchExecutionUpdated(id: "${id}"${args}) { revision batchExecution { status } } }`;
  const revisions = (text: string) => [...text.matchAll(/"revision":(\d+)/g)].map(([, revision]) => Number(revision));

  test('the same events come, and the stream completes after the final state', async () => {
    const id = await running();
    const stream = await openEvents(server, tenant.key, query(id));
    await until(() => revisions(stream.text()).length === 1);
    await change(id, 2, [0]);
    await until(() => revisions(stream.text()).length === 2);
    await finish(id, 3);
    await stream.ended;
    expect(revisions(stream.text())).toEqual([1, 2, 3]);
    expect(stream.text()).toContain('event: complete');
    expect(server.listeners(id)).toBe(0);
  });

  test('a request that is aborted leaves no listener behind', async () => {
    const id = await running();
    const stream = await openEvents(server, tenant.key, query(id));
    await until(() => revisions(stream.text()).length === 1);
    expect(server.listeners(id)).toBe(1);
    stream.abort();
    await until(() => server.listeners(id) === 0);
  });

  test('a foreign id is refused', async () => {
    const foreign = await makeExecutionWith(db, (await makeProject(db)).projectId, {});
    const stream = await openEvents(server, tenant.key, query(foreign));
    await stream.ended;
    expect(stream.text()).toContain('NOT_FOUND');
    expect(server.listeners(foreign)).toBe(0);
  });
});
