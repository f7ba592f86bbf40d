import { beforeAll, expect, onTestFinished, test } from 'vitest';
import type { AgentRun } from '../../src/domain/agent-context.ts';
import { AttemptInterrupted } from '../../src/domain/attempt-interrupted.ts';
import { classifyThrown } from '../../src/domain/item-error.ts';
import type { Db } from '../../src/store/database.ts';
import { describeDatabases } from '../support/databases.ts';
import { startEngine } from '../support/engine-harness.ts';
import { checkEnded } from '../support/exact-end.ts';
import { agentContext, dataOf, threadedRun, threadPool } from '../support/threaded-agents.ts';
import { until } from '../support/until.ts';

const DEADLY = `
  import { setTimeout as delay } from 'node:timers/promises';
  const ways = [
    () => process.exit(0),
    () => new Promise(() => setTimeout(() => { throw new Error('outside the call'); })),
    () => new Promise(() => void Promise.reject(new Error('nobody listens'))),
    () => { const hoard = []; for (;;) hoard.push(new Array(500_000).fill(hoard.length)); },
  ];
  export default async ({ item }) => {
    await delay(50);
    return await ways[item.ordinal]?.() ?? item.ordinal;
  };`;
/** Waits until it is aborted, unless its item is the one that ends the thread. */
const FIRST_DIES = `export default ({ item, log }) => {
    if (item.ordinal === 0) process.exit(1);
    log('waits');
    return new Promise(() => {});
  };`;

const thrownBy = (answer: unknown): Promise<unknown> => dataOf(answer).catch((thrown: unknown) => thrown);

describeDatabases('an agent that ends its thread', (open) => {
  let db: Db;
  beforeAll(async () => {
    db = await open();
  });

  test('fails its item as worker_crash at the third death of its own thread; the others succeed uncharged', async () => {
    const harness = await startEngine(db);
    onTestFinished(() => harness.engine.stop());
    const deaths: string[] = [];
    const pool = threadPool({
      ...{ threads: 1, maxHeapMb: 48, times: { waitMs: 60_000 } },
      onDeath: ({ end, reason }) => deaths.push(`${end}: ${reason}`),
    });
    const run = threadedRun(pool, DEADLY);
    const calls = new Map<number, number>();
    const counting: AgentRun = (context) => {
      calls.set(context.item.ordinal, (calls.get(context.item.ordinal) ?? 0) + 1);
      return run(context);
    };
    const id = await harness.create(10, counting, { concurrency: 10, retryLimit: 5 });
    expect(await harness.ended(id, 45_000)).toMatchObject({ status: 'COMPLETED_WITH_ERRORS', succeeded: 6, failed: 4 });
    const failed = await db
      .selectFrom('itemFailure')
      .select(['ordinal', 'category', 'code', 'transient', 'message'])
      .where('executionId', '=', id)
      .orderBy('ordinal')
      .execute();
    const crash = { category: 'INTERRUPTED', code: 'worker_crash', transient: false };
    expect(failed).toMatchObject([0, 1, 2, 3].map((ordinal) => ({ ordinal, ...crash })));
    expect(failed.map(({ message }) => message.replace(/^.*alone: /, ''))).toEqual([
      'it ended its process with code 0.',
      'Error: outside the call.',
      'Error: nobody listens.',
      expect.stringContaining('out of memory'),
    ]);
    // Once beside the others, then three times alone.
    expect([...calls].filter(([ordinal]) => ordinal < 4).map(([, count]) => count)).toEqual([4, 4, 4, 4]);
    expect([...calls].filter(([ordinal]) => ordinal >= 4).every(([, count]) => count === 2)).toBe(true);
    expect(deaths).toHaveLength(13);
    await checkEnded(db, id);
  });
});

test('a call that waits too long for a thread of its own is made anew instead of being charged for the wait', async () => {
  const pool = threadPool({ threads: 1, times: { waitMs: 100 } });
  const run = threadedRun(pool, FIRST_DIES);
  const contexts = Array.from({ length: 6 }, (_, ordinal) => agentContext({ item: { ordinal } }));
  const together = contexts.map((context) => thrownBy(run(context)));
  for (const call of together) expect(await call).toBeInstanceOf(AttemptInterrupted);
  // Four calls may run alone beside one shared thread; these do not end.
  const said: string[] = [];
  const alone = contexts.slice(1).map((context) => thrownBy(run({ ...context, log: (text) => said.push(text) })));
  await until(() => said.length === 4);
  expect(await Promise.race(alone)).toBeInstanceOf(AttemptInterrupted);
  expect(said).toHaveLength(4);
});

test('a suspect that was aborted while it waited for its thread is not called', async () => {
  const pool = threadPool({ threads: 1 });
  const run = threadedRun(pool, FIRST_DIES);
  const contexts = Array.from({ length: 6 }, (_, ordinal) => agentContext({ item: { ordinal } }));
  await Promise.all(contexts.map((context) => thrownBy(run(context))));
  const said: string[] = [];
  const log = (text: string): void => void said.push(text);
  const controller = new AbortController();
  void Promise.all(contexts.slice(1, 5).map((context) => thrownBy(run({ ...context, log }))));
  const waiting = thrownBy(run({ ...agentContext(), ...contexts[5], log, signal: controller.signal }));
  await until(() => said.length === 4);
  controller.abort(new DOMException('Stop.', 'AbortError'));
  expect(await waiting).toMatchObject({ name: 'AbortError' });
});

test('an item is called beside others again once it has answered alone', async () => {
  const pool = threadPool({ threads: 1 });
  const run = threadedRun(
    pool,
    `import { threadId } from 'node:worker_threads';
     export default ({ config }) => config === 'die' ? process.exit(1) : threadId;`,
  );
  const context = agentContext();
  const before = thrownBy(run({ ...context, config: 'die' }));
  expect(classifyThrown(await before).message).toContain('crashed');
  const other = await dataOf(run(agentContext()));
  const alone = await dataOf(run(context));
  const after = await dataOf(run(context));
  expect(alone).not.toBe(other);
  expect(after).toBe(other);
});
