/** Items cancelled one by one: the others go on, and nothing of the cancelled ones is ever written. */
import { afterEach, beforeAll, expect, test } from 'vitest';
import type { AgentContext } from '../../src/domain/agent-context.ts';
import { itemId } from '../../src/domain/ids.ts';
import { type CancelBatchItemsInput, cancelBatchItems } from '../../src/services/cancel-batch-items.ts';
import { pauseBatchExecution, resumeBatchExecution } from '../../src/services/pause-batch-execution.ts';
import { readCancelReasons } from '../../src/services/read-item-outputs.ts';
import { retryFailedItems } from '../../src/services/retry-failed-items.ts';
import type { Db } from '../../src/store/database.ts';
import { describeDatabases } from '../support/databases.ts';
import { checkWhole, type Harness, type HarnessOptions, startEngine } from '../support/engine-harness.ts';
import { checkEnded } from '../support/exact-end.ts';
import { stopAll } from '../support/nothing-left.ts';
import { seeded } from '../support/seeded.ts';
import { until } from '../support/until.ts';

const turns = async (count: number): Promise<void> => {
  for (let turn = 0; turn < count; turn += 1) await new Promise((resolve) => setImmediate(resolve));
};

describeDatabases('items that are cancelled by themselves', (open, kind) => {
  let db: Db;
  const started: Harness[] = [];
  beforeAll(async () => {
    db = await open();
  });
  afterEach(async () => {
    await stopAll(db, started);
  });
  const start = async (options: HarnessOptions = {}): Promise<Harness> => {
    const harness = await startEngine(db, options);
    started.push(harness);
    return harness;
  };
  const cancel = (
    { deps, actor }: Harness,
    id: string,
    chosen: readonly number[] | Omit<CancelBatchItemsInput, 'batchExecutionId'>,
  ) =>
    cancelBatchItems(deps, actor, {
      batchExecutionId: id,
      ...('length' in chosen ? { itemIds: chosen.map((ordinal) => itemId(id, ordinal)), reason: 'not these' } : chosen),
    });
  const statusesOf = async (id: string) =>
    (await db.selectFrom('everyItem').select('status').where('executionId', '=', id).orderBy('ordinal').execute()).map(
      ({ status }) => status,
    );

  const errorsOf = async (id: string) =>
    await db
      .selectFrom('everyItem')
      .select(['ordinal', 'errorCategory', 'errorCode', 'errorTransient'])
      .where('executionId', '=', id)
      .where('errorCode', 'is not', null)
      .execute();

  /** An agent whose calls wait for the test, or for their abort. */
  function patient() {
    const state = { called: new Set<number>(), aborted: new Set<number>(), release: Promise.withResolvers<void>() };
    const run = async ({ item, signal }: AgentContext): Promise<unknown> => {
      state.called.add(item.ordinal);
      await Promise.race([
        state.release.promise,
        new Promise((_, reject) =>
          signal.addEventListener('abort', () => {
            state.aborted.add(item.ordinal);
            reject(signal.reason);
          }),
        ),
      ]);
      return item.ordinal;
    };
    return { state, run };
  }

  test('are aborted where they run, never start where they wait, and leave the others alone', async () => {
    const harness = await start();
    const { state, run } = patient();
    const id = await harness.create(
      20,
      async (context) => {
        if (context.item.ordinal === 2)
          throw Object.assign(new Error('later'), { transient: true, retryAfterMs: 60_000 });
        return await run(context);
      },
      { concurrency: 5 },
    );
    await harness.sealed(id);
    await until(async () => state.called.size === 5 && (await harness.read(id)).retrying === 1);
    const answer = await cancel(harness, id, [0, 1, 2, 9]);
    expect(answer).toMatchObject({ cancelledCount: 4, skipped: [], execution: { cancelled: 4, status: 'RUNNING' } });
    // Their slots are free again, for others.
    await until(async () => state.called.size === 7 && (await harness.read(id)).running === 5);
    expect([...state.aborted].sort()).toEqual([0, 1]);
    await checkWhole(db, id);
    state.release.resolve();
    expect(await harness.ended(id)).toMatchObject({ status: 'COMPLETED_WITH_ERRORS', succeeded: 16, cancelled: 4 });
    expect(state.called.has(9)).toBe(false);
    await checkEnded(db, id);
    expect(await errorsOf(id), 'the error of the attempt before is no longer what it waits for').toEqual([]);
    const keys = [0, 9, 3].map((ordinal) => ({ executionId: id, ordinal }));
    expect(await readCancelReasons(harness.deps, harness.actor, keys)).toEqual(['not these', 'not these', null]);
  });

  test('say so when they are cancelled again, and when they had ended', async () => {
    const harness = await start();
    const { state, run } = patient();
    const id = await harness.create(4, (context) => (context.item.ordinal === 0 ? 0 : run(context)));
    await until(async () => (await harness.read(id)).succeeded === 1);
    expect(await cancel(harness, id, [0, 1])).toMatchObject({
      cancelledCount: 1,
      skipped: [{ reason: 'ALREADY_ENDED', count: 1 }],
    });
    const { revision } = await harness.read(id);
    const again = [
      { reason: 'ALREADY_CANCELLED', count: 1 },
      { reason: 'ALREADY_ENDED', count: 1 },
    ];
    expect(await cancel(harness, id, [0, 1, 1])).toMatchObject({ cancelledCount: 0, skipped: again });
    expect((await harness.read(id)).revision).toBe(revision);
    state.release.resolve();
    await harness.ended(id);
    expect(await cancel(harness, id, [0, 1])).toMatchObject({ cancelledCount: 0, skipped: again });
  });

  test('end the execution when they are the last that are open', async () => {
    const harness = await start();
    const { state, run } = patient();
    const some = await harness.create(3, (context) => (context.item.ordinal === 0 ? 0 : run(context)));
    await harness.sealed(some);
    await until(async () => (await harness.read(some)).succeeded === 1 && state.called.size === 2);
    expect(await cancel(harness, some, [1, 2])).toMatchObject({
      execution: { status: 'COMPLETED_WITH_ERRORS', cancelled: 2 },
    });
    await until(() => harness.engine.busy === 0);
    await checkEnded(db, some);
    const none = await harness.create(2, run);
    await harness.sealed(none);
    await until(async () => (await harness.read(none)).running === 2);
    expect((await cancel(harness, none, [0, 1])).execution).toMatchObject({
      ...{ status: 'FAILED', error: 'None of the 2 items succeeded.' },
    });
    await until(() => harness.engine.busy === 0);
    await checkEnded(db, none);
  });

  test('never take a late result of a call that ignores its abort, and go on when they are retried', async () => {
    const harness = await start();
    const release = Promise.withResolvers<void>();
    let running = 0;
    const id = await harness.create(
      3,
      [
        async ({ item, round }) => {
          running += 1;
          if (round === 0 && item.ordinal < 2) await release.promise;
          return `first ${round}`;
        },
        ({ previous, round }) => `${previous}, second ${round}`,
      ],
      { concurrency: 3 },
    );
    await until(async () => running === 3 && (await harness.read(id)).running === 2);
    await cancel(harness, id, [0]);
    release.resolve();
    expect(await harness.ended(id)).toMatchObject({ status: 'COMPLETED_WITH_ERRORS', succeeded: 2, cancelled: 1 });
    await checkEnded(db, id);
    expect(await db.selectFrom('everyResult').where('executionId', '=', id).where('ordinal', '=', 0).execute()).toEqual(
      [],
    );
    await retryFailedItems(harness.deps, harness.actor, { batchExecutionId: id, statuses: ['CANCELLED'] });
    expect(await harness.ended(id)).toMatchObject({ status: 'COMPLETED', succeeded: 3 });
    await checkEnded(db, id);
    expect(
      await readCancelReasons(harness.deps, harness.actor, [{ executionId: id, ordinal: 0 }]),
      'of an item that was retried',
    ).toEqual([null]);
  });

  test('are all that are open in a tier, and none of those that come into it later', async () => {
    const harness = await start();
    const first = Promise.withResolvers<void>();
    const second = patient();
    const id = await harness.create(
      3_000,
      [
        async ({ item }) => {
          if (item.ordinal >= 30) await first.promise;
          return item.ordinal;
        },
        second.run,
      ],
      { concurrency: 60 },
    );
    await until(async () => second.state.called.size === 30 && (await harness.read(id)).sealedAt !== null);
    expect(await cancel(harness, id, { tierNums: [1] })).toMatchObject({ cancelledCount: 30, skipped: [] });
    await until(async () => second.state.aborted.size === 30 && (await harness.read(id)).running === 60);
    await checkWhole(db, id);
    expect(await cancel(harness, id, { tierNums: [1] })).toMatchObject({
      cancelledCount: 0,
      skipped: [{ reason: 'ALREADY_CANCELLED', count: 30 }],
    });
    second.state.release.resolve();
    first.resolve();
    expect(await harness.ended(id)).toMatchObject({ succeeded: 2_970, cancelled: 30 });
    await checkEnded(db, id);
  });

  test('are more than a chunk, of a paused execution too', async () => {
    const harness = await start();
    const { state, run } = patient();
    const id = await harness.create(2_600, run, { concurrency: 5 });
    await until(async () => state.called.size === 5 && (await harness.read(id)).sealedAt !== null);
    await pauseBatchExecution(harness.deps, harness.actor, { batchExecutionId: id });
    const chosen = Array.from({ length: 2_600 }, (_, ordinal) => ordinal).filter((ordinal) => ordinal % 2 === 0);
    expect(await cancel(harness, id, chosen)).toMatchObject({ cancelledCount: 1_300 });
    await until(() => state.aborted.size === 3);
    expect(await harness.read(id)).toMatchObject({ status: 'PAUSED', cancelled: 1_300, running: 2 });
    await checkWhole(db, id);
    state.release.resolve();
    await resumeBatchExecution(harness.deps, harness.actor, { batchExecutionId: id });
    expect(await harness.ended(id)).toMatchObject({ succeeded: 1_300, cancelled: 1_300 });
    expect([...state.called].filter((ordinal) => ordinal % 2 === 0)).toEqual([0, 2, 4]);
    await checkEnded(db, id);
  });

  test('are also those that a retry has yet to take, as it is still being opened', async () => {
    const harness = await start();
    const id = await harness.create(2_500, () => Promise.reject(Object.assign(new Error('no'), { transient: true })), {
      retryLimit: 0,
      concurrency: 50,
    });
    await harness.ended(id);
    await harness.engine.stop();
    const { deps, actor } = harness;
    expect(await retryFailedItems(deps, actor, { batchExecutionId: id })).toMatchObject({
      execution: { failed: 1_500 },
    });
    expect(await cancel(harness, id, [0, 2_499])).toMatchObject({ cancelledCount: 2, skipped: [] });
    expect(await harness.read(id)).toMatchObject({ queued: 2_498, cancelled: 2, failed: 0 });
    await checkWhole(db, id);
    expect(await cancel(harness, id, { tierNums: [0] })).toMatchObject({
      ...{ cancelledCount: 2_498, skipped: [{ reason: 'ALREADY_CANCELLED', count: 2 }] },
      execution: { status: 'FAILED', cancelled: 2_500 },
    });
    await checkEnded(db, id);
  });

  test('are aborted on another node as soon as it polls', async () => {
    const alive = () => Promise.resolve(true);
    const owner = await start({ node: 'owner', isAlive: alive, pollMs: 20 });
    const { state, run } = patient();
    const id = await owner.create(6, run, { concurrency: 3 });
    await until(() => state.called.size === 3);
    const other = await start({ node: 'other', isAlive: alive, actor: owner.actor, agents: owner.agents });
    expect(await cancel(other, id, [0, 5])).toMatchObject({ cancelledCount: 2 });
    await until(() => state.aborted.has(0) && state.called.has(3));
    state.release.resolve();
    expect(await owner.ended(id)).toMatchObject({ succeeded: 4, cancelled: 2 });
    expect([...state.aborted]).toEqual([0]);
    expect(state.called.has(5)).toBe(false);
    await checkEnded(db, id);
  });

  test('are not started by the node that takes their lane over, one after another or at once', async () => {
    const first = await start({ node: 'one' });
    const { state, run } = patient();
    const id = await first.create(6, run, { concurrency: 3 });
    await until(async () => state.called.size === 3 && (await first.read(id)).running === 3);
    // Twice, so that what ran is run one after another by the third.
    const second = await start({ node: 'two', actor: first.actor, agents: first.agents });
    second.engine.wake(id);
    await until(async () => (await deaths(id)) >= 3);
    // The others do not know that they lost the lane, and would go on to call.
    const called: number[] = [];
    const third = await start({
      ...{ node: 'three', actor: first.actor, agents: first.agents },
      wrapAgent: (agent) => (context) => {
        called.push(context.item.ordinal);
        return agent(context);
      },
    });
    third.engine.wake(id);
    await until(() => called.length === 1);
    // The one that runs alone, one that waits for that, and one that waits for both.
    await cancel(third, id, [0, 1, 4]);
    await until(() => called.length === 2);
    expect(called).toEqual([0, 2]);
    state.release.resolve();
    expect(await third.ended(id)).toMatchObject({ succeeded: 3, cancelled: 3 });
    await checkEnded(db, id);
    expect(called.sort()).toEqual([0, 2, 3, 5]);
  });
  const deaths = async (id: string): Promise<number> =>
    (await db.selectFrom('everyItem').select('deaths').where('executionId', '=', id).where('deaths', '>', 0).execute())
      .length;

  const races = kind === 'postgres' ? 30 : 15;
  test(`race their own success, ${races} times: one of the two is all that there is`, async () => {
    const harness = await start();
    const draw = seeded(7);
    const won = { cancel: 0, success: 0 };
    for (let race = 0; race < races; race += 1) {
      const release = Promise.withResolvers<void>();
      let called = 0;
      const tiers = draw.between(1, 2);
      const agent = async ({ item, tier }: AgentContext) => {
        if (tier === tiers - 1) called += 1;
        if (tier === tiers - 1 && item.ordinal < 2) await release.promise;
        return item.ordinal;
      };
      const id = await harness.create(
        4,
        Array.from({ length: tiers }, () => agent),
      );
      await until(async () => called === 4 && (await harness.read(id)).succeeded === 2);
      const cancelled = turns(draw.between(0, 6)).then(() => cancel(harness, id, [0, 1, 2]));
      // A cancel is some statements and a success is one, which goes each way to the thread of the embedded database.
      await turns(draw.between(0, kind === 'embedded' ? 3_000 : 6));
      release.resolve();
      const { cancelledCount } = await cancelled;
      expect(await harness.ended(id)).toMatchObject({ cancelled: cancelledCount, succeeded: 4 - cancelledCount });
      const statuses = await statusesOf(id);
      const results = await db
        .selectFrom('everyResult')
        .select('ordinal')
        .where('executionId', '=', id)
        .where('tier', '=', tiers - 1)
        .orderBy('ordinal')
        .execute();
      expect(results.map(({ ordinal }) => ordinal)).toEqual(
        [0, 1, 2, 3].filter((ordinal) => statuses[ordinal] === 'SUCCEEDED'),
      );
      won[cancelledCount > 0 ? 'cancel' : 'success'] += 1;
      await checkEnded(db, id);
    }
    expect(won.cancel).toBeGreaterThan(0);
    expect(won.success).toBeGreaterThan(0);
  });

  test('are named by exactly one list, of things that are there', async () => {
    const harness = await start();
    const { state, run } = patient();
    const id = await harness.create(2, run);
    await expect(cancel(harness, id, {})).rejects.toMatchObject({ issues: [{ loc: ['input', 'itemIds'] }] });
    await expect(cancel(harness, id, { itemIds: [itemId(id, 0)], tierNums: [0] })).rejects.toMatchObject({
      issues: [{ type: 'exactly_one' }],
    });
    await until(async () => (await harness.read(id)).total === 2);
    await expect(cancel(harness, id, [1, 2])).rejects.toMatchObject({ issues: [{ loc: ['input', 'itemIds', '1'] }] });
    await expect(cancel(harness, id, { tierNums: [0, 1] })).rejects.toMatchObject({
      issues: [{ loc: ['input', 'tierNums', '1'] }],
    });
    await expect(cancel(harness, 'exec_nothing', { tierNums: [0] })).rejects.toMatchObject({ code: 'NOT_FOUND' });
    state.release.resolve();
    await harness.ended(id);
  });
});
