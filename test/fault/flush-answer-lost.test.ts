/** The connection breaks under a flush: the statement may have been committed, and only its answer is lost. */
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import type { AgentRun } from '../../src/domain/agent-context.ts';
import type { LaneStore } from '../../src/engine/ports.ts';
import type { Db } from '../../src/store/database.ts';
import { createLaneStore } from '../../src/store/lane-store.ts';
import { describeDatabases } from '../support/databases.ts';
import { type Harness, startEngine } from '../support/engine-harness.ts';
import { checkEnded } from '../support/exact-end.ts';
import { stopAll } from '../support/nothing-left.ts';

const broken = (): Error => Object.assign(new Error('Connection terminated unexpectedly'), { code: 'ECONNRESET' });

describeDatabases('a connection that breaks', (open) => {
  let db: Db;
  let harness: Harness;
  const faults: Partial<LaneStore> = {};
  beforeAll(async () => {
    db = await open();
    const store = createLaneStore(
      db,
      'a-node',
      () => Promise.resolve(false),
      () => new Date(),
    );
    const faulty = new Proxy(store, { get: (target, name) => Reflect.get(faults, name) ?? Reflect.get(target, name) });
    real = store;
    harness = await startEngine(db, { store: faulty });
  });
  let real: LaneStore;
  afterEach(() => {
    for (const name of Object.keys(faults)) Reflect.deleteProperty(faults, name);
  });
  afterAll(() => stopAll(db, [harness]));

  /** Every `n`th call of this name is done and its answer lost. */
  const loseAnswers = (
    name: 'settle' | 'claim' | 'takeLane' | 'closeItems' | 'openExecution',
    every: number,
  ): (() => number) => {
    let calls = 0;
    let lost = 0;
    Reflect.set(faults, name, async (...args: unknown[]) => {
      calls += 1;
      const answer: unknown = await Reflect.apply(real[name], real, args);
      if (calls % every !== 0) return answer;
      lost += 1;
      throw broken();
    });
    return () => lost;
  };
  const failing =
    (times: number): AgentRun =>
    ({ attempt, item }) => {
      const usage = { inputTokens: item.ordinal, outputTokens: attempt };
      if (attempt <= times) throw Object.assign(new Error('not yet'), { usage });
      return { data: item.ordinal, usage };
    };

  test('under every second flush costs nothing, whatever the items do', async () => {
    const lost = loseAnswers('settle', 2);
    const calls = new Map<string, number>();
    const first: AgentRun = (context) => {
      const key = `${context.item.ordinal}/${context.attempt}`;
      calls.set(key, (calls.get(key) ?? 0) + 1);
      return failing(context.item.ordinal % 3)(context);
    };
    // The second tier waits a turn, so that flushes come between the tiers.
    const second: AgentRun = async ({ previous }) => {
      await new Promise((resolve) => setTimeout(resolve, 15));
      return previous;
    };
    const id = await harness.create(90, [first, second], { concurrency: 30, retryLimit: 2 });
    expect(await harness.ended(id)).toMatchObject({ status: 'COMPLETED', succeeded: 90, failed: 0 });
    await checkEnded(db, id);
    expect(lost()).toBeGreaterThan(1);
    expect([...calls.values()].every((count) => count === 1)).toBe(true);
    const failures = await db
      .selectFrom('itemFailure')
      .select(['ordinal', 'attempt', 'code'])
      .where('executionId', '=', id)
      .execute();
    expect(failures.filter(({ code }) => code === 'result_refused')).toEqual([]);
    expect(failures.length).toBe(90);
  });

  test('under the flush of an attempt that started and failed between two flushes', async () => {
    const lost = loseAnswers('settle', 2);
    const id = await harness.create(5, failing(4), { retryLimit: 4 });
    expect(await harness.ended(id)).toMatchObject({ status: 'COMPLETED', succeeded: 5 });
    await checkEnded(db, id);
    expect(lost()).toBeGreaterThan(1);
    const failures = await db.selectFrom('itemFailure').select('attempt').where('executionId', '=', id).execute();
    expect(failures.length).toBe(20);
  });

  test.each(['claim', 'takeLane', 'openExecution'] as const)('under %s loses no item', async (name) => {
    const lost = loseAnswers(name, 2);
    const id = await harness.create(1_300, ({ item }) => item.ordinal, { concurrency: 50 });
    expect(await harness.ended(id)).toMatchObject({ status: 'COMPLETED', succeeded: 1_300 });
    await checkEnded(db, id);
    if (name !== 'takeLane') expect(lost()).toBeGreaterThan(0);
  });

  test('under a claim calls nothing again that a flush settles while the claim is looked up', async () => {
    const slow = 7;
    const lookedUp = Promise.withResolvers<void>();
    const settled = Promise.withResolvers<void>();
    let lost = false;
    faults.claim = async (...args) => {
      const answer = await real.claim(...args);
      const [, keep] = args;
      if (lost || answer.items.length === 0 || !keep.includes(slow)) return answer;
      lost = true;
      throw broken();
    };
    faults.settle = async (...args) => {
      const answer = await real.settle(...args);
      if (args[1].moves.some(({ ordinal, to }) => ordinal === slow && to === 'SUCCEEDED')) settled.resolve();
      return answer;
    };
    faults.heldItems = async (lane) => {
      const answer = await real.heldItems(lane);
      // Open when it was looked up, and settled before the answer is there.
      lookedUp.resolve();
      await settled.promise;
      await new Promise((resolve) => setImmediate(resolve));
      return answer;
    };
    const calls = new Map<number, number>();
    const agent: AgentRun = async ({ item }) => {
      calls.set(item.ordinal, (calls.get(item.ordinal) ?? 0) + 1);
      if (item.ordinal === slow) await lookedUp.promise;
      return item.ordinal;
    };
    const id = await harness.create(1_300, agent, { concurrency: 20 });
    expect(await harness.ended(id)).toMatchObject({ status: 'COMPLETED', succeeded: 1_300 });
    await checkEnded(db, id);
    expect(lost).toBe(true);
    expect(calls.get(slow)).toBe(1);
    expect(calls.size).toBe(1_300);
  });
});
