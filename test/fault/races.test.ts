/** Users and nodes that race each other: whoever wins, every count and result stays exact. */
import { afterEach, beforeAll, expect, test } from 'vitest';
import type { AgentRun } from '../../src/domain/agent-context.ts';
import { UserError } from '../../src/domain/user-error.ts';
import { cancelBatchExecution } from '../../src/services/cancel-batch-execution.ts';
import { pauseBatchExecution, resumeBatchExecution } from '../../src/services/pause-batch-execution.ts';
import { retryFailedItems } from '../../src/services/retry-failed-items.ts';
import { updateBatchExecution } from '../../src/services/update-batch-execution.ts';
import type { Db } from '../../src/store/database.ts';
import { createLaneStore } from '../../src/store/lane-store.ts';
import { describeDatabases } from '../support/databases.ts';
import { type Harness, type HarnessOptions, startEngine } from '../support/engine-harness.ts';
import { checkEnded } from '../support/exact-end.ts';
import { fastClock } from '../support/fast-clock.ts';
import { stopAll } from '../support/nothing-left.ts';
import { type Seeded, seeded } from '../support/seeded.ts';
import { until } from '../support/until.ts';

/** What became of a request: its answer, or that the state did not allow it. */
async function outcome(request: Promise<unknown>): Promise<'done' | 'refused'> {
  try {
    await request;
    return 'done';
  } catch (error) {
    if (error instanceof UserError && error.code === 'INVALID_STATE') return 'refused';
    throw error;
  }
}

const turns = async (count: number): Promise<void> => {
  for (let turn = 0; turn < count; turn += 1) await new Promise((resolve) => setImmediate(resolve));
};

