import { afterAll, beforeAll, expect, test } from 'vitest';
import { cancelBatchExecution } from '../../src/services/cancel-batch-execution.ts';
import type { Db } from '../../src/store/database.ts';
import { describeDatabases } from '../support/databases.ts';
import { type Harness, startEngine } from '../support/engine-harness.ts';
import { checkEnded } from '../support/exact-end.ts';
import { stopAll } from '../support/nothing-left.ts';
import { until } from '../support/until.ts';

describeDatabases('a cancel while retries wait', (open) => {
  let db: Db;
  let harness: Harness;
  beforeAll(async () => {
    db = await open();
    harness = await startEngine(db);
  });
  afterAll(() => stopAll(db, [harness]));

  test('closes the waiting items at once; none is called again', async () => {
    let calls = 0;
    const id = await harness.create(
      40,
      () => {
        calls += 1;
        throw Object.assign(new Error('busy'), { status: 408, retryAfterMs: 2_000 });
      },
      { retryLimit: 999 },
    );
    await until(async () => (await harness.read(id)).retrying === 40);
    const due = await db.selectFrom('everyItem').select('runAfter').where('executionId', '=', id).execute();
    expect(due.every((item) => item.runAfter !== null)).toBe(true);
    await cancelBatchExecution(harness.deps, harness.actor, { batchExecutionId: id });
    const before = calls;
    expect(await harness.ended(id)).toMatchObject({ status: 'CANCELLED', cancelled: 40 });
    await checkEnded(db, id);
    const rows = await db
      .selectFrom('everyItem')
      .select(['errorCategory', 'errorCode', 'errorTransient'])
      .distinct()
      .where('executionId', '=', id)
      .execute();
    expect(rows, 'of no error at present').toEqual([{ errorCategory: null, errorCode: null, errorTransient: null }]);
    // Past the time at which they were due.
    const last = Math.max(...due.map((item) => item.runAfter?.getTime() ?? 0));
    await until(() => Date.now() > last + 100);
    expect(calls).toBe(before);
    await until(() => harness.engine.busy === 0);
  });
});
