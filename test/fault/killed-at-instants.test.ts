/** A process killed at each instant that matters; the next one goes on, and nothing is lost, doubled or charged. */
import { afterEach, beforeAll, expect, test } from 'vitest';
import type { AgentRun } from '../../src/domain/agent-context.ts';
import { LIMITS } from '../../src/domain/limits.ts';
import { isFinalExecution } from '../../src/domain/states.ts';
import { cancelBatchExecution } from '../../src/services/cancel-batch-execution.ts';
import { pauseBatchExecution, resumeBatchExecution } from '../../src/services/pause-batch-execution.ts';
import { retryFailedItems } from '../../src/services/retry-failed-items.ts';
import type { Db } from '../../src/store/database.ts';
import { describeDatabases } from '../support/databases.ts';
import { type Harness, type HarnessOptions, startEngine } from '../support/engine-harness.ts';
import { checkEnded } from '../support/exact-end.ts';
import { after, before, type Instant, type MortalEngine, startMortal } from '../support/mortal-engine.ts';
import { stopAll } from '../support/nothing-left.ts';
import { until } from '../support/until.ts';

const CONCURRENCY = 10;
/** What one flush may hold. */
const FLUSH = 1_000;
/** Three chunks of freezing: 200, a whole one and the rest. */
const CHUNKED = 200 + LIMITS.sweepChunk + 100;

/** Instants of a run that nobody disturbs, with the number of items it takes. */
const RUNNING: readonly [name: string, items: number, instant: Instant][] = [
  ['mid-load of a big create, between two chunks', CHUNKED, before('prepare', (nth) => nth === 2)],
  ['when a chunk is loaded and the answer is lost', CHUNKED, after('prepare', (_answer, nth) => nth === 2)],
  ['after the last chunk, before the seal', CHUNKED, before('prepare', (nth) => nth === 4)],
  ['when the seal is committed', CHUNKED, after('prepare', (answer) => !answer.more)],
  ['when a lane is taken', 50, after('takeLane')],
  ['when items are claimed and none has started', 50, after('claim', (answer) => answer.items.length > 0)],
  ['before a flush is sent', 50, before('settle', (_nth, _lane, { results }) => results.length > 0)],
  ['when a flush is committed and the answer is lost', 1_400, after('settle', (_answer, nth) => nth === 2)],
  ['between a flush and its publishing', 50, before('publish', (nth) => nth === 4)],
  ['when the final flush is committed', 50, after('settle', (answer) => isFinalExecution(answer.status))],
];

