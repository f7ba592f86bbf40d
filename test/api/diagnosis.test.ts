/** Asking why an execution is as it is. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { itemId } from '../../src/domain/ids.ts';
import type { Db } from '../../src/store/database.ts';
import { describeDatabases } from '../support/databases.ts';
import { addItems, makeExecutionWith, makeTieredExecution } from '../support/execution-rows.ts';
import { type ExecutionServer, startExecutionServer } from '../support/execution-server.ts';
import { makeProject, type ProjectRows } from '../support/rows.ts';
import { dig, post } from '../support/server.ts';

const NOW = new Date('2026-11-22T12:00:00.000Z');
const ago = (seconds: number): Date => new Date(NOW.getTime() - seconds * 1_000);

describeDatabases('diagnosis', (open) => {
  let db: Db;
  let server: ExecutionServer;
  let project: ProjectRows;
  beforeAll(async () => {
    db = await open();
    project = await makeProject(db);
    server = await startExecutionServer(db, { now: () => NOW });
  });
  afterAll(() => server.stop());

  async function read(id: string, fields: string): Promise<unknown> {
    const answer = await post(server, project.key, `{ batchExecution(id: "${id}") { ${fields} } }`);
    return dig(answer.data, 'batchExecution') ?? answer.errors;
  }
  const DIAGNOSIS = `diagnosis { health reason blockedReason stuckMs overdueCalls failureCategory at
    failures { category code tier transient count } failedItems { id error { code } }
    recommendations { kind text action { mutation input } } infrastructureEvents { kind count at text } }`;

  test('of an ended execution names its failures by kind, the first of them, and what would help', async () => {
    const failed = (count: number, code: string, errorCategory: 'TIMEOUT' | 'VALIDATION', tier = 0) =>
      Array.from({ length: count }, () => ({
        ...{ status: 'FAILED' as const, errorCode: code, errorCategory, errorTransient: errorCategory === 'TIMEOUT' },
        ...{ tier, startedAt: ago(9), endedAt: ago(9) },
      }));
    const counts = { total: 20, succeeded: 5, failed: 15, status: 'COMPLETED_WITH_ERRORS' as const };
    const id = await makeExecutionWith(db, project.projectId, { ...counts, startedAt: ago(60), endedAt: ago(1) });
    await addItems(db, id, [
      ...Array.from({ length: 5 }, () => ({ status: 'SUCCEEDED' as const })),
      ...failed(12, 'timeout', 'TIMEOUT'),
      ...failed(3, 'output_mismatch', 'VALIDATION', 1),
    ]);
    expect(await read(id, DIAGNOSIS)).toMatchObject({
      diagnosis: {
        ...{ health: 'FAILING', reason: 'It has ended; 15 of 20 items failed.', blockedReason: null, stuckMs: null },
        ...{ failureCategory: 'TIMEOUT', overdueCalls: 0, infrastructureEvents: [], at: NOW.toISOString() },
        failures: [
          { category: 'TIMEOUT', code: 'timeout', tier: 0, transient: true, count: 12 },
          { category: 'VALIDATION', code: 'output_mismatch', tier: 1, transient: false, count: 3 },
        ],
        failedItems: Array.from({ length: 10 }, (_, n) => ({ id: itemId(id, n + 5) })),
        recommendations: [
          { kind: 'RAISE_TIMEOUT', action: null },
          { kind: 'FIX_OUTPUT', action: null },
          { kind: 'RETRY_TRANSIENT', action: { mutation: 'retryFailedItems', input: { mode: 'TRANSIENT_ONLY' } } },
          {
            kind: 'RETRY_ALL',
            action: {
              mutation: 'retryFailedItems',
              input: { batchExecutionId: id, mode: 'ALL', maxRetryCount: null },
            },
          },
        ],
      },
    });
  });

  test('of one whose slots are held says so, and what befell its nodes; what an earlier holder noted does not count', async () => {
    const counts = { total: 9, queued: 9, concurrency: 2, status: 'RUNNING' as const, startedAt: ago(600) };
    const id = await makeExecutionWith(db, project.projectId, { ...counts, lastActivityAt: ago(120) });
    await addItems(
      db,
      id,
      Array.from({ length: 9 }, (_, n) => ({ deaths: n === 3 ? 1 : 0 })),
    );
    const lane = { executionId: id, no: 0, share: 2, owner: 'node-1', epoch: 3 };
    const noted = { overdueCalls: 2, overdueSince: ago(120), overdueEpoch: 3, takeovers: 1, takenOverAt: ago(500) };
    await db
      .insertInto('executionLane')
      .values({ ...lane, ...noted })
      .execute();
    expect(await read(id, DIAGNOSIS)).toMatchObject({
      diagnosis: {
        ...{ health: 'STUCK', blockedReason: 'OVERDUE_CALLS', stuckMs: 120_000, overdueCalls: 2, failedItems: [] },
        infrastructureEvents: [
          { kind: 'NODE_LOST', count: 1, at: ago(500).toISOString() },
          { kind: 'ITEMS_INTERRUPTED', count: 1 },
          { kind: 'CALLS_OVERDUE', count: 2, at: ago(120).toISOString() },
        ],
      },
    });
    await db.updateTable('executionLane').set({ epoch: 4, owner: null }).where('executionId', '=', id).execute();
    expect(await read(id, DIAGNOSIS)).toMatchObject({
      diagnosis: { health: 'STUCK', blockedReason: 'NO_NODE', failureCategory: 'ORPHANED', overdueCalls: 0 },
    });
  });

  test('waits with an instant are told from the items, and foreign executions are not diagnosed', async () => {
    const id = await makeExecutionWith(db, project.projectId, {
      ...{ total: 2, retrying: 2, status: 'RUNNING', startedAt: ago(600), lastActivityAt: ago(120) },
    });
    const runAfter = new Date(NOW.getTime() + 60_000);
    const waiting = { errorCode: 'e', errorCategory: 'NETWORK' as const, errorTransient: true };
    await addItems(db, id, [
      { status: 'RETRYING', runAfter, ...waiting },
      { status: 'RETRYING', runAfter: new Date(runAfter.getTime() + 1), ...waiting },
    ]);
    await db.insertInto('executionLane').values({ executionId: id, no: 0, share: 2, owner: 'node-1' }).execute();
    expect(await read(id, DIAGNOSIS)).toMatchObject({
      diagnosis: {
        health: 'WAITING',
        blockedReason: 'BACKOFF',
        reason: expect.stringContaining(runAfter.toISOString()),
      },
    });
    const foreign = await makeProject(db);
    const answer = await post(server, foreign.key, `{ batchExecution(id: "${id}") { diagnosis { health } } }`);
    expect(answer.data).toEqual({ batchExecution: null });
  });

  test('progress names the tier that items are still open in, of how many', async () => {
    const counts3 = { total: 3, queued: 1, running: 1, succeeded: 1, status: 'RUNNING' as const };
    const tierCounts = [1, 0, 0, 0, 0, 0, 0, ...[0, 1, 0, 1, 0, 0, 0]];
    const id = await makeTieredExecution(db, project.projectId, 3, { ...counts3, tierCounts, startedAt: ago(9) });
    await addItems(db, id, [
      { status: 'SUCCEEDED', tier: 2 },
      { status: 'RUNNING', tier: 2 },
      { status: 'QUEUED', tier: 1 },
    ]);
    const progress = 'progress { percent itemsPerSecond estimatedEndAt lastActivityAt currentTier tierCount }';
    expect(await read(id, progress)).toMatchObject({ progress: { percent: 33.33, currentTier: 1, tierCount: 3 } });
    const counts = { total: 1, succeeded: 1, status: 'COMPLETED' as const, startedAt: ago(9), endedAt: ago(1) };
    const ended = await makeExecutionWith(db, project.projectId, counts);
    expect(await read(ended, progress)).toMatchObject({ progress: { percent: 100, currentTier: null, tierCount: 1 } });
  });
});
