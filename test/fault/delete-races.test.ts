/** Deleting an execution while others change it: it is gone or it is whole, and nobody is told nonsense. */
import { afterEach, beforeAll, expect, test } from 'vitest';
import { UserError } from '../../src/domain/user-error.ts';
import { addBatchItems } from '../../src/services/add-batch-items.ts';
import { deleteBatchExecution } from '../../src/services/delete-batch-execution.ts';
import { retryFailedItems } from '../../src/services/retry-failed-items.ts';
import { submitBatchExecution } from '../../src/services/submit-batch-execution.ts';
import { sweepDeleted } from '../../src/services/sweep-deleted.ts';
import { updateBatchExecution } from '../../src/services/update-batch-execution.ts';
import type { Db } from '../../src/store/database.ts';
import { insertDraft } from '../../src/store/drafts.ts';
import { findExecution } from '../../src/store/execution-rows.ts';
import { describeDatabases } from '../support/databases.ts';
import { type Harness, startEngine } from '../support/engine-harness.ts';
import { makeExecutionWith } from '../support/execution-rows.ts';
import { seeded } from '../support/seeded.ts';
import { until } from '../support/until.ts';

/** What became of a request; anything but an answer for the caller fails the test. */
const outcome = async (request: Promise<unknown>): Promise<string> => {
  try {
    await request;
    return 'done';
  } catch (error) {
    if (error instanceof UserError) return error.code;
    throw error;
  }
};
const turns = async (count: number): Promise<void> => {
  for (let turn = 0; turn < count; turn += 1) await new Promise((resolve) => setImmediate(resolve));
};

describeDatabases('a delete that races', (open) => {
  let db: Db;
  let harness: Harness;
  beforeAll(async () => {
    db = await open();
  });
  afterEach(() => harness.engine.stop());

  test('a retry: either it is gone, or it runs again to its end', async () => {
    harness = await startEngine(db);
    const draw = seeded(11);
    for (let race = 0; race < 12; race += 1) {
      let fails = true;
      const id = await harness.create(3, () => {
        if (fails) throw Object.assign(new Error('once'), { transient: false });
        return 'done';
      });
      await until(async () => (await harness.read(id)).endedAt !== null);
      fails = false;
      const target = { batchExecutionId: id };
      const later = async (request: () => Promise<unknown>) => {
        await turns(draw.between(0, 6));
        return await outcome(request());
      };
      const [deleted, retried, changed] = await Promise.all([
        later(() => deleteBatchExecution(harness.deps, harness.actor, target)),
        later(() => retryFailedItems(harness.deps, harness.actor, { ...target, mode: 'ALL' })),
        later(() => updateBatchExecution(harness.deps, harness.actor, { ...target, metadata: { race } })),
      ]);
      expect(['done', 'NOT_FOUND']).toContain(changed);
      if (deleted === 'done') {
        expect(await findExecution(db, harness.actor.projectId, id)).toBeUndefined();
        expect(['NOT_FOUND', 'INVALID_STATE', 'done']).toContain(retried);
      } else {
        expect([deleted, retried]).toEqual(['INVALID_STATE', 'done']);
        await until(async () => (await harness.read(id)).status === 'COMPLETED');
      }
    }
    await sweepDeleted(harness.deps);
    const left = await db.selectFrom('deletion').select('id').where('sweptAt', 'is', null).execute();
    expect(left).toEqual([]);
  });

  test('items that are added and a submit: a draft is gone with all of them, or runs with all it says it has', async () => {
    harness = await startEngine(db);
    const draw = seeded(12);
    for (let race = 0; race < 12; race += 1) {
      const id = await makeExecutionWith(db, harness.actor.projectId, { status: 'DRAFT', sealedAt: null });
      await db.transaction().execute((tx) => insertDraft(tx, id));
      const target = { batchExecutionId: id };
      const items = [{ filename: 'a.txt', text: 'a' }];
      const later = async (request: () => Promise<unknown>) => {
        await turns(draw.between(0, 6));
        return await outcome(request());
      };
      const [deleted, added, submitted] = await Promise.all([
        later(() => deleteBatchExecution(harness.deps, harness.actor, target)),
        later(() => addBatchItems(harness.deps, harness.actor, { ...target, items })),
        later(() => submitBatchExecution(harness.deps, harness.actor, target)),
      ]);
      for (const answer of [added, submitted]) expect(['done', 'NOT_FOUND', 'INVALID_STATE']).toContain(answer);
      const there = await findExecution(db, harness.actor.projectId, id);
      expect(there === undefined).toBe(deleted === 'done');
      if (there !== undefined) expect([deleted, submitted]).toEqual(['INVALID_STATE', 'done']);
    }
  });
});
