import { beforeAll, expect, onTestFinished, test } from 'vitest';
import type { AgentRun } from '../../src/domain/agent-context.ts';
import { AttemptInterrupted } from '../../src/domain/attempt-interrupted.ts';
import { cancelBatchExecution } from '../../src/services/cancel-batch-execution.ts';
import type { Db } from '../../src/store/database.ts';
import { describeDatabases } from '../support/databases.ts';
import { startEngine } from '../support/engine-harness.ts';
import { checkEnded } from '../support/exact-end.ts';
import { agentContext, dataOf, moduleUrl, threadedRun, threadPool } from '../support/threaded-agents.ts';
import { until } from '../support/until.ts';

/** Nothing but its silence tells of a thread that loops. */
const FOUND_OUT = { overstayMs: 3_600_000, waitMs: 60_000 };
const QUICK = `import { setTimeout as delay } from 'node:timers/promises';
  export default async ({ item }) => { await delay(50); if (item.ordinal === 3) for (;;) {} return item.ordinal; };`;
/** Says that it loops, and does once that is heard. */
const LOOPS = `import { setTimeout as delay } from 'node:timers/promises';
  export default async ({ log }) => { log('loops'); await delay(50); for (;;) {} };`;
const SLOW = `import { setTimeout as delay } from 'node:timers/promises';
  export default async ({ item }) => { await delay(500); return item.ordinal; };`;

/** Counts the calls of a run function, those that go on, and what they log. */
function counted(run: AgentRun) {
  const seen = { calls: 0, open: 0, said: [] as string[] };
  const counting: AgentRun = async (context) => {
    seen.calls += 1;
    seen.open += 1;
    try {
      return await run({ ...context, log: (text) => seen.said.push(text) });
    } finally {
      seen.open -= 1;
    }
  };
  return { seen, run: counting };
}

describeDatabases('an agent that never yields', (open) => {
  let db: Db;
  beforeAll(async () => {
    db = await open();
  });
  const failures = (id: string) =>
    db.selectFrom('itemFailure').select('ordinal').where('executionId', '=', id).execute();

  test('fails by its timeout; the items in its thread succeed, called again and uncharged', async () => {
    const harness = await startEngine(db);
    onTestFinished(() => harness.engine.stop());
    const { seen, run } = counted(
      threadedRun(threadPool({ threads: 1, times: { silenceMs: 500, waitMs: 1_000 } }), QUICK),
    );
    const id = await harness.create(6, run, { concurrency: 6, itemTimeoutMs: 5_000, retryLimit: 0 });
    expect(await harness.ended(id)).toMatchObject({ status: 'COMPLETED_WITH_ERRORS', succeeded: 5, failed: 1 });
    expect(await failures(id)).toEqual([{ ordinal: 3 }]);
    const row = await db
      .selectFrom('everyItem')
      .select(['ordinal', 'errorCode'])
      .where('executionId', '=', id)
      .where('status', '=', 'FAILED')
      .executeTakeFirst();
    expect(row).toEqual({ ordinal: 3, errorCode: 'timeout' });
    expect(seen.calls).toBeGreaterThan(6);
    await until(() => seen.open === 0);
    await checkEnded(db, id);
  });

  test('is ended by a cancel; the items of another execution in its thread succeed, called again and uncharged', async () => {
    const harness = await startEngine(db);
    onTestFinished(() => harness.engine.stop());
    const pool = threadPool({ threads: 1, times: FOUND_OUT });
    const [slow, loops] = [counted(threadedRun(pool, SLOW)), counted(threadedRun(pool, LOOPS))];
    const looping = await harness.create(2, loops.run, { concurrency: 1 });
    await until(() => loops.seen.said.length === 1);
    const innocent = await harness.create(5, slow.run, { concurrency: 5, retryLimit: 0 });
    await until(() => slow.seen.calls === 5);
    await cancelBatchExecution(harness.deps, harness.actor, { batchExecutionId: looping, reason: 'enough' });
    expect(await harness.ended(looping)).toMatchObject({ status: 'CANCELLED', cancelled: 2 });
    await until(() => loops.seen.open === 0);
    expect(loops.seen.calls).toBe(1);
    expect(await harness.ended(innocent)).toMatchObject({ status: 'COMPLETED', succeeded: 5 });
    expect(await failures(innocent)).toEqual([]);
    expect(slow.seen.calls).toBe(10);
    for (const id of [looping, innocent]) await checkEnded(db, id);
  });
});

/** Calls an agent that loops until it is ended, and aborts it; what the call came to. */
async function loopUntilAborted(run: AgentRun): Promise<unknown> {
  const controller = new AbortController();
  const heard = Promise.withResolvers<void>();
  const call = dataOf(run(agentContext({ signal: controller.signal, log: () => heard.resolve() })));
  await heard.promise;
  controller.abort(new DOMException('Stop.', 'AbortError'));
  return await call.catch((error: unknown) => error);
}

test('loops in every thread delay this thread by a fraction of what one of them does inline', async () => {
  const longestDelay = async (work: () => Promise<unknown>): Promise<number> => {
    const ticks = [performance.now()];
    const timer = setInterval(() => ticks.push(performance.now()), 5);
    await work();
    const seen = ticks.length;
    await until(() => ticks.length > seen);
    clearInterval(timer);
    return Math.max(...ticks.slice(1).map((at, index) => at - (ticks[index] ?? at)));
  };
  // Inline it must end by itself: as long as the thread takes to be found out and ended.
  const { default: bounded } = (await import(
    moduleUrl(`export default () => { const end = performance.now() + 400; while (performance.now() < end); };`)
  )) as { default: AgentRun };
  const inline = await longestDelay(async () => await bounded(agentContext()));
  const run = threadedRun(threadPool({ threads: 2, times: FOUND_OUT }), LOOPS);
  const threaded: number[] = [];
  for (let round = 0; round < 3; round += 1) {
    const loops = async (): Promise<unknown[]> => await Promise.all([loopUntilAborted(run), loopUntilAborted(run)]);
    threaded.push(await longestDelay(loops));
  }
  expect(inline).toBeGreaterThan(380);
  // What else the machine does only adds to it: the least of three is the loops' own.
  expect(Math.min(...threaded)).toBeLessThan(inline / 3);
});

test('a loop of microtasks is ended as well, and its thread replaced', async () => {
  const pool = threadPool({ threads: 1, times: FOUND_OUT });
  const microtasks = LOOPS.replace('for (;;) {}', 'for (;;) await null;');
  expect(await loopUntilAborted(threadedRun(pool, microtasks))).toBeInstanceOf(AttemptInterrupted);
  expect(await dataOf(threadedRun(pool, `export default () => 'next';`)(agentContext()))).toBe('next');
});

test('a thread that computes for a while and answers in time is left alone', async () => {
  const pool = threadPool({ threads: 1, times: { pingMs: 2_000 } });
  const busy = `import { threadId } from 'node:worker_threads';
    export default async ({ signal, log }) => {
      log('works');
      await new Promise((resolve) => setTimeout(resolve, 20));
      const end = performance.now() + 300;
      while (performance.now() < end);
      if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve));
      return [threadId, signal.aborted];
    };`;
  const run = threadedRun(pool, busy);
  const [first, second] = [await loopUntilAborted(run), await loopUntilAborted(run)];
  expect(first).toEqual([expect.any(Number), true]);
  expect(second).toEqual(first);
});
