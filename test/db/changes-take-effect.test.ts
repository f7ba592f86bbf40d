/**
 * Each change of a running execution takes effect on the node whose service made it, which is told and never polls here,
 * and on another with its next poll.
 */
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { AgentContext } from '../../src/domain/agent-context.ts';
import { systemClock } from '../../src/engine/clock.ts';
import type { Clock } from '../../src/engine/ports.ts';
import type { ChangesInput } from '../../src/services/execution-control.ts';
import { updateBatchExecution } from '../../src/services/update-batch-execution.ts';
import type { Db } from '../../src/store/database.ts';
import { describeDatabases } from '../support/databases.ts';
import { type Harness, startEngine } from '../support/engine-harness.ts';
import { checkEnded } from '../support/exact-end.ts';
import { stopAll } from '../support/nothing-left.ts';
import { until } from '../support/until.ts';

const HOUR_MS = 3_600_000;
/** How long a test may take to change the deadlines that it has set. */
const SOON_MS = 3_000;
/** Longer than a test, and no delay of anything else. */
const POLL_MS = 24 * HOUR_MS + 1;

/** Calls that end when the test lets them, and not before. */
class HeldCalls {
  readonly #ends: (() => void)[] = [];
  begun = 0;

  get running(): number {
    return this.#ends.length;
  }

  readonly hold = async ({ signal }: Pick<AgentContext, 'signal'>): Promise<void> => {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.begun += 1;
    this.#ends.push(resolve);
    signal.addEventListener('abort', () => {
      const place = this.#ends.indexOf(resolve);
      if (place >= 0) this.#ends.splice(place, 1);
      reject(signal.reason);
    });
    await promise;
  };

  release(count: number): void {
    for (const end of this.#ends.splice(0, count)) end();
  }
}

describeDatabases('a change of a running execution', (open) => {
  let db: Db;
  const started: Harness[] = [];
  beforeAll(async () => {
    db = await open();
  });
  afterEach(async () => {
    await stopAll(db, started);
  });

  describe.each(['its own', 'another'] as const)('made on %s node', (where) => {
    /** The node that runs executions, and how one is changed; nothing but a poll tells it of what another changes. */
    async function nodes() {
      const isAlive = () => Promise.resolve(true);
      let poll = (): void => undefined;
      const clock: Clock = {
        now: () => systemClock.now(),
        after: (ms, callback) => {
          if (ms !== POLL_MS) return systemClock.after(ms, callback);
          poll = callback;
          return () => undefined;
        },
      };
      const runs = await startEngine(db, {
        ...{ node: 'runs', isAlive, cancelGraceMs: 100, nodeConcurrency: 20, clock, pollMs: POLL_MS },
      });
      started.push(runs);
      const steers =
        where === 'its own'
          ? runs
          : await startEngine(db, { node: 'steers', isAlive, pollMs: POLL_MS, actor: runs.actor });
      if (steers !== runs) started.push(steers);
      const change = async (id: string, to: Omit<ChangesInput, 'batchExecutionId'>): Promise<void> => {
        await updateBatchExecution(steers.deps, steers.actor, { batchExecutionId: id, ...to });
        if (where === 'another') poll();
      };
      return { runs, change };
    }
    /** Lets the calls go, and looks at the end. */
    const finish = async (runs: Harness, id: string, calls: HeldCalls, status = 'COMPLETED'): Promise<void> => {
      const letGo = setInterval(() => calls.release(calls.running), 1);
      expect(await runs.ended(id)).toMatchObject({ status });
      clearInterval(letGo);
      await checkEnded(db, id);
    };

    test('of its concurrency, up and down', async () => {
      const { runs, change } = await nodes();
      const calls = new HeldCalls();
      const id = await runs.create(60, calls.hold, { concurrency: 2 });
      await until(() => calls.running === 2);
      await change(id, { concurrency: 9 });
      await until(() => calls.running === 9);
      await change(id, { concurrency: 3 });
      // Each call that ends is followed by another until the change is there.
      await until(() => {
        calls.release(1);
        return calls.running < 3;
      });
      await until(() => calls.running === 3);
      await finish(runs, id, calls);
    });

    test('of its retry limit, up and down', async () => {
      const { runs, change } = await nodes();
      const calls = new HeldCalls();
      const id = await runs.create(
        100,
        async (context) => {
          await calls.hold(context);
          if (context.attempt === 1 || context.item.ordinal === 99) throw new Error('not the first time');
        },
        { concurrency: 1, retryLimit: 0, backoff: { baseMs: 1, factor: 1, maxMs: 1, jitter: 'NONE' } },
      );
      await until(() => calls.running === 1);
      await change(id, { retryLimit: 999 });
      // Each of them fails for good until the change is there.
      await until(async () => {
        calls.release(1);
        return (await runs.read(id)).retrying > 0;
      });
      const letGo = setInterval(() => calls.release(calls.running), 1);
      // Now only the last one is left, which fails each time.
      await until(async () => {
        const { queued, running, retrying } = await runs.read(id);
        return queued + running + retrying === 1;
      });
      await change(id, { retryLimit: 0 });
      await runs.ended(id);
      clearInterval(letGo);
      await checkEnded(db, id);
    });

    test('of its priority, for the calls that wait for a slot already', async () => {
      const { runs, change } = await nodes();
      const [calls, others] = [new HeldCalls(), new HeldCalls()];
      const other = await runs.create(2_000, others.hold, { concurrency: 50 });
      await until(() => others.running === 20);
      const id = await runs.create(10, calls.hold, { concurrency: 10 }, { priority: -5 });
      await until(() => {
        if (calls.begun === 0) others.release(1);
        return calls.begun === 1;
      });
      await change(id, { priority: 10 });
      // Its own call never ends meanwhile; every slot that comes free is its own once the change is there.
      await until(() => {
        others.release(1);
        return calls.begun === 10;
      });
      await finish(runs, id, calls);
      await finish(runs, other, others);
    });

    test('of its deadline, nearer, further and away', async () => {
      const { runs, change } = await nodes();
      const calls = new HeldCalls();
      const soon = () => new Date(Date.now() + SOON_MS);
      const create = async () => await runs.create(10, calls.hold, { concurrency: 2 }, { deadlineAt: soon() });
      const [further, away] = [await create(), await create()];
      const inAnHour = new Date(Date.now() + HOUR_MS);
      const nearer = await runs.create(10, calls.hold, { concurrency: 2 }, { deadlineAt: inAnHour });
      const deadlineAt = soon();
      await change(nearer, { deadlineAt });
      await change(further, { deadlineAt: inAnHour });
      await change(away, { deadlineAt: null });
      const { status, endedAt } = await runs.ended(nearer);
      expect(status).toBe('EXPIRED');
      expect(endedAt?.getTime()).toBeGreaterThanOrEqual(deadlineAt.getTime());
      await checkEnded(db, nearer);
      // The deadlines that the other two had were before this one.
      await finish(runs, further, calls);
      await finish(runs, away, calls);
    });
  });
});
