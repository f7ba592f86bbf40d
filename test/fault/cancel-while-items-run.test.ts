import { afterAll, beforeAll, expect, test } from 'vitest';
import { cancelBatchExecution } from '../../src/services/cancel-batch-execution.ts';
import type { Db } from '../../src/store/database.ts';
import { describeDatabases } from '../support/databases.ts';
import { type Harness, startEngine } from '../support/engine-harness.ts';
import { checkEnded } from '../support/exact-end.ts';
import { stopAll } from '../support/nothing-left.ts';
import { until } from '../support/until.ts';

/** An agent that runs until its signal aborts, and counts what is running. */
function patientAgent() {
  const state = { running: 0, started: 0, finish: [] as (() => void)[] };
  const run = ({ signal }: { signal: AbortSignal }) =>
    new Promise((resolve, reject) => {
      state.running += 1;
      state.started += 1;
      state.finish.push(() => {
        state.running -= 1;
        resolve('finished');
      });
      signal.addEventListener('abort', () => {
        state.running -= 1;
        reject(signal.reason);
      });
    });
  return { state, run };
}

describeDatabases('a cancel while items run', (open) => {
  let db: Db;
  let harness: Harness;
  beforeAll(async () => {
    db = await open();
    // Longer than any result takes that is on its way.
    harness = await startEngine(db, { cancelGraceMs: 60_000 });
  });
  afterAll(() => stopAll(db, [harness]));
  const cancel = (id: string, mode?: 'ABORT' | 'DRAIN') =>
    cancelBatchExecution(harness.deps, harness.actor, { batchExecutionId: id, mode, reason: 'enough' });

  test('aborts what runs, starts nothing more and ends CANCELLED', async () => {
    const { state, run } = patientAgent();
    const id = await harness.create(5_000, ({ item, signal }) => (item.ordinal < 20 ? item.ordinal : run({ signal })), {
      concurrency: 50,
    });
    await until(async () => state.running === 50 && (await harness.read(id)).status === 'RUNNING');
    expect(await cancel(id)).toMatchObject({ status: 'CANCELLING', cancelMode: 'ABORT', cancelReason: 'enough' });
    expect(await harness.ended(id)).toMatchObject({ status: 'CANCELLED', succeeded: 20, cancelled: 4_980, failed: 0 });
    expect(state).toMatchObject({ running: 0, started: 50 });
    await checkEnded(db, id);
    expect(await cancel(id)).toMatchObject({ status: 'CANCELLED' });
  });

  test('DRAIN lets what runs finish, and ABORT turns it into an abort', async () => {
    const { state, run } = patientAgent();
    const id = await harness.create(30, run, { concurrency: 4 });
    await until(() => state.running === 4);
    await cancel(id, 'DRAIN');
    await until(async () => (await harness.read(id)).cancelled === 26);
    state.finish[0]?.();
    await until(async () => (await harness.read(id)).succeeded === 1);
    expect(await harness.read(id)).toMatchObject({ status: 'CANCELLING', running: 3 });
    await cancel(id, 'ABORT');
    expect(await harness.ended(id)).toMatchObject({ status: 'CANCELLED', succeeded: 1, cancelled: 29 });
    expect(state.started).toBe(4);
    await checkEnded(db, id);
  });

  test('keeps a result that arrives in the grace time', async () => {
    const started = Promise.withResolvers<void>();
    const id = await harness.create(1, async ({ signal }) => {
      started.resolve();
      await new Promise((resolve) => signal.addEventListener('abort', resolve));
      return 'just in time';
    });
    await started.promise;
    await cancel(id);
    expect(await harness.ended(id)).toMatchObject({ status: 'CANCELLED', succeeded: 1, cancelled: 0 });
    await checkEnded(db, id);
  });

  test('ends while items are still being loaded, with the items that were', async () => {
    const { state, run } = patientAgent();
    const id = await harness.create(60_000, run);
    await until(() => state.running > 0);
    await cancel(id);
    const ended = await harness.ended(id);
    expect(ended.status).toBe('CANCELLED');
    expect(ended.cancelled).toBe(ended.total);
    await checkEnded(db, id);
  });

  test('an execution that has ended otherwise cannot be cancelled', async () => {
    const id = await harness.create(1, () => 1);
    await harness.ended(id);
    await expect(cancel(id)).rejects.toMatchObject({ code: 'INVALID_STATE', status: 'COMPLETED' });
  });
});
