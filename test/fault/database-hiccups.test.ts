/** A database that fails single calls costs nobody a call of an agent. */
import { afterEach, beforeAll, expect, test } from 'vitest';
import { systemClock } from '../../src/engine/clock.ts';
import type { Clock, LaneStore } from '../../src/engine/ports.ts';
import type { Db } from '../../src/store/database.ts';
import { createLaneStore } from '../../src/store/lane-store.ts';
import { describeDatabases } from '../support/databases.ts';
import { checkWhole, type Harness, startEngine } from '../support/engine-harness.ts';
import { checkEnded } from '../support/exact-end.ts';
import { stopAll } from '../support/nothing-left.ts';
import { until } from '../support/until.ts';

/** Longer than a test may take. */
const TIMEOUT_MS = 600_000;

describeDatabases('a database that fails single calls', (open) => {
  let db: Db;
  const started: Harness[] = [];
  beforeAll(async () => {
    db = await open();
  });
  afterEach(async () => {
    await stopAll(db, started);
  });
  const start = async (
    change: (store: LaneStore) => Partial<LaneStore>,
    clock: Clock = systemClock,
  ): Promise<Harness> => {
    const store = createLaneStore(
      db,
      'a-node',
      () => Promise.resolve(false),
      () => new Date(),
    );
    const harness = await startEngine(db, { clock, store: { ...store, ...change(store) } });
    started.push(harness);
    return harness;
  };

  test('a claim that fails, or whose answer is lost, ends no running call and loses no item', async () => {
    let claims = 0;
    const harness = await start((store) => ({
      claim: async (...given) => {
        claims += 1;
        if (claims % 3 === 1) throw new Error('no connection was free');
        const answer = await store.claim(...given);
        if (claims % 3 === 2) throw new Error('the connection broke behind the commit');
        return answer;
      },
    }));
    let calls = 0;
    let aborted = 0;
    const id = await harness.create(
      1_700,
      ({ signal }) => {
        calls += 1;
        signal.addEventListener('abort', () => {
          aborted += 1;
        });
        return new Promise((resolve) => setImmediate(() => resolve('done')));
      },
      { concurrency: 20 },
    );
    expect(await harness.ended(id)).toMatchObject({ status: 'COMPLETED', succeeded: 1_700 });
    expect({ calls, aborted }).toEqual({ calls: 1_700, aborted: 0 });
    await checkEnded(db, id);
  });

  test('a fence for a cancel that is over leaves a new round alone', async () => {
    const harness = await start(() => ({}));
    const hold = Promise.withResolvers<void>();
    const id = await harness.create(5, () => hold.promise, { concurrency: 5 });
    await until(async () => (await harness.read(id)).running === 5);
    const store = createLaneStore(
      db,
      'other',
      () => Promise.resolve(true),
      () => new Date(),
    );
    expect(await store.fenceLanes(id, 'CANCEL')).toBe(false);
    hold.resolve();
    expect(await harness.ended(id)).toMatchObject({ status: 'COMPLETED', succeeded: 5 });
  });

  test("a refused result of the second tier keeps the first tier's, and fails in its own", async () => {
    const harness = await start((store) => ({
      settle: (lane, settlement) => {
        const results = settlement.results.map((row) => (row.data === '"broken"' ? { ...row, data: '{"cut' } : row));
        return store.settle(lane, { ...settlement, results });
      },
    }));
    const id = await harness.create(20, [
      ({ item }) => item.ordinal,
      ({ item, previous }) => (item.ordinal === 7 ? 'broken' : { previous }),
    ]);
    expect(await harness.ended(id)).toMatchObject({ status: 'COMPLETED_WITH_ERRORS', succeeded: 19, failed: 1 });
    const rows = await db
      .selectFrom('everyResult')
      .select(['tier', 'data'])
      .where('executionId', '=', id)
      .where('ordinal', '=', 7)
      .execute();
    expect(rows).toEqual([{ tier: 0, data: 7 }]);
    const [failure] = await db.selectFrom('itemFailure').selectAll().where('executionId', '=', id).execute();
    expect(failure).toMatchObject({ ordinal: 7, tier: 1, code: 'result_refused' });
    await checkEnded(db, id);
  });

  test('a call that ignored its timeout does not hide the next one from a stop', async () => {
    let timeouts = 0;
    // The first call is out of time at once, the second never.
    const clock: Clock = {
      now: () => systemClock.now(),
      after(ms, callback) {
        if (ms !== TIMEOUT_MS) return systemClock.after(ms, callback);
        timeouts += 1;
        return systemClock.after(timeouts === 1 ? 0 : ms, callback);
      },
    };
    const harness = await start(() => ({}), clock);
    const release = Promise.withResolvers<void>();
    const second = Promise.withResolvers<AbortSignal>();
    const id = await harness.create(
      1,
      async ({ attempt, signal }) => {
        if (attempt === 1) return await release.promise;
        second.resolve(signal);
        return await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
      },
      // The first call is over for the record at once and goes on in its slot.
      { concurrency: 2, itemTimeoutMs: TIMEOUT_MS },
    );
    const signal = await second.promise;
    release.resolve();
    await until(async () => (await harness.read(id)).running === 1);
    await harness.engine.stop();
    expect(signal.aborted).toBe(true);
    expect(signal.reason).toMatchObject({ name: 'AbortError' });
    await checkWhole(db, id);
  });
});
