import { afterEach, beforeAll, expect, test } from 'vitest';
import type { AgentRun } from '../../src/domain/agent-context.ts';
import { infrastructureEvents } from '../../src/domain/infrastructure-events.ts';
import type { Db } from '../../src/store/database.ts';
import { readLaneFacts } from '../../src/store/diagnosis-reads.ts';
import { createLaneStore } from '../../src/store/lane-store.ts';
import { countStatements } from '../support/counted-statements.ts';
import { describeDatabases } from '../support/databases.ts';
import { type Harness, startEngine, storeExecution } from '../support/engine-harness.ts';
import { checkEnded } from '../support/exact-end.ts';
import { stopAll } from '../support/nothing-left.ts';
import { makeProject } from '../support/rows.ts';
import { until } from '../support/until.ts';

describeDatabases('a lane that another node took over', (open) => {
  let db: Db;
  beforeAll(async () => {
    db = await open();
  });
  const started: Harness[] = [];
  // Before the next test: these engines believe every other node dead.
  afterEach(async () => {
    await stopAll(db, started);
  });

  test('refuses every write of its old holder', async () => {
    const first = await startEngine(db, { node: 'old-holder' });
    started.push(first);
    const hold = Promise.withResolvers<void>();
    let calls = 0;
    const id = await first.create(
      20,
      async ({ item }) => {
        calls += 1;
        if (calls <= 5) await hold.promise;
        return `call ${calls} of ${item.ordinal}`;
      },
      { concurrency: 5 },
    );
    await until(async () => (await first.read(id)).running === 5);

    // The old holder is frozen in its calls; the other node believes it dead and takes the lane.
    const second = await startEngine(db, { node: 'new-holder', actor: first.actor, agents: first.agents });
    started.push(second);
    second.engine.wake(id);
    expect(await second.ended(id)).toMatchObject({ status: 'COMPLETED', succeeded: 20 });
    hold.resolve();
    await until(() => first.engine.busy === 0);
    await checkEnded(db, id);
    const results = await db.selectFrom('everyResult').select('ordinal').where('executionId', '=', id).execute();
    expect(new Set(results.map((row) => row.ordinal)).size).toBe(20);
    expect(results.length).toBe(20);
    // Whoever asks for a diagnosis is told of it.
    expect(
      infrastructureEvents({
        ...(await readLaneFacts(db, first.actor.projectId, id)),
        failures: [],
        interruptedItems: 0,
      }),
    ).toMatchObject([{ kind: 'NODE_LOST', count: expect.any(Number), at: expect.any(Date) }]);
  });

  test('goes to one of two nodes that take it at once, in one statement where nobody had it', async () => {
    const harness = await startEngine(db);
    started.push(harness);
    await harness.engine.stop();
    const id = await harness.create(5, () => 1);
    const counted = ['one', 'other'].map((node) => ({ node, ...countStatements(db) }));
    const taken = await Promise.all(
      counted.map((own) =>
        createLaneStore(
          own.db,
          own.node,
          () => Promise.resolve(true),
          () => new Date(),
        ).takeLane(id, 0),
      ),
    );
    const winner = taken.findIndex((lane) => lane !== null);
    expect(taken.filter((lane) => lane !== null)).toMatchObject([
      {
        lane: { executionId: id, no: 0, epoch: 1 },
        share: 10,
        round: 0,
        status: 'PREPARING',
        items: [],
        afterDeath: false,
      },
    ]);
    expect(counted[winner]?.statements()).toBe(1);
    const row = await db
      .selectFrom('executionLane')
      .selectAll()
      .where('executionId', '=', id)
      .executeTakeFirstOrThrow();
    expect(row).toMatchObject({ owner: counted[winner]?.node, epoch: 1, claim: [], suspects: false, takeovers: 0 });
  });

  test('leaves a lane whose owner lives alone', async () => {
    const first = await startEngine(db, { node: 'alive' });
    started.push(first);
    const hold = Promise.withResolvers<void>();
    const nodes: string[] = [];
    const id = await first.create(3, async () => {
      nodes.push('alive');
      await hold.promise;
    });
    await until(() => nodes.length === 3);
    const store = createLaneStore(
      db,
      'other',
      (node) => Promise.resolve(node === 'alive'),
      () => new Date(),
    );
    expect(await store.takeLane(id, 0)).toBeNull();
    hold.resolve();
    expect(await first.ended(id)).toMatchObject({ status: 'COMPLETED' });
  });

  test('fails an item whose process died three times under it, and none of its neighbours', async () => {
    const { actor } = await makeProject(db);
    const agents = new Map<string, AgentRun>();
    const calls = new Map<number, number>();
    let die: (() => void) | null = null;
    const id = await storeExecution(
      db,
      actor,
      agents,
      6,
      async ({ item }) => {
        calls.set(item.ordinal, (calls.get(item.ordinal) ?? 0) + 1);
        if (item.ordinal !== 2) return await new Promise((resolve) => setImmediate(() => resolve('fine')));
        die?.();
        return await new Promise(() => undefined);
      },
      { concurrency: 6 },
    );
    for (let death = 1; death <= 3; death += 1) {
      const dead = Promise.withResolvers<void>();
      die = dead.resolve;
      let killed = false;
      const store = createLaneStore(
        db,
        `node-${death}`,
        () => Promise.resolve(false),
        () => new Date(),
      );
      // A dead process writes nothing: from the fatal call on its statements never reach the database.
      const untilDead =
        <A extends unknown[], R>(call: (...args: A) => Promise<R>) =>
        async (...args: A): Promise<R> =>
          killed ? await new Promise<R>(() => undefined) : await call(...args);
      void dead.promise.then(() => {
        killed = true;
      });
      const harness = await startEngine(db, {
        ...{ actor, agents },
        store: {
          ...store,
          settle: untilDead(store.settle),
          claim: untilDead(store.claim),
          releaseLane: untilDead(store.releaseLane),
          openExecution: untilDead(store.openExecution),
          openExecutions: untilDead(store.openExecutions),
        },
      });
      await dead.promise;
      harness.engine.wake(id);
    }
    const last = await startEngine(db, { node: 'survivor', actor, agents });
    started.push(last);
    expect(await last.ended(id)).toMatchObject({ status: 'COMPLETED_WITH_ERRORS', succeeded: 5, failed: 1 });
    await checkEnded(db, id);
    const item = await db
      .selectFrom('everyItem')
      .selectAll()
      .where('executionId', '=', id)
      .where('ordinal', '=', 2)
      .executeTakeFirstOrThrow();
    expect(item).toMatchObject({ status: 'FAILED', errorCode: 'worker_crash', errorTransient: false, deaths: 3 });
    expect(calls.get(2)).toBe(3);
  });
});
