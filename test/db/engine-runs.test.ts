/** What the engine does with an execution when nothing goes wrong outside of it. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { AttemptInterrupted } from '../../src/domain/attempt-interrupted.ts';
import { cancelBatchExecution } from '../../src/services/cancel-batch-execution.ts';
import type { Db } from '../../src/store/database.ts';
import { describeDatabases } from '../support/databases.ts';
import { checkWhole, type Harness, startEngine } from '../support/engine-harness.ts';
import { until } from '../support/until.ts';

describeDatabases('the engine', (open) => {
  let db: Db;
  let harness: Harness;
  beforeAll(async () => {
    db = await open();
    // It must not find the executions of the other engines below.
    harness = await startEngine(db, { pollMs: 3_600_000 });
  });
  afterAll(() => harness.engine.stop());

  test('records each item once, in no more than `concurrency` calls at a time', async () => {
    let running = 0;
    let most = 0;
    let calls = 0;
    const id = await harness.create(
      3_000,
      async ({ item }) => {
        calls += 1;
        running += 1;
        most = Math.max(most, running);
        await Promise.resolve();
        running -= 1;
        return { said: await item.text(), index: item.metadata };
      },
      { concurrency: 7 },
    );
    const execution = await harness.ended(id);
    expect(execution).toMatchObject({ status: 'COMPLETED', total: 3_000, succeeded: 3_000, error: null });
    expect(calls).toBe(3_000);
    expect(most).toBe(7);
    await checkWhole(db, id);
    const row = await db
      .selectFrom('everyResult')
      .select(['data', 'attempt', 'contentHash'])
      .where('executionId', '=', id)
      .where('ordinal', '=', 2_999)
      .executeTakeFirstOrThrow();
    expect(row).toMatchObject({ data: { said: 'text of element-2999', index: { index: 2_999 } }, attempt: 1 });
    expect(row.contentHash).toMatch(/^[0-9a-f]{64}$/);
  });

  test('completes an execution of no items at once', async () => {
    const id = await harness.create(0, () => null);
    expect(await harness.ended(id)).toMatchObject({ status: 'COMPLETED', total: 0, startedAt: null });
  });

  test('says of the revision with which an execution ends, and of no other, that it is the end', async () => {
    const never = ({ signal }: { signal: AbortSignal }) =>
      new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
    const empty = await harness.create(0, () => null);
    const whole = await harness.create(300, () => null);
    const cancelled = await harness.create(5, never);
    await harness.sealed(cancelled);
    await cancelBatchExecution(harness.deps, harness.actor, { batchExecutionId: cancelled });
    for (const id of [empty, whole, cancelled]) {
      const { revision } = await harness.ended(id);
      const told = await until(() => {
        const own = harness.published.filter(({ executionId }) => executionId === id);
        return own.some((one) => one.revision === revision) && own;
      });
      expect(told.filter(({ ends }) => ends).map((one) => one.revision)).toEqual([revision]);
    }
  });

  test('an agent whose tier has no config gets an empty one, as its schema was checked against', async () => {
    const seen: unknown[] = [];
    const agent = ({ config }: { config: unknown }): void => void seen.push(config);
    await harness.ended(await harness.create(1, agent));
    await harness.ended(await harness.create(1, agent, {}, {}, { config: { limit: 3 } }));
    expect(seen).toEqual([{}, { limit: 3 }]);
  });

  test('tries a failed attempt again within the limit, and keeps each failure', async () => {
    const id = await harness.create(4, ({ item, attempt }) => {
      if (item.ordinal === 1 && attempt < 3) throw new Error('not yet');
      if (item.ordinal === 2) throw Object.assign(new Error('never'), { transient: false });
      if (item.ordinal === 3) throw new Error('each time');
      return attempt;
    });
    expect(await harness.ended(id)).toMatchObject({ status: 'COMPLETED_WITH_ERRORS', succeeded: 2, failed: 2 });
    await checkWhole(db, id);
    const items = await db
      .selectFrom('everyItem')
      .select(['ordinal', 'status', 'attempt', 'charged', 'errorCode'])
      .where('executionId', '=', id)
      .orderBy('ordinal')
      .execute();
    expect(items.map((item) => [item.status, item.attempt])).toEqual([
      ['SUCCEEDED', 1],
      ['SUCCEEDED', 3],
      ['FAILED', 1],
      ['FAILED', 3],
    ]);
    const failures = await db
      .selectFrom('itemFailure')
      .select(['ordinal', 'attempt', 'message'])
      .where('executionId', '=', id)
      .orderBy('ordinal')
      .orderBy('attempt')
      .execute();
    expect(failures.map((failure) => [failure.ordinal, failure.attempt, failure.message])).toEqual([
      [1, 1, 'not yet'],
      [1, 2, 'not yet'],
      [2, 1, 'never'],
      [3, 1, 'each time'],
      [3, 2, 'each time'],
      [3, 3, 'each time'],
    ]);
  });

  test('ends FAILED with a reason when nothing succeeded', async () => {
    const id = await harness.create(3, () => Promise.reject(new Error('no')), { retryLimit: 0 });
    expect(await harness.ended(id)).toMatchObject({
      status: 'FAILED',
      failed: 3,
      error: 'None of the 3 items succeeded.',
    });
  });

  test('passes each item through its tiers, with the result before as `previous`', async () => {
    const id = await harness.create(50, [
      ({ item }) => ({ first: item.ordinal }),
      ({ previous, tier, attempt }) => ({ previous, tier, attempt }),
    ]);
    expect(await harness.ended(id)).toMatchObject({ status: 'COMPLETED', succeeded: 50 });
    await checkWhole(db, id);
    const rows = await db
      .selectFrom('everyResult')
      .select(['tier', 'data'])
      .where('executionId', '=', id)
      .where('ordinal', '=', 7)
      .orderBy('tier')
      .execute();
    expect(rows.map((row) => row.data)).toEqual([{ first: 7 }, { previous: { first: 7 }, tier: 1, attempt: 1 }]);
  });

  test('calls again, uncharged, what its runtime cut off', async () => {
    const id = await harness.create(
      3,
      ({ attempt }) => {
        if (attempt < 4) throw new AttemptInterrupted('the thread was ended because of a neighbour');
        return attempt;
      },
      { retryLimit: 0 },
    );
    expect(await harness.ended(id)).toMatchObject({ status: 'COMPLETED', succeeded: 3 });
    const items = await db
      .selectFrom('everyItem')
      .select(['attempt', 'charged'])
      .where('executionId', '=', id)
      .execute();
    expect(items).toEqual(Array.from({ length: 3 }, () => ({ attempt: 4, charged: 0 })));
    await checkWhole(db, id);
  });

  test('counts a success with field errors as a flaw of the whole', async () => {
    const id = await harness.create(2, ({ item }) =>
      item.ordinal === 0 ? 1 : { data: 2, fieldErrors: [{ path: '/a', code: 'missing', message: 'a is missing' }] },
    );
    expect(await harness.ended(id)).toMatchObject({ status: 'COMPLETED_WITH_ERRORS', succeeded: 2, failed: 0 });
  });

  test('ends an attempt at its timeout as TIMEOUT, and aborts its signal', async () => {
    let aborted: unknown = null;
    const id = await harness.create(
      1,
      ({ signal }) =>
        new Promise((_, reject) => {
          signal.addEventListener('abort', () => {
            aborted = signal.reason;
            reject(new Error('stopped'));
          });
        }),
      { itemTimeoutMs: 20, retryLimit: 0 },
    );
    expect(await harness.ended(id)).toMatchObject({ status: 'FAILED' });
    expect(aborted).toMatchObject({ name: 'TimeoutError' });
    const [failure] = await db.selectFrom('itemFailure').selectAll().where('executionId', '=', id).execute();
    expect(failure).toMatchObject({ category: 'TIMEOUT', code: 'timeout', transient: true });
  });

  test('fails one item for a result that no JSON column takes, and keeps 500 good ones', async () => {
    const id = await harness.create(
      502,
      ({ item }) =>
        item.ordinal === 100 ? { bad: '\u0000' } : item.ordinal === 200 ? ['\ud800'] : { ok: item.ordinal },
      { concurrency: 999 },
    );
    expect(await harness.ended(id)).toMatchObject({ status: 'COMPLETED_WITH_ERRORS', succeeded: 500, failed: 2 });
    await checkWhole(db, id);
    const codes = await db
      .selectFrom('everyItem')
      .select(['ordinal', 'errorCategory', 'errorCode'])
      .where('executionId', '=', id)
      .where('status', '=', 'FAILED')
      .orderBy('ordinal')
      .execute();
    expect(codes).toEqual([
      { ordinal: 100, errorCategory: 'VALIDATION', errorCode: 'result_nul_character' },
      { ordinal: 200, errorCategory: 'VALIDATION', errorCode: 'result_lone_surrogate' },
    ]);
  });

  test('ends FAILED, its open items CANCELLED, when its agent can no longer be run', async () => {
    const first = await startEngine(db, { pollMs: 3_600_000 });
    const id = await first.create(
      30,
      ({ item, signal }) => item.ordinal < 5 || new Promise((_, reject) => signal.addEventListener('abort', reject)),
      { concurrency: 8 },
    );
    await until(async () => (await first.read(id)).succeeded === 5);
    await first.engine.stop();
    const second = await startEngine(db, { actor: first.actor, agents: new Map() });
    expect(await second.ended(id)).toMatchObject({
      ...{ status: 'FAILED', succeeded: 5, cancelled: 25 },
      error: 'That agent is gone.',
    });
    await checkWhole(db, id);
    await second.engine.stop();
  });
});
