/** Lists of executions live, through real sockets. */
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import type { Db } from '../../src/store/database.ts';
import { logChanges } from '../../src/store/listed-changes.ts';
import { describeDatabases } from '../support/databases.ts';
import { makeExecutionWith } from '../support/execution-rows.ts';
import { type ExecutionServer, startExecutionServer } from '../support/execution-server.ts';
import { makeProject, type ProjectRows } from '../support/rows.ts';
import { dig, openEvents, post, socketClient } from '../support/server.ts';
import { until } from '../support/until.ts';

const FOLLOW = `subscription ($after: Int, $filter: BatchExecutionFilter) {
  batchExecutionsUpdated(afterChange: $after, filter: $filter) { change kind id batchExecution { name status } } }`;

describeDatabases('a live list', (open) => {
  let db: Db;
  let server: ExecutionServer;
  let tenant: ProjectRows;
  beforeAll(async () => {
    db = await open();
    server = await startExecutionServer(db);
  });
  afterAll(async () => {
    await server.stop();
    await Promise.all([server.feed.stop(), server.lists.stop()]);
  });
  beforeEach(async () => {
    tenant = await makeProject(db, 'READER');
  });

  const change = async (id: string) => server.lists.announce(await logChanges(db, [id]));

  test('what changes between the list and its subscription is told, as is what comes then', async () => {
    const first = await makeExecutionWith(db, tenant.projectId, {});
    await change(first);
    const list = await post(
      server,
      tenant.key,
      '{ batchExecutions { ...L } } fragment L on BatchExecutionConnection { at: change nodes { id } }',
    );
    expect(dig(list, 'data', 'batchExecutions')).toEqual({ at: 1, nodes: [{ id: first }] });
    const second = await makeExecutionWith(db, tenant.projectId, {});
    await change(second);
    const { client } = socketClient(server, { authorization: `Bearer ${tenant.key}` });
    const events: unknown[] = [];
    client.subscribe(
      { query: FOLLOW, variables: { after: dig(list, 'data', 'batchExecutions', 'at') } },
      {
        next: (result) => events.push(dig(result, 'data', 'batchExecutionsUpdated')),
        error: () => undefined,
        complete: () => undefined,
      },
    );
    await until(() => events.length === 1);
    const third = await makeExecutionWith(db, tenant.projectId, { status: 'FAILED', endedAt: new Date() });
    await change(third);
    await until(() => events.length === 2);
    expect(events).toEqual([
      { change: 2, kind: 'ENTERED', id: second, batchExecution: { name: 'a-batch', status: 'QUEUED' } },
      { change: 3, kind: 'ENTERED', id: third, batchExecution: { name: 'a-batch', status: 'FAILED' } },
    ]);
    await client.dispose();
    await until(() => server.lists.watched() === 0);
  });

  test('a filter that is no good is refused before there is a stream', async () => {
    const bad = 'subscription { batchExecutionsUpdated(afterChange: -1) { id } }';
    const stream = await openEvents(server, tenant.key, bad);
    await stream.ended;
    expect(stream.text()).toContain('BAD_USER_INPUT');
    const filter = 'subscription { batchExecutionsUpdated(filter: { metadataAt: [{ path: "" }] }) { id } }';
    const other = await openEvents(server, tenant.key, filter);
    await other.ended;
    expect(other.text()).toContain('metadataAt');
    expect(server.lists.watched()).toBe(0);
  });
});
