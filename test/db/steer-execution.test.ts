/** Pausing, changing, sampling, deadlines and tolerated failures. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { cancelBatchExecution } from '../../src/services/cancel-batch-execution.ts';
import { pauseBatchExecution, resumeBatchExecution } from '../../src/services/pause-batch-execution.ts';
import { retryFailedItems } from '../../src/services/retry-failed-items.ts';
import { updateBatchExecution } from '../../src/services/update-batch-execution.ts';
import type { Db } from '../../src/store/database.ts';
import { describeDatabases } from '../support/databases.ts';
import { checkWhole, type Harness, startEngine } from '../support/engine-harness.ts';
import { until } from '../support/until.ts';

/** An agent whose calls end when the test lets them. */
function gatedAgent() {
  const open: (() => void)[] = [];
  let free = false;
  return {
    running: () => open.length,
    release: (count: number) => open.splice(0, count).forEach((end) => end()),
    releaseAll: () => {
      free = true;
      open.splice(0).forEach((end) => end());
    },
    run: ({ signal }: { signal: AbortSignal }) =>
      free
        ? 'done'
        : new Promise((resolve, reject) => {
            const end = () => resolve('done');
            open.push(end);
            signal.addEventListener('abort', () => {
              open.splice(open.indexOf(end), 1);
              reject(signal.reason);
            });
          }),
  };
}

