/** What an agent's calls share on a node: its rate limit, its storms, the node's ceiling. */
import { afterEach, beforeAll, expect, test } from 'vitest';
import { resumeBatchExecution } from '../../src/services/pause-batch-execution.ts';
import type { Db } from '../../src/store/database.ts';
import { describeDatabases } from '../support/databases.ts';
import { checkWhole, type Harness, type HarnessOptions, startEngine } from '../support/engine-harness.ts';
import { until } from '../support/until.ts';

describeDatabases('calls of a node', (open) => {
  let db: Db;
  beforeAll(async () => {
    db = await open();
  });
  const started: Harness[] = [];
  afterEach(async () => {
    for (const harness of started.splice(0)) await harness.engine.stop();
  });
  const start = async (options: HarnessOptions = {}): Promise<Harness> => {
    const harness = await startEngine(db, options);
    started.push(harness);
    return harness;
  };

  test('a storm parks the agent: every item gets its result and none loses its tries', async () => {
    const harness = await start();
    let away = true;
    let calls = 0;
    const id = await harness.create(
      300,
      ({ item }) => {
        calls += 1;
        if (away) throw Object.assign(new Error('slow down'), { status: 429 });
        return item.ordinal;
      },
      { concurrency: 10, retryLimit: 5, backoff: { baseMs: 50, factor: 2, maxMs: 100, jitter: 'NONE' } },
    );
    const waiting = await until(async () => {
      const execution = await harness.read(id);
      return execution.waitReason !== null && execution;
    });
    expect(waiting.waitReason).toContain('agent-0');
    expect(waiting.waitUntil?.getTime()).toBeGreaterThan(0);
    const before = calls;
    // Parked: one call now and then tries, the others wait.
    expect(before).toBeLessThan(100);
    away = false;
    expect(await harness.ended(id, 30_000)).toMatchObject({ status: 'COMPLETED', succeeded: 300, waitReason: null });
    await checkWhole(db, id);
    const { charged } = await db
      .selectFrom('everyItem')
      .select((eb) => eb.fn.max<number>('charged').as('charged'))
      .where('executionId', '=', id)
      .executeTakeFirstOrThrow();
    expect(charged).toBeLessThan(5);
  });

  test('a storm that goes on for too long pauses the execution with the reason; a resume tries again', async () => {
    const harness = await start({ stormLimitMs: 1_500 });
    let away = true;
    const id = await harness.create(
      60,
      () => {
        if (away) throw Object.assign(new Error('gone'), { code: 'ECONNREFUSED' });
        return 'back';
      },
      { concurrency: 30, retryLimit: 0 },
    );
    const paused = await until(async () => {
      const execution = await harness.read(id);
      return execution.status === 'PAUSED' && execution;
    }, 20_000);
    expect(paused).toMatchObject({ pauseReason: 'AGENT_STORM', waitReason: null });
    away = false;
    await resumeBatchExecution(harness.deps, harness.actor, { batchExecutionId: id });
    const ended = await harness.ended(id, 20_000);
    expect(ended.succeeded).toBeGreaterThan(0);
    expect(ended.succeeded + ended.failed).toBe(60);
    await checkWhole(db, id);
  });

  test('an agent with a rate limit starts no more in any window, and the rest follows', async () => {
    const harness = await start();
    const starts: number[] = [];
    const id = await harness.create(
      25,
      () => void starts.push(performance.now()),
      { concurrency: 25 },
      {},
      {
        rateLimit: { starts: 10, per: 'SECOND' },
      },
    );
    expect(await harness.ended(id)).toMatchObject({ status: 'COMPLETED', succeeded: 25 });
    for (const [index, at] of starts.entries()) {
      const next = starts[index + 10];
      // The limit is on starts; what the loop does between a start and the agent's first line is not its business.
      if (next !== undefined) expect(next - at).toBeGreaterThan(800);
    }
  });

  test('a rate limit holds up neither a cancel nor a stop', async () => {
    const harness = await start();
    const id = await harness.create(50, () => 1, { concurrency: 50 }, {}, { rateLimit: { starts: 1, per: 'MINUTE' } });
    await until(async () => (await harness.read(id)).succeeded === 1);
    await harness.engine.stop();
    expect(await harness.read(id)).toMatchObject({ running: 0, queued: 49 });
  });

  test('the ceiling of a node holds over all its executions, and a small one gets its share beside a large one', async () => {
    const harness = await start({ nodeConcurrency: 8 });
    let running = 0;
    let most = 0;
    const begun = new Map<string, number>();
    const open: (() => void)[] = [];
    const agent = async ({ idempotencyKey }: { idempotencyKey: string }): Promise<void> => {
      const executionId = idempotencyKey.split(':')[0] ?? '';
      begun.set(executionId, (begun.get(executionId) ?? 0) + 1);
      running += 1;
      most = Math.max(most, running);
      await new Promise<void>((resolve) => open.push(resolve));
      running -= 1;
    };
    const large = await harness.create(2_000, agent, { concurrency: 100 });
    await until(() => running === 8);
    const small = await harness.create(4, agent, { concurrency: 4 });
    // Its first call is there: from here on it is a matter of sharing, not of loading.
    await until(() => {
      if (!begun.has(small)) open.shift()?.();
      return begun.has(small);
    });
    const before = begun.get(large) ?? 0;
    await until(() => {
      open.shift()?.();
      return begun.get(small) === 4;
    });
    // It had less than its half of the node all the while, so nearly every slot that came free was its own.
    expect((begun.get(large) ?? 0) - before).toBeLessThan(10);
    expect(most).toBe(8);
    const drain = setInterval(() => open.splice(0).forEach((end) => end()), 1);
    expect(await harness.ended(large)).toMatchObject({ status: 'COMPLETED', succeeded: 2_000 });
    clearInterval(drain);
    expect(most).toBe(8);
  });
});
