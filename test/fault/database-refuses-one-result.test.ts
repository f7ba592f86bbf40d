import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Db } from '../../src/store/database.ts';
import { createLaneStore } from '../../src/store/lane-store.ts';
import { describeDatabases } from '../support/databases.ts';
import { type Harness, startEngine } from '../support/engine-harness.ts';
import { checkEnded } from '../support/exact-end.ts';
import { stopAll } from '../support/nothing-left.ts';

describeDatabases('a result that the database refuses among 500', (open) => {
  let db: Db;
  let harness: Harness;
  let flushes = 0;
  beforeAll(async () => {
    db = await open();
    const store = createLaneStore(
      db,
      'a-node',
      () => Promise.resolve(false),
      () => new Date(),
    );
    harness = await startEngine(db, {
      store: {
        ...store,
        settle: (lane, settlement) => {
          flushes += 1;
          // What the check before the flush would not let through: the server itself refuses it.
          const results = settlement.results.map((row) => (row.data === '"broken"' ? { ...row, data: '{"cut' } : row));
          return store.settle(lane, { ...settlement, results });
        },
      },
    });
  });
  afterAll(() => stopAll(db, [harness]));

  test('fails its item alone as VALIDATION; the flush is halved down to it', async () => {
    const id = await harness.create(500, ({ item }) => (item.ordinal === 321 ? 'broken' : 'fine'), {
      concurrency: 999,
    });
    expect(await harness.ended(id)).toMatchObject({ status: 'COMPLETED_WITH_ERRORS', succeeded: 499, failed: 1 });
    await checkEnded(db, id);
    const [failure] = await db.selectFrom('itemFailure').selectAll().where('executionId', '=', id).execute();
    expect(failure).toMatchObject({ ordinal: 321, category: 'VALIDATION', code: 'result_refused' });
    expect(flushes).toBeLessThan(40);
  });
});
