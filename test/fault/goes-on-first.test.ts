import { afterEach, beforeAll, expect, test } from 'vitest';
import type { AgentRun } from '../../src/domain/agent-context.ts';
import { systemClock } from '../../src/engine/clock.ts';
import type { Clock, ItemInputs } from '../../src/engine/ports.ts';
import { prepareExecution } from '../../src/services/prepare-execution.ts';
import { pauseExecution } from '../../src/store/control-execution.ts';
import type { Db } from '../../src/store/database.ts';
import { createLaneStore } from '../../src/store/lane-store.ts';
import { describeDatabases } from '../support/databases.ts';
import { countedSources, type Harness, startEngine, storeExecution } from '../support/engine-harness.ts';
import { stopAll } from '../support/nothing-left.ts';
import { makeProject } from '../support/rows.ts';
import { until } from '../support/until.ts';

/** Longer than a test may take. */
const LONG_MS = 600_000;

describeDatabases('a start waits for what goes on', (open) => {
  let db: Db;
  beforeAll(async () => {
    db = await open();
  });
  const started: Harness[] = [];
  afterEach(async () => {
    await stopAll(db, started);
  });

  test('until items that may have run in a dead process are called again', async () => {
    let calls = 0;
    const first = await startEngine(db, { node: 'dies' });
    started.push(first);
    const hold = Promise.withResolvers<void>();
    const id = await first.create(20, async () => {
      calls += 1;
      await hold.promise;
    });
    await until(() => calls > 0);
    const before = calls;
    const second = await startEngine(db, { node: 'goes-on', actor: first.actor, agents: first.agents });
    started.push(second);
    await second.engine.resumed(LONG_MS);
    expect(calls).toBeGreaterThan(before);
    hold.resolve();
    await second.ended(id);
  });

  test('and loads agents while it takes what a dead process left', async () => {
    const first = await startEngine(db, { node: 'dies-too' });
    started.push(first);
    const hold = Promise.withResolvers<void>();
    let calls = 0;
    const id = await first.create(3, async () => {
      calls += 1;
      await hold.promise;
    });
    await until(() => calls > 0);
    let loads = 0;
    const loadsWhenTaken: number[] = [];
    const store = createLaneStore(
      db,
      'loads',
      () => Promise.resolve(false),
      () => new Date(),
    );
    const second = await startEngine(db, {
      ...{ node: 'loads', actor: first.actor, agents: first.agents },
      wrapAgent: (run) => {
        loads += 1;
        return run;
      },
      store: {
        ...store,
        takeLane: async (...args) => {
          const taken = await store.takeLane(...args);
          if (args[0] === id && taken !== null) loadsWhenTaken.push(loads);
          return taken;
        },
      },
    });
    started.push(second);
    await second.engine.resumed(LONG_MS);
    expect(loadsWhenTaken).toEqual([1]);
    hold.resolve();
    await second.ended(id);
  });

  test('and prepares no more items before', async () => {
    const { actor } = await makeProject(db);
    const agents = new Map<string, AgentRun>();
    const sources = countedSources();
    const now = () => new Date();
    const hold = Promise.withResolvers<void>();
    let steps = 0;
    const first = await startEngine(db, {
      ...{ node: 'dies-while-it-prepares', isAlive: () => Promise.resolve(true), actor, agents },
      prepare: async (executionId) => {
        steps += 1;
        if (steps > 1) await hold.promise;
        return await prepareExecution({ db, sources, now }, executionId);
      },
    });
    started.push(first);
    let calls = 0;
    const id = await first.create(300, async () => {
      calls += 1;
      await hold.promise;
    });
    await until(() => calls > 0);
    const before = calls;
    const callsWhenPrepared: number[] = [];
    // It waits a second at most, in which a busy machine may not come to the first call.
    const clock: Clock = {
      now: () => systemClock.now(),
      after: (ms, callback) => systemClock.after(ms === 1_000 ? LONG_MS : ms, callback),
    };
    const second = await startEngine(db, {
      ...{ node: 'prepares-later', actor, agents, clock },
      prepare: async (executionId) => {
        callsWhenPrepared.push(calls);
        return await prepareExecution({ db, sources, now }, executionId);
      },
    });
    started.push(second);
    await until(() => callsWhenPrepared.length > 0);
    hold.resolve();
    expect(callsWhenPrepared[0]).toBeGreaterThan(before);
    await second.ended(id);
  });

  test('not where nothing is open, nor where what is open is paused', async () => {
    const first = await startEngine(db, { node: 'pauses' });
    started.push(first);
    await first.engine.resumed(LONG_MS);
    const hold = Promise.withResolvers<void>();
    let calls = 0;
    const id = await first.create(3, async () => {
      calls += 1;
      await hold.promise;
    });
    await until(async () => calls === 3 && (await first.read(id)).status === 'RUNNING');
    await pauseExecution(db, id, 'USER', new Date());
    const second = await startEngine(db, { node: 'finds-it-paused', actor: first.actor, agents: first.agents });
    started.push(second);
    await second.engine.resumed(LONG_MS);
    expect(calls).toBe(3);
    hold.resolve();
  });

  test('for a stated time where an agent does not come to its first call', async () => {
    const { actor } = await makeProject(db);
    const agents = new Map<string, AgentRun>();
    const load = Promise.withResolvers<void>();
    await storeExecution(db, actor, agents, 3, () => null);
    const late: number[] = [];
    const clock: Clock = {
      now: () => systemClock.now(),
      after: (ms, callback) => {
        if (ms !== LONG_MS) return systemClock.after(ms, callback);
        late.push(ms);
        return systemClock.after(0, callback);
      },
    };
    const inputs: ItemInputs = {
      async load() {
        await load.promise;
        return new Map();
      },
    };
    const harness = await startEngine(db, { actor, agents, clock, inputs });
    started.push(harness);
    await harness.engine.resumed(LONG_MS);
    expect(late).toEqual([LONG_MS]);
    load.resolve();
  });
});