describeDatabases('a race', (open, kind) => {
  const races = kind === 'postgres' ? 30 : 15;
  let db: Db;
  const started: Harness[] = [];
  beforeAll(async () => {
    db = await open();
  });
  afterEach(async () => {
    await stopAll(db, started);
  });
  const start = async (options: HarnessOptions = {}): Promise<Harness> => {
    const harness = await startEngine(db, { clock: fastClock(20), cancelGraceMs: 400, ...options });
    started.push(harness);
    return harness;
  };

  test(`of a cancel with the last success, ${races} times`, async () => {
    // Long enough for a result that is on its way.
    const harness = await start({ cancelGraceMs: 60_000 });
    const draw = seeded(1);
    for (let race = 0; race < races; race += 1) {
      const last = Promise.withResolvers<void>();
      let called = false;
      const items = draw.between(1, 5);
      const id = await harness.create(items, async ({ item }) => {
        if (item.ordinal < items - 1) return item.ordinal;
        called = true;
        await last.promise;
        return item.ordinal;
      });
      await until(async () => called && (await harness.read(id)).succeeded === items - 1);
      const cancelled = turns(draw.between(0, 8)).then(() =>
        outcome(cancelBatchExecution(harness.deps, harness.actor, { batchExecutionId: id })),
      );
      await turns(draw.between(0, 8));
      last.resolve();
      const { status, succeeded } = await harness.ended(id);
      // The result came in time, or in the grace time: it is kept either way.
      expect({ status, succeeded }).toEqual({
        status: (await cancelled) === 'done' ? 'CANCELLED' : 'COMPLETED',
        succeeded: items,
      });
      await checkEnded(db, id);
    }
  });

  test(`of two retries and a cancel, ${races} times`, async () => {
    const harness = await start();
    const draw = seeded(2);
    for (let race = 0; race < races; race += 1) {
      const id = await harness.create(
        40,
        ({ round, item }) => {
          if (round === 0 && item.ordinal % 2 === 0) throw Object.assign(new Error('no'), { transient: true });
          return item.ordinal;
        },
        { retryLimit: 0 },
      );
      expect(await harness.ended(id)).toMatchObject({ status: 'COMPLETED_WITH_ERRORS', failed: 20 });
      const target = { batchExecutionId: id };
      const retry = (): Promise<string> =>
        outcome(retryFailedItems(harness.deps, harness.actor, { ...target, expectedRound: 0 }));
      const [first, second, cancel] = await Promise.all([
        retry(),
        turns(draw.between(0, 4)).then(retry),
        turns(draw.between(0, 30)).then(() => outcome(cancelBatchExecution(harness.deps, harness.actor, target))),
      ]);
      // One retry at most opens the round, whatever the cancel does.
      expect([first, second].sort()).toEqual(['done', 'refused']);
      const ended = await until(async () => {
        const execution = await harness.read(id);
        return execution.endedAt !== null && harness.engine.busy === 0 && execution;
      });
      expect(ended.round).toBe(1);
      expect(ended.status).toBe(cancel === 'done' ? 'CANCELLED' : 'COMPLETED');
      await checkEnded(db, id);
    }
  });

  test('of pauses, resumes and changes with each other: nothing is called twice, and no more at a time than were ever allowed', async () => {
    const harness = await start();
    const draw = seeded(3);
    let [running, most, calls, allowed] = [0, 0, 0, 10];
    const agent: AgentRun = async ({ item }) => {
      calls += 1;
      running += 1;
      most = Math.max(most, running);
      await turns(item.ordinal % 4);
      running -= 1;
      return item.ordinal;
    };
    const items = 1_500;
    const id = await harness.create(items, agent, { concurrency: allowed });
    const target = { batchExecutionId: id };
    const { deps, actor } = harness;
    const one = (pick: Seeded): Promise<unknown> => {
      const concurrency = pick.between(1, 30);
      return pick.pick([
        () => pauseBatchExecution(deps, actor, target),
        () => resumeBatchExecution(deps, actor, target),
        () => {
          allowed = Math.max(allowed, concurrency);
          return updateBatchExecution(deps, actor, {
            ...target,
            concurrency,
            priority: pick.between(-5, 5),
            retryLimit: pick.between(0, 9),
          });
        },
      ])();
    };
    for (let burst = 0; burst < 25; burst += 1) {
      await Promise.all(Array.from({ length: 3 }, () => outcome(one(draw))));
      await turns(draw.between(0, 20));
    }
    await until(async () => {
      const { status } = await harness.read(id);
      if (status === 'PAUSED') await outcome(resumeBatchExecution(deps, actor, target));
      return status === 'COMPLETED';
    });
    await checkEnded(db, id);
    expect(calls).toBe(items);
    expect(most).toBeLessThanOrEqual(allowed);
  });

  test('of two nodes that believe each other dead: the older epoch writes nothing, and the end is exact', async () => {
    const refused = { settles: 0 };
    const clock = fastClock(20);
    const storeOf = (node: string) => {
      const store = createLaneStore(
        db,
        node,
        () => Promise.resolve(false),
        () => clock.now(),
      );
      return {
        ...store,
        settle: async (...args: Parameters<typeof store.settle>) => {
          const before = await epoch();
          const answer = await store.settle(...args);
          if (!answer.held) refused.settles += 1;
          else if (args[0].epoch < before) throw new Error('an older epoch has written');
          return answer;
        },
      };
    };
    let id = '';
    const epoch = async (): Promise<number> =>
      (await db.selectFrom('executionLane').select('epoch').where('executionId', '=', id).executeTakeFirst())?.epoch ??
      0;
    const one = await start({ clock, node: 'one', store: storeOf('one') });
    let stolen = false;
    const items = 1_000;
    const agent: AgentRun = async ({ item }) => {
      // Never long: a holder that neither claims nor flushes would not learn that it lost the lane.
      await new Promise((resolve) => setTimeout(resolve, stolen ? 0 : 1 + (item.ordinal % 10)));
      return item.ordinal;
    };
    id = await one.create(items, agent, { concurrency: 8 });
    const two = await start({ clock, node: 'two', store: storeOf('two'), actor: one.actor, agents: one.agents });
    // Each poll is a theft: both go on taking the lane from the other.
    await until(async () => refused.settles > 0 && (await epoch()) >= 4);
    stolen = true;
    // Else they go on for ever: an item runs only as long as its lane is not stolen.
    await one.engine.stop();
    const ended = await two.ended(id);
    await until(() => two.engine.busy === 0);
    await checkEnded(db, id);
    // Each theft looks like a death: what ran in three of them is taken for the culprit.
    expect(ended.succeeded + ended.failed).toBe(items);
    const codes = await db.selectFrom('itemFailure').select('code').distinct().where('executionId', '=', id).execute();
    expect(codes.filter(({ code }) => code !== 'worker_crash')).toEqual([]);
    expect(refused.settles).toBeGreaterThan(0);
  });
});
