import { beforeAll, expect, test } from 'vitest';
import { cancelBatchExecution } from '../../src/services/cancel-batch-execution.ts';
import type { Db } from '../../src/store/database.ts';
import { createLaneStore } from '../../src/store/lane-store.ts';
import { describeDatabases } from '../support/databases.ts';
import { checkWhole, startEngine } from '../support/engine-harness.ts';
import { checkEnded } from '../support/exact-end.ts';
import { stopAll } from '../support/nothing-left.ts';
import { until } from '../support/until.ts';

const HOUR_MS = 3_600_000;

describeDatabases('a node that stops', (open) => {
  let db: Db;
  beforeAll(async () => {
    db = await open();
  });

  test('gives its items back uncharged; the next node goes on without a death', async () => {
    const first = await startEngine(db);
    let running = 0;
    let patient = true;
    const id = await first.create(
      100,
      ({ signal }) => {
        running += 1;
        if (!patient) return 'done';
        return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
      },
      { concurrency: 8, retryLimit: 0 },
    );
    await until(async () => (await first.read(id)).running === 8);
    await first.engine.stop();
    expect(await first.read(id)).toMatchObject({ status: 'RUNNING', queued: 100, running: 0, failed: 0 });
    await checkWhole(db, id);
    expect(running).toBe(8);

    patient = false;
    const second = await startEngine(db, { actor: first.actor, agents: first.agents });
    expect(await second.ended(id)).toMatchObject({ status: 'COMPLETED', succeeded: 100 });
    await checkWhole(db, id);
    const died = await db
      .selectFrom('everyItem')
      .select('ordinal')
      .where('executionId', '=', id)
      .where('deaths', '>', 0)
      .execute();
    expect(died).toEqual([]);
    await second.engine.stop();
  });

  test('does not wait for a call that ignores its abort', async () => {
    const harness = await startEngine(db);
    const release = Promise.withResolvers<void>();
    let called = false;
    const id = await harness.create(1, async () => {
      called = true;
      await release.promise;
      return 'late';
    });
    await until(() => called);
    await harness.engine.stop();
    release.resolve();
    expect(await harness.read(id)).toMatchObject({ queued: 1, running: 0, succeeded: 0 });
    await checkWhole(db, id);
  });

  test('does not wait for another node that is closing an execution', async () => {
    const isAlive = () => Promise.resolve(true);
    const parts = { isAlive, pollMs: HOUR_MS, cancelGraceMs: HOUR_MS };
    const runs = await startEngine(db, { ...parts, node: 'runs' });
    const store = createLaneStore(db, 'steers', isAlive, () => new Date());
    const looked = Promise.withResolvers<void>();
    const steers = await startEngine(db, {
      ...{ ...parts, node: 'steers', actor: runs.actor },
      store: {
        ...store,
        // That lane is another's who lives: nothing to do but to wait for it.
        takeLane: async (...args) => {
          const taken = await store.takeLane(...args);
          setImmediate(looked.resolve);
          return taken;
        },
      },
    });
    const id = await runs.create(1, async ({ signal }) => {
      await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
    });
    await until(async () => (await runs.read(id)).running === 1);
    await cancelBatchExecution(steers.deps, steers.actor, { batchExecutionId: id });
    await looked.promise;
    let stopped = false;
    void steers.engine.stop().then(() => {
      stopped = true;
    });
    await until(() => stopped, 5_000);
    runs.engine.wake(id);
    expect(await runs.ended(id)).toMatchObject({ status: 'CANCELLED', cancelled: 1 });
    await checkEnded(db, id);
    await stopAll(db, [runs, steers]);
  });
});
