import { afterAll, beforeAll, expect, test } from 'vitest';
import { itemId } from '../../src/domain/ids.ts';
import { cancelBatchExecution } from '../../src/services/cancel-batch-execution.ts';
import { type RetryFailedItemsInput, retryFailedItems } from '../../src/services/retry-failed-items.ts';
import type { Db } from '../../src/store/database.ts';
import { describeDatabases } from '../support/databases.ts';
import { checkWhole, type Harness, startEngine } from '../support/engine-harness.ts';
import { until } from '../support/until.ts';

/** Throws as its item's ordinal says: 0 succeeds, 1 transient, 2 permanent, 3 with its own code; and again. */
function failing(ordinal: number): void {
  if (ordinal % 4 === 1) throw Object.assign(new Error('away'), { status: 503 });
  if (ordinal % 4 === 2) throw Object.assign(new Error('wrong'), { category: 'VALIDATION', code: 'wrong_input' });
  if (ordinal % 4 === 3) throw Object.assign(new Error('odd'), { transient: true, code: 'odd_one' });
}

describeDatabases('retrying failed items', (open) => {
  let db: Db;
  let harness: Harness;
  let healthy = false;
  const seen: { ordinal: number; round: number; attempt: number }[] = [];
  beforeAll(async () => {
    db = await open();
    harness = await startEngine(db);
  });
  afterAll(() => harness.engine.stop());

  const failed = async (total: number): Promise<string> => {
    healthy = false;
    seen.length = 0;
    const id = await harness.create(
      total,
      ({ item, round, attempt }) => {
        seen.push({ ordinal: item.ordinal, round, attempt });
        if (!healthy) failing(item.ordinal);
        return item.ordinal;
      },
      { retryLimit: 0 },
    );
    expect((await harness.ended(id)).status).toBe('COMPLETED_WITH_ERRORS');
    return id;
  };
  const retry = (id: string, input: Omit<RetryFailedItemsInput, 'batchExecutionId'> = {}) =>
    retryFailedItems(harness.deps, harness.actor, { batchExecutionId: id, ...input });

  test('takes the transient ones by default, says what it left and why, and runs only those', async () => {
    const id = await failed(40);
    healthy = true;
    const answer = await retry(id);
    expect(answer).toMatchObject({ retriedCount: 20, skipped: [{ reason: 'PERMANENT_ERROR', count: 10 }] });
    expect(answer.execution).toMatchObject({
      status: 'QUEUED',
      round: 1,
      failed: 10,
      queued: 20,
      error: null,
      endedAt: null,
    });
    expect(await harness.ended(id)).toMatchObject({ status: 'COMPLETED_WITH_ERRORS', succeeded: 30, failed: 10 });
    const again = seen.filter(({ round }) => round === 1);
    expect(again.map(({ ordinal }) => ordinal).sort((a, b) => a - b)).toEqual(
      Array.from({ length: 40 }, (_, ordinal) => ordinal).filter((ordinal) => ordinal % 4 === 1 || ordinal % 4 === 3),
    );
    expect(again.every(({ attempt }) => attempt === 1)).toBe(true);
    await checkWhole(db, id);
    const rows = await db
      .selectFrom('everyItem')
      .select(['retryCount', 'status'])
      .where('executionId', '=', id)
      .execute();
    expect(rows.filter((row) => row.retryCount === 1).length).toBe(20);
  });

  test('mode ALL without a cap is the whole of what failed', async () => {
    const id = await failed(40);
    healthy = true;
    expect(await retry(id, { mode: 'ALL', maxRetryCount: null })).toMatchObject({ retriedCount: 30, skipped: [] });
    expect(await harness.ended(id)).toMatchObject({ status: 'COMPLETED', succeeded: 40, failed: 0 });
    await checkWhole(db, id);
  });

  test('a dry run changes nothing and counts the same', async () => {
    const id = await failed(40);
    const before = await harness.read(id);
    expect(await retry(id, { dryRun: true })).toMatchObject({ retriedCount: 20 });
    expect(await harness.read(id)).toEqual(before);
    expect((await retry(id)).retriedCount).toBe(20);
    await harness.ended(id);
  });

  test('leaves items at the cap of manual retries, and a retry of nothing opens no round', async () => {
    const id = await failed(8);
    await retry(id, { maxRetryCount: 1 });
    await until(async () => (await harness.read(id)).round === 1 && (await harness.read(id)).endedAt !== null);
    const answer = await retry(id, { maxRetryCount: 1 });
    expect(answer).toMatchObject({
      retriedCount: 0,
      skipped: [
        { reason: 'PERMANENT_ERROR', count: 2 },
        { reason: 'RETRY_COUNT_REACHED', count: 4 },
      ],
    });
    expect(answer.execution.round).toBe(1);
    expect(await retry(id, { maxRetryCount: 2 })).toMatchObject({ retriedCount: 4 });
    await harness.ended(id);
  });

  test('selects by item and by code, and counts each left-out item under its first reason', async () => {
    const id = await failed(12);
    const itemIds = [1, 2, 3].map((ordinal) => itemId(id, ordinal));
    expect(await retry(id, { itemIds, mode: 'ALL', dryRun: true })).toMatchObject({
      retriedCount: 3,
      skipped: [{ reason: 'NOT_SELECTED', count: 6 }],
    });
    expect(await retry(id, { errorCodes: ['odd_one'], dryRun: true })).toMatchObject({
      retriedCount: 3,
      skipped: [{ reason: 'OTHER_CODE', count: 6 }],
    });
    expect(await retry(id, { tierNums: [], mode: 'ALL', dryRun: true })).toMatchObject({ retriedCount: 9 });
    expect(await retry(id, { statuses: ['CANCELLED'], dryRun: true })).toMatchObject({
      retriedCount: 0,
      skipped: [{ reason: 'OTHER_STATUS', count: 9 }],
    });
    expect(await retry(id, { itemIds: [itemId(id, 0)], dryRun: true })).toMatchObject({
      retriedCount: 0,
      skipped: [
        { reason: 'NOT_SELECTED', count: 9 },
        { reason: 'OTHER_STATUS', count: 1 },
      ],
    });
  });

  test('a repeated call that names a past round is a conflict, not a second run', async () => {
    const id = await failed(8);
    healthy = true;
    await retry(id, { expectedRound: 0 });
    await until(async () => (await harness.read(id)).endedAt !== null);
    const calls = seen.length;
    await expect(retry(id, { expectedRound: 0, mode: 'ALL' })).rejects.toMatchObject({ code: 'INVALID_STATE' });
    expect(seen.length).toBe(calls);
    await expect(retry(id, { expectedRound: 2 })).rejects.toMatchObject({
      ...{ code: 'INVALID_STATE', message: 'The execution is in round 1, not 2.' },
    });
  });

  test('two calls at once open one round', async () => {
    const id = await failed(8);
    const answers = await Promise.allSettled([retry(id), retry(id), retry(id)]);
    expect(answers.filter((answer) => answer.status === 'fulfilled').length).toBe(1);
    expect((await harness.ended(id)).round).toBe(1);
    await checkWhole(db, id);
  });

  test('refuses one that runs, and one that has nothing to retry', async () => {
    const hold = Promise.withResolvers<void>();
    const id = await harness.create(1, () => hold.promise);
    await expect(retry(id)).rejects.toMatchObject({ code: 'INVALID_STATE' });
    hold.resolve();
    await harness.ended(id);
    await expect(retry(id)).rejects.toMatchObject({ code: 'INVALID_STATE', status: 'COMPLETED' });
  });

  test('names every wrong argument at once', async () => {
    const id = await failed(4);
    await expect(
      retry(id, { tierNums: [0, 1], statuses: ['SUCCEEDED'], itemIds: [itemId(id, 99), 'item_x'] }),
    ).rejects.toMatchObject({
      issues: [
        { loc: ['input', 'tierNums', '1'] },
        { loc: ['input', 'statuses', '0'] },
        { loc: ['input', 'itemIds', '0'] },
        { loc: ['input', 'itemIds', '1'] },
      ],
    });
    await expect(retry(id, { maxRetryCount: 11 })).rejects.toMatchObject({
      issues: [{ loc: ['input', 'maxRetryCount'] }],
    });
    await expect(retry('exec_nothing')).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  test('runs what a cancel left, also more of it than one chunk moves', async () => {
    healthy = true;
    let gate: Promise<void> | null = Promise.resolve();
    const hold = Promise.withResolvers<void>();
    gate = hold.promise;
    const id = await harness.create(
      9_000,
      async ({ item, signal }) => {
        if (gate !== null) {
          await Promise.race([
            gate,
            new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason))),
          ]);
        }
        return item.ordinal;
      },
      { concurrency: 10 },
    );
    await until(async () => (await harness.read(id)).sealedAt !== null);
    await cancelBatchExecution(harness.deps, harness.actor, { batchExecutionId: id });
    expect(await harness.ended(id)).toMatchObject({ status: 'CANCELLED', cancelled: 9_000 });
    gate = null;
    expect(await retry(id, { statuses: ['CANCELLED', 'FAILED'] })).toMatchObject({ retriedCount: 9_000 });
    expect(await harness.ended(id)).toMatchObject({
      status: 'COMPLETED',
      succeeded: 9_000,
      round: 1,
      cancelReason: null,
    });
    await checkWhole(db, id);
  });
});