describeDatabases('steering an execution', (open) => {
  let db: Db;
  let harness: Harness;
  beforeAll(async () => {
    db = await open();
    harness = await startEngine(db);
  });
  afterAll(() => harness.engine.stop());
  const running = async (id: string): Promise<boolean> => (await harness.read(id)).status === 'RUNNING';
  const target = (id: string) => ({ batchExecutionId: id });

  test('a pause starts nothing more and lets what runs finish; a resume goes on where it was', async () => {
    const agent = gatedAgent();
    const id = await harness.create(30, agent.run, { concurrency: 4 });
    await until(async () => agent.running() === 4 && (await running(id)));
    expect(await pauseBatchExecution(harness.deps, harness.actor, target(id))).toMatchObject({
      status: 'PAUSED',
      pauseReason: 'USER',
    });
    expect(await pauseBatchExecution(harness.deps, harness.actor, target(id))).toMatchObject({ status: 'PAUSED' });
    agent.release(4);
    await until(async () => (await harness.read(id)).succeeded === 4);
    // A second look of the engine, which would start more if it did not keep to the pause.
    harness.engine.wake(id);
    await until(async () => (await harness.read(id)).running === 0);
    expect(agent.running()).toBe(0);
    await checkWhole(db, id);
    expect(await resumeBatchExecution(harness.deps, harness.actor, target(id))).toMatchObject({
      status: 'RUNNING',
      pauseReason: null,
    });
    await until(() => agent.running() === 4);
    agent.releaseAll();
    expect(await harness.ended(id)).toMatchObject({ status: 'COMPLETED', succeeded: 30 });
    await checkWhole(db, id);
    await expect(pauseBatchExecution(harness.deps, harness.actor, target(id))).rejects.toMatchObject({
      code: 'INVALID_STATE',
    });
  });

  test('a paused execution can be cancelled', async () => {
    const agent = gatedAgent();
    const id = await harness.create(30, agent.run, { concurrency: 4 });
    await until(async () => agent.running() === 4 && (await running(id)));
    await pauseBatchExecution(harness.deps, harness.actor, target(id));
    await cancelBatchExecution(harness.deps, harness.actor, target(id));
    expect(await harness.ended(id)).toMatchObject({ status: 'CANCELLED', cancelled: 30, pauseReason: null });
    await checkWhole(db, id);
  });

  test('a changed concurrency is followed at once, up and down', async () => {
    const agent = gatedAgent();
    const id = await harness.create(60, agent.run, { concurrency: 2 });
    await until(async () => agent.running() === 2 && (await running(id)));
    await updateBatchExecution(harness.deps, harness.actor, { batchExecutionId: id, concurrency: 9 });
    await until(() => agent.running() === 9);
    await updateBatchExecution(harness.deps, harness.actor, { batchExecutionId: id, concurrency: 3 });
    await until(() => {
      if (agent.running() > 3) agent.release(1);
      return agent.running() === 3;
    });
    agent.releaseAll();
    expect(await harness.ended(id)).toMatchObject({ status: 'COMPLETED', concurrency: 3 });
    await expect(
      updateBatchExecution(harness.deps, harness.actor, { batchExecutionId: id, concurrency: 4 }),
    ).rejects.toMatchObject({ code: 'INVALID_STATE' });
    await expect(
      updateBatchExecution(harness.deps, harness.actor, {
        batchExecutionId: id,
        concurrency: 0,
        retryLimit: -1,
        priority: 11,
      }),
    ).rejects.toMatchObject({ issues: { length: 3 } });
  });

  test('a changed retry limit counts for the next failure', async () => {
    const gate = Promise.withResolvers<void>();
    let calls = 0;
    const id = await harness.create(
      1,
      async () => {
        calls += 1;
        await gate.promise;
        throw new Error('no');
      },
      { retryLimit: 999 },
    );
    await until(() => calls === 1);
    await updateBatchExecution(harness.deps, harness.actor, { batchExecutionId: id, retryLimit: 0 });
    await until(async () => (await harness.read(id)).retryLimit === 0);
    harness.engine.wake(id);
    gate.resolve();
    expect(await harness.ended(id)).toMatchObject({ status: 'FAILED' });
    expect(calls).toBeLessThan(4);
  });

  test('a sample runs the first items and pauses; a resume runs the rest', async () => {
    const seen: number[] = [];
    const id = await harness.create(
      200,
      ({ item }) => void seen.push(item.ordinal),
      { concurrency: 5 },
      { sampleSize: 7 },
    );
    const paused = await until(async () => {
      const execution = await harness.read(id);
      return execution.status === 'PAUSED' && execution;
    });
    expect(paused).toMatchObject({ pauseReason: 'SAMPLE', succeeded: 7, queued: 193, sampleSize: 7 });
    expect(seen.sort((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5, 6]);
    await resumeBatchExecution(harness.deps, harness.actor, target(id));
    expect(await harness.ended(id)).toMatchObject({ status: 'COMPLETED', succeeded: 200, sampleSize: null });
    await checkWhole(db, id);
  });

  test('a sample as large as the whole needs no resume', async () => {
    const id = await harness.create(3, () => 1, {}, { sampleSize: 3 });
    expect(await harness.ended(id)).toMatchObject({ status: 'COMPLETED', succeeded: 3 });
  });

  test('a deadline ends it as EXPIRED and keeps what finished; a retry then needs a new one', async () => {
    const agent = gatedAgent();
    const id = await harness.create(20, agent.run, { concurrency: 3 });
    await until(async () => agent.running() === 3 && (await running(id)));
    agent.release(2);
    await until(async () => (await harness.read(id)).succeeded === 2);
    const deadlineAt = new Date(Date.now() + 200);
    await updateBatchExecution(harness.deps, harness.actor, { batchExecutionId: id, deadlineAt });
    const expired = await harness.ended(id);
    expect(expired).toMatchObject({ status: 'EXPIRED', succeeded: 2, expired: 18, running: 0 });
    expect(expired.endedAt?.getTime()).toBeGreaterThanOrEqual(deadlineAt.getTime());
    expect(agent.running()).toBe(0);
    await checkWhole(db, id);

    const retry = { batchExecutionId: id, statuses: ['EXPIRED' as const] };
    await expect(retryFailedItems(harness.deps, harness.actor, retry)).rejects.toMatchObject({
      issues: [{ loc: ['input', 'deadlineAt'] }],
    });
    agent.releaseAll();
    const answer = await retryFailedItems(harness.deps, harness.actor, {
      ...retry,
      deadlineAt: new Date(Date.now() + 60_000),
    });
    expect(answer.retriedCount).toBe(18);
    expect(await harness.ended(id)).toMatchObject({ status: 'COMPLETED', succeeded: 20, expired: 0 });
    await checkWhole(db, id);
  });

  test('more failures than the tolerated number end it early as FAILED, with the reason', async () => {
    const id = await harness.create(
      5_000,
      ({ item }) => {
        if (item.ordinal % 2 === 1) throw Object.assign(new Error('no'), { transient: false });
        return 1;
      },
      { concurrency: 5 },
      { toleratedFailures: 10 },
    );
    const ended = await harness.ended(id);
    expect(ended.status).toBe('FAILED');
    expect(ended.error).toMatch(/^\d+ of \d+ items failed, more than is tolerated\.$/);
    expect(ended.failed).toBeGreaterThan(10);
    // What it had frozen by then may all have ended: then nothing is left to cancel.
    expect(ended.succeeded + ended.failed).toBeLessThan(5_000);
    await checkWhole(db, id);
  });

  test('a larger share of failures than is tolerated ends it early, too, once the total is known', async () => {
    const sealed = Promise.withResolvers<void>();
    const id = await harness.create(
      5_000,
      async ({ item }) => {
        await sealed.promise;
        if (item.ordinal % 2 === 1) throw Object.assign(new Error('no'), { transient: false });
      },
      { concurrency: 5 },
      { toleratedFailurePercent: 1 },
    );
    await until(async () => (await harness.read(id)).sealedAt !== null);
    sealed.resolve();
    const { status, error, failed, cancelled } = await harness.ended(id);
    expect(status).toBe('FAILED');
    expect(error).toMatch(/^\d+ of 5000 items failed, more than is tolerated\.$/);
    expect(failed).toBeGreaterThan(50);
    expect(cancelled).toBeGreaterThan(0);
    await checkWhole(db, id);
  });

  test('exactly the tolerated number is no reason to fail', async () => {
    const agent = ({ item }: { item: { ordinal: number } }) => {
      if (item.ordinal < 10) throw Object.assign(new Error('no'), { transient: false });
      return 1;
    };
    const count = await harness.create(100, agent, {}, { toleratedFailures: 10 });
    const percent = await harness.create(100, agent, {}, { toleratedFailurePercent: 10 });
    const less = await harness.create(100, agent, {}, { toleratedFailurePercent: 9.9 });
    expect(await harness.ended(count)).toMatchObject({ status: 'COMPLETED_WITH_ERRORS', succeeded: 90, failed: 10 });
    expect(await harness.ended(percent)).toMatchObject({ status: 'COMPLETED_WITH_ERRORS', succeeded: 90 });
    expect(await harness.ended(less)).toMatchObject({ status: 'FAILED', failed: 10 });
  });
});
