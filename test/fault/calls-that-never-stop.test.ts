/** Calls that ignore their timeout or abort hold their slots: the execution says so. */
import { expect, test } from 'vitest';
import { cancelBatchExecution } from '../../src/services/cancel-batch-execution.ts';
import { retryFailedItems } from '../../src/services/retry-failed-items.ts';
import { describeDatabases } from '../support/databases.ts';
import { checkWhole, startEngine } from '../support/engine-harness.ts';
import { until } from '../support/until.ts';

describeDatabases('calls that never stop', (open) => {
  test('are told of while they hold every slot, and no more once they end', async () => {
    const db = await open();
    const harness = await startEngine(db, { pollMs: 100 });
    try {
      const { promise, resolve } = Promise.withResolvers<void>();
      let calls = 0;
      const run = async () => {
        calls += 1;
        if (calls <= 2) await promise;
      };
      const id = await harness.create(4, run, { concurrency: 2, itemTimeoutMs: 50, retryLimit: 0 });
      const stuck = await until(async () => {
        const execution = await harness.read(id);
        return execution.waitReason !== null && execution;
      });
      expect(stuck).toMatchObject({ status: 'RUNNING', running: 0, queued: 2, failed: 2, waitUntil: null });
      expect(stuck.waitReason).toMatch(/^Calls that were told to stop and have not hold its every slot \(2\)/);
      expect(harness.published.some(({ revision }) => revision === stuck.revision)).toBe(true);
      const lane = await db
        .selectFrom('executionLane')
        .selectAll()
        .where('executionId', '=', id)
        .executeTakeFirstOrThrow();
      expect(lane).toMatchObject({ overdueCalls: 2, overdueSince: expect.any(Date), overdueEpoch: lane.epoch });
      resolve();
      expect(await harness.ended(id)).toMatchObject({ succeeded: 2, failed: 2, waitReason: null });
      await checkWhole(db, id);
    } finally {
      await harness.engine.stop();
    }
  });

  test('of a round that was cancelled are told of in the next', async () => {
    const db = await open();
    const harness = await startEngine(db, { pollMs: 100, cancelGraceMs: 50 });
    try {
      const { promise, resolve } = Promise.withResolvers<void>();
      let calls = 0;
      const run = async () => {
        calls += 1;
        if (calls === 1) await promise;
      };
      const id = await harness.create(2, run, { concurrency: 1 });
      await until(async () => (await harness.read(id)).running === 1);
      await cancelBatchExecution(harness.deps, harness.actor, { batchExecutionId: id });
      await harness.ended(id);
      await retryFailedItems(harness.deps, harness.actor, {
        ...{ batchExecutionId: id, mode: 'ALL', statuses: ['CANCELLED'] },
      });
      const stuck = await until(async () => {
        const execution = await harness.read(id);
        return execution.waitReason !== null && execution;
      });
      expect(stuck).toMatchObject({ round: 1, running: 0 });
      expect(stuck.waitReason).toMatch(/hold its every slot \(1\)/);
      resolve();
      expect(await harness.ended(id)).toMatchObject({ status: 'COMPLETED', succeeded: 2 });
    } finally {
      await harness.engine.stop();
    }
  });
});
