import { afterAll, beforeAll, expect, test } from 'vitest';
import { cancelBatchExecution } from '../../src/services/cancel-batch-execution.ts';
import { retryFailedItems } from '../../src/services/retry-failed-items.ts';
import type { Db } from '../../src/store/database.ts';
import { describeDatabases } from '../support/databases.ts';
import { type Harness, startEngine } from '../support/engine-harness.ts';
import { checkEnded } from '../support/exact-end.ts';
import { stopAll } from '../support/nothing-left.ts';
import { until } from '../support/until.ts';

describeDatabases('a late result after a cancel', (open) => {
  let db: Db;
  let harness: Harness;
  beforeAll(async () => {
    db = await open();
    harness = await startEngine(db, { cancelGraceMs: 30 });
  });
  afterAll(() => stopAll(db, [harness]));

  test('never overwrites the cancel, and its call keeps its slot in the next round', async () => {
    const release = Promise.withResolvers<void>();
    let running = 0;
    let most = 0;
    const id = await harness.create(
      2,
      async ({ round }) => {
        running += 1;
        most = Math.max(most, running);
        // Ignores its abort in round 0.
        if (round === 0) await release.promise;
        running -= 1;
        return `from round ${round}`;
      },
      { concurrency: 2 },
    );
    await until(() => running === 2);
    await cancelBatchExecution(harness.deps, harness.actor, { batchExecutionId: id });
    expect(await harness.ended(id)).toMatchObject({ status: 'CANCELLED', cancelled: 2, succeeded: 0 });

    // Both old calls are still going on: a new round may not exceed the concurrency with them.
    await retryFailedItems(harness.deps, harness.actor, { batchExecutionId: id, statuses: ['CANCELLED'] });
    await until(async () => (await harness.read(id)).status === 'RUNNING');
    expect(most).toBe(2);
    release.resolve();
    expect(await harness.ended(id)).toMatchObject({ status: 'COMPLETED', succeeded: 2, round: 1 });
    expect(most).toBe(2);
    await checkEnded(db, id);
    const results = await db
      .selectFrom('everyResult')
      .select(['round', 'data'])
      .where('executionId', '=', id)
      .execute();
    expect(results).toEqual([
      { round: 1, data: 'from round 1' },
      { round: 1, data: 'from round 1' },
    ]);
  });
});
