/** What the tables themselves refuse, whoever writes. */
import { beforeAll, describe, expect, test } from 'vitest';
import type { Db } from '../../src/store/database.ts';
import { describeDatabases } from '../support/databases.ts';
import { makeExecution, makeItems, makeProject } from '../support/rows.ts';

const refusedBy = (constraint: string) => expect.objectContaining({ code: '23514', constraint });
const now = new Date();

describeDatabases('the tables refuse', (open) => {
  let db: Db;
  let executionId: string;
  beforeAll(async () => {
    db = await open();
    executionId = await makeExecution(db, (await makeProject(db)).projectId, { status: 'RUNNING' });
    await makeItems(db, executionId, 2);
  });

  describe('an execution', () => {
    const set = (values: object) =>
      db.updateTable('batchExecution').set(values).where('id', '=', executionId).execute();

    test('whose counts do not add up to its total', async () => {
      await expect(set({ succeeded: 1 })).rejects.toEqual(refusedBy('batch_execution_counts_add_up'));
      await expect(set({ total: 3 })).rejects.toEqual(refusedBy('batch_execution_counts_add_up'));
      await set({ queued: 1, running: 1 });
      await set({ queued: 2, running: 0 });
    });

    test('that has a negative count', async () => {
      await expect(set({ queued: -1, running: 3 })).rejects.toMatchObject({ code: '23514' });
    });

    test('that ended without an end, or has an end and goes on', async () => {
      await expect(set({ endedAt: now })).rejects.toEqual(refusedBy('batch_execution_ended'));
      const ended = { status: 'COMPLETED', queued: 0, succeeded: 2 };
      await expect(set(ended)).rejects.toEqual(refusedBy('batch_execution_ended'));
    });

    test('that ended with open items', async () => {
      await expect(set({ status: 'FAILED', endedAt: now })).rejects.toEqual(refusedBy('batch_execution_ended_closed'));
    });

    test('that runs to its end unsealed', async () => {
      const completed = { status: 'COMPLETED', endedAt: now, queued: 0, succeeded: 2, sealedAt: null };
      await expect(set(completed)).rejects.toEqual(refusedBy('batch_execution_sealed'));
    });

    test('whose concurrency or retry limit is out of range', async () => {
      for (const values of [{ concurrency: 0 }, { concurrency: 1000 }, { retryLimit: -1 }, { retryLimit: 1000 }]) {
        await expect(set(values)).rejects.toMatchObject({ code: '23514' });
      }
    });
  });

  describe('an item', () => {
    const set = (values: object) =>
      db.updateTable('batchItem').set(values).where('executionId', '=', executionId).where('ordinal', '=', 0).execute();

    test('that ended without an end, or has an end and is open', async () => {
      await expect(set({ endedAt: now })).rejects.toEqual(refusedBy('batch_item_ended'));
      await expect(set({ status: 'SUCCEEDED' })).rejects.toEqual(refusedBy('batch_item_ended'));
    });

    test('that waits without a time, or has one and does not wait', async () => {
      await expect(set({ runAfter: now })).rejects.toEqual(refusedBy('batch_item_waits'));
      await expect(set({ status: 'RETRYING' })).rejects.toEqual(refusedBy('batch_item_waits'));
    });

    test('that runs and never started', async () => {
      await expect(set({ status: 'RUNNING' })).rejects.toEqual(refusedBy('batch_item_running'));
    });

    test('that failed without an error, or succeeded with one', async () => {
      const error = { errorCode: 'a_code', errorCategory: 'RUNTIME', errorTransient: false };
      await expect(set({ status: 'FAILED', endedAt: now })).rejects.toEqual(refusedBy('batch_item_error'));
      await expect(set({ status: 'SUCCEEDED', endedAt: now, ...error })).rejects.toEqual(refusedBy('batch_item_error'));
    });

    test('that has half an error', async () => {
      await expect(set({ errorCode: 'a_code' })).rejects.toEqual(refusedBy('batch_item_error_whole'));
    });
  });
});