describeDatabases('a process killed', (open) => {
  let db: Db;
  const started: Harness[] = [];
  const mortals: MortalEngine[] = [];
  const calls = new Map<number, number>();
  beforeAll(async () => {
    db = await open();
  });
  // Before the next test: these engines believe every other node dead.
  afterEach(async () => {
    for (const engine of mortals.splice(0)) engine.kill();
    await stopAll(db, started);
    calls.clear();
  });

  const counting =
    (run: AgentRun): AgentRun =>
    async (context) => {
      calls.set(context.item.ordinal, (calls.get(context.item.ordinal) ?? 0) + 1);
      return await run(context);
    };
  const mortal = async (options: HarnessOptions, instant: Instant | null): Promise<MortalEngine> => {
    const engine = await startMortal(db, options, instant);
    mortals.push(engine);
    return engine;
  };
  const next = async (dead: MortalEngine): Promise<Harness> => {
    const harness = await startEngine(db, { actor: dead.actor, agents: dead.agents });
    started.push(harness);
    return harness;
  };
  const repeated = (): number => [...calls.values()].reduce((sum, count) => sum + count - 1, 0);
  const uncharged = async (id: string): Promise<void> => {
    const charged = await db
      .selectFrom('everyItem')
      .select('ordinal')
      .where('executionId', '=', id)
      .where((eb) => eb.or([eb('charged', '>', 0), eb('deaths', '>', 1)]))
      .execute();
    expect(charged).toEqual([]);
  };

  test.each(RUNNING)('%s', async (_name, items, instant) => {
    const first = await mortal({}, instant);
    // The last item outlasts the seal, or the seal would be what ends the execution and no flush the final one.
    const agent = counting(async ({ item }) => {
      if (item.ordinal === items - 1) await first.sealed(await created);
      return item.ordinal;
    });
    const created = first.create(items, agent, { concurrency: CONCURRENCY });
    const id = await created;
    await first.dead;

    const second = await next(first);
    expect(await second.ended(id)).toMatchObject({ status: 'COMPLETED', succeeded: items, total: items });
    await checkEnded(db, id);
    await uncharged(id);
    expect(calls.size).toBe(items);
    expect(Math.max(...calls.values())).toBeLessThanOrEqual(2);
    expect(repeated()).toBeLessThanOrEqual(CONCURRENCY + FLUSH);
  });

  const tiered: readonly [name: string, instant: Instant][] = [
    ['before the flush', before('settle', (_nth, _lane, { results }) => results.some((row) => row.tier === 0))],
    [
      'when the flush is committed',
      after('settle', (_answer, _nth, _lane, { results }) => results.some((row) => row.tier === 0)),
    ],
    ['before the result of the last tier is read', before('previousResult')],
  ];
  test.each(tiered)('between the tiers of its items, %s', async (_name, instant) => {
    // Dies in the second tier too, where the first one's result is read back.
    const first = await mortal({}, null);
    const slow = Promise.withResolvers<void>();
    const tiers = [
      counting(({ item }) => item.ordinal),
      async ({ previous }: { previous: unknown }) => {
        await slow.promise;
        return { previous };
      },
    ];
    const id = await first.create(60, tiers, { concurrency: CONCURRENCY });
    // Its first result is in the database: what goes on reads it back.
    await until(async () => {
      const results = db.selectFrom('everyResult').select('ordinal').where('executionId', '=', id);
      return calls.size >= CONCURRENCY && (await results.limit(1).executeTakeFirst()) !== undefined;
    });
    first.kill();
    slow.resolve();
    const second = await mortal({ actor: first.actor, agents: first.agents }, instant);
    await second.dead;
    const third = await next(first);
    expect(await third.ended(id)).toMatchObject({ status: 'COMPLETED', succeeded: 60 });
    await checkEnded(db, id);
    const last = await db
      .selectFrom('everyResult')
      .select(['ordinal', 'data'])
      .where('executionId', '=', id)
      .where('tier', '=', 1)
      .execute();
    expect(last.every(({ ordinal, data }) => JSON.stringify(data) === JSON.stringify({ previous: ordinal }))).toBe(
      true,
    );
  });

  const cancelled: readonly [name: string, instant: Instant, closed: number][] = [
    ['when a cancel is committed, before its sweep', before('closeItems'), 0],
    ['between two chunks of a cancel sweep', before('closeItems', (nth) => nth === 2), LIMITS.sweepChunk - CONCURRENCY],
    ['when the lanes of a cancelled execution are fenced', after('fenceLanes'), CHUNKED - CONCURRENCY],
  ];
  test.each(cancelled)('%s', async (_name, instant, closed) => {
    const first = await mortal({ cancelGraceMs: 20 }, instant);
    // Ignores its abort, so that the last step is by force.
    const id = await first.create(
      CHUNKED,
      counting(() => new Promise(() => undefined)),
      { concurrency: CONCURRENCY },
    );
    await first.sealed(id);
    await until(async () => (await first.read(id)).running === CONCURRENCY);
    await cancelBatchExecution(first.deps, first.actor, { batchExecutionId: id });
    await first.dead;
    expect(await first.read(id)).toMatchObject({ status: 'CANCELLING', cancelled: closed });

    const second = await next(first);
    expect(await second.ended(id)).toMatchObject({ status: 'CANCELLED', cancelled: CHUNKED });
    await checkEnded(db, id);
    expect(repeated()).toBe(0);
  });

  const opening: readonly [name: string, instant: Instant][] = [
    ['between opening a retry round and its second chunk', before('prepare')],
    ['when the last chunk of a retry is moved', after('prepare', (answer) => !answer.more)],
  ];
  test.each(opening)('%s', async (_name, instant) => {
    let broken = true;
    const zeroth = await startEngine(db);
    started.push(zeroth);
    const agent = counting(({ item }) => {
      if (broken) throw Object.assign(new Error('no'), { transient: true });
      return item.ordinal;
    });
    const id = await zeroth.create(CHUNKED, agent, { concurrency: 100, retryLimit: 0 });
    expect(await zeroth.ended(id)).toMatchObject({ status: 'FAILED', failed: CHUNKED });
    await zeroth.engine.stop();
    broken = false;

    calls.clear();
    const first = await mortal({ actor: zeroth.actor, agents: zeroth.agents }, instant);
    await retryFailedItems(first.deps, first.actor, { batchExecutionId: id });
    await first.dead;
    const second = await next(first);
    expect(await second.ended(id)).toMatchObject({ status: 'COMPLETED', round: 1, succeeded: CHUNKED });
    await checkEnded(db, id);
    await uncharged(id);
    expect(repeated()).toBeLessThanOrEqual(100 + FLUSH);
  });

  test('during a pause, and goes on when it is resumed', async () => {
    const first = await mortal({}, null);
    let patient = true;
    const agent = counting(({ item }) => (patient && item.ordinal >= 20 ? new Promise(() => undefined) : item.ordinal));
    const id = await first.create(100, agent, { concurrency: CONCURRENCY });
    await first.sealed(id);
    await until(async () => (await first.read(id)).running === CONCURRENCY);
    await pauseBatchExecution(first.deps, first.actor, { batchExecutionId: id });
    first.kill();
    patient = false;

    const second = await next(first);
    const before = calls.size;
    await until(() => second.engine.busy === 1);
    expect(await second.read(id)).toMatchObject({ status: 'PAUSED' });
    await resumeBatchExecution(second.deps, second.actor, { batchExecutionId: id });
    expect(before).toBe(20 + CONCURRENCY);
    expect(await second.ended(id)).toMatchObject({ status: 'COMPLETED', succeeded: 100 });
    await checkEnded(db, id);
    await uncharged(id);
    expect(repeated()).toBeLessThanOrEqual(CONCURRENCY + FLUSH);
  });
});
