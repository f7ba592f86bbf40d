/** A cancel or a pause that another node commits, where nobody tells the node that runs the items. */
import { afterEach, beforeAll, expect, test } from 'vitest';
import { cancelBatchExecution } from '../../src/services/cancel-batch-execution.ts';
import { pauseBatchExecution } from '../../src/services/pause-batch-execution.ts';
import type { Db } from '../../src/store/database.ts';
import { createLaneStore } from '../../src/store/lane-store.ts';
import { describeDatabases } from '../support/databases.ts';
import { type Harness, startEngine } from '../support/engine-harness.ts';
import { checkEnded } from '../support/exact-end.ts';
import { stopAll } from '../support/nothing-left.ts';
import { until } from '../support/until.ts';

const HOUR_MS = 3_600_000;

describeDatabases('another node', (open) => {
  let db: Db;
  beforeAll(async () => {
    db = await open();
  });
  const started: Harness[] = [];
  afterEach(async () => {
    await stopAll(db, started);
  });

  /** A node that runs an execution and looks at it only once it may; and another whose services steer it. */
  async function twoNodes() {
    const seen = { committed: false, heard: false, late: 0, calls: 0, running: 0 };
    const look = Promise.withResolvers<void>();
    const isAlive = () => Promise.resolve(true);
    const store = createLaneStore(db, 'runs', isAlive, () => new Date());
    const runs = await startEngine(db, {
      ...{ node: 'runs', pollMs: HOUR_MS, isAlive },
      store: {
        ...store,
        openExecution: async (...args) => {
          if (seen.calls > 0) await look.promise;
          return await store.openExecution(...args);
        },
        settle: async (...args) => {
          // What begins now is answered with what was committed before.
          const after = seen.committed;
          const answer = await store.settle(...args);
          // A turn later: first the answer has to get to who asked.
          setImmediate(() => {
            seen.heard ||= after;
          });
          return answer;
        },
      },
    });
    const steers = await startEngine(db, { node: 'steers', pollMs: HOUR_MS, isAlive, actor: runs.actor });
    started.push(runs, steers);
    const id = await runs.create(
      20_000,
      async ({ item }) => {
        seen.calls += 1;
        seen.running += 1;
        if (seen.heard) seen.late += 1;
        await new Promise((resolve) => setTimeout(resolve, item.ordinal % 3));
        seen.running -= 1;
        return 1;
      },
      { concurrency: 10 },
    );
    await until(async () => seen.calls > 200 && (await runs.read(id)).status === 'RUNNING');
    return { runs, steers, id, seen, look };
  }

  test('that cancels is obeyed from the next flush on, without a look of its own', async () => {
    const { runs, steers, id, seen, look } = await twoNodes();
    await cancelBatchExecution(steers.deps, steers.actor, { batchExecutionId: id });
    seen.committed = true;
    await until(() => seen.heard && seen.running === 0);
    look.resolve();
    expect(await runs.ended(id)).toMatchObject({ status: 'CANCELLED' });
    await checkEnded(db, id);
    expect(seen.late).toBe(0);
  });

  test('that pauses is obeyed from the next flush on, too', async () => {
    const { runs, steers, id, seen, look } = await twoNodes();
    await pauseBatchExecution(steers.deps, steers.actor, { batchExecutionId: id });
    seen.committed = true;
    await until(() => seen.heard && seen.running === 0);
    look.resolve();
    await until(async () => (await runs.read(id)).running === 0);
    expect(await runs.read(id)).toMatchObject({ status: 'PAUSED' });
    expect(seen.late).toBe(0);
  });
});
