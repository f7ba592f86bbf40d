import { afterAll, beforeAll, expect, test } from 'vitest';
import { cancelBatchExecution } from '../../src/services/cancel-batch-execution.ts';
import type { Db } from '../../src/store/database.ts';
import { describeDatabases } from '../support/databases.ts';
import { type Harness, startEngine } from '../support/engine-harness.ts';
import { checkEnded } from '../support/exact-end.ts';
import { stopAll } from '../support/nothing-left.ts';
import { until } from '../support/until.ts';

describeDatabases('a cancel that races a flush', (open, kind) => {
  // Deadlocks are between connections; the embedded database has one.
  const races = kind === 'postgres' ? 200 : 20;
  let db: Db;
  let harness: Harness;
  const errors: unknown[] = [];
  beforeAll(async () => {
    db = await open();
    const note = (fields: Readonly<Record<string, unknown>>): void => void errors.push(fields['err']);
    harness = await startEngine(db, {
      cancelGraceMs: 500,
      log: { info: () => undefined, debug: () => undefined, warn: note, error: note },
    });
  });
  afterAll(() => stopAll(db, [harness]));

  test(`never deadlocks and never loses a count, ${races} times`, async () => {
    const outcomes = new Set<string>();
    for (let race = 0; race < races; race += 1) {
      const id = await harness.create(60, ({ item }) => item.ordinal, { concurrency: 20 });
      // At every stage of the run: as it is created, with some done, with all done.
      const done = (race * 10) % 61;
      if (done === 60) await harness.sealed(id);
      await until(async () => (await harness.read(id)).succeeded >= done, 5_000).catch(() => undefined);
      await cancelBatchExecution(harness.deps, harness.actor, { batchExecutionId: id }).catch((error: unknown) => {
        if (!(error instanceof Error) || !('status' in error)) throw error;
      });
      outcomes.add((await harness.ended(id, 5_000)).status);
      await checkEnded(db, id);
    }
    expect(errors).toEqual([]);
    expect([...outcomes].sort()).toEqual(['CANCELLED', 'COMPLETED']);
  }, 120_000);
});
