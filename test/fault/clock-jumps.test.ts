/** The machine's clock is set an hour forwards or back while retries wait and deadlines run. */
import { afterEach, beforeAll, expect, test } from 'vitest';
import type { Clock, LaneStore } from '../../src/engine/ports.ts';
import type { Db } from '../../src/store/database.ts';
import { createLaneStore } from '../../src/store/lane-store.ts';
import { describeDatabases } from '../support/databases.ts';
import { type Harness, type HarnessOptions, startEngine } from '../support/engine-harness.ts';
import { checkEnded } from '../support/exact-end.ts';
import { stopAll } from '../support/nothing-left.ts';
import { until } from '../support/until.ts';

const HOUR_MS = 3_600_000;

describeDatabases('a clock that jumps', (open) => {
  let db: Db;
  let offset = 0;
  const started: Harness[] = [];
  const clock: Clock = {
    now: () => new Date(Date.now() + offset),
    after(ms, callback) {
      const timer = setTimeout(callback, Math.min(ms, 2_147_483_647));
      return () => clearTimeout(timer);
    },
  };
  beforeAll(async () => {
    db = await open();
  });
  afterEach(async () => {
    await stopAll(db, started);
    offset = 0;
  });
  const start = async (options: HarnessOptions = {}): Promise<Harness> => {
    const harness = await startEngine(db, { clock, pollMs: 50, cancelGraceMs: 100, ...options });
    started.push(harness);
    return harness;
  };
  /** An agent whose first attempts ask for a retry after ten minutes. */
  const slowRetries = () => {
    const calls: number[] = [];
    const run = ({ attempt, item }: { attempt: number; item: { ordinal: number } }): number => {
      calls.push(item.ordinal);
      if (attempt === 1) throw Object.assign(new Error('later'), { transient: true, retryAfterMs: HOUR_MS / 6 });
      return item.ordinal;
    };
    return { calls, run };
  };

  test('forwards: retries that wait are due within a poll', async () => {
    const harness = await start();
    const { calls, run } = slowRetries();
    const id = await harness.create(30, run);
    await until(async () => (await harness.read(id)).retrying === 30);
    offset = HOUR_MS;
    expect(await harness.ended(id)).toMatchObject({ status: 'COMPLETED', succeeded: 30 });
    await checkEnded(db, id);
    expect(calls.length).toBe(60);
  });

  test('back: retries wait on without a storm of claims, and go on when it is set right', async () => {
    const real = createLaneStore(
      db,
      'the-node',
      () => Promise.resolve(false),
      () => clock.now(),
    );
    let claims = 0;
    let looks = 0;
    const store: LaneStore = {
      ...real,
      openExecutions: () => {
        looks += 1;
        return real.openExecutions();
      },
      claim: (...args) => {
        claims += 1;
        return real.claim(...args);
      },
    };
    const harness = await start({ store });
    const { calls, run } = slowRetries();
    const id = await harness.create(30, run);
    await until(async () => (await harness.read(id)).retrying === 30);
    offset = -HOUR_MS;
    const before = { claims, looks };
    await until(() => looks >= before.looks + 10);
    // A claim or two for each look, none in between.
    expect(claims - before.claims).toBeLessThanOrEqual(2 * (looks - before.looks) + 2);
    expect(calls.length).toBe(30);
    offset = HOUR_MS;
    expect(await harness.ended(id)).toMatchObject({ status: 'COMPLETED', succeeded: 30 });
    await checkEnded(db, id);
  });

  test('forwards over a deadline: it expires, and what finished is kept', async () => {
    const harness = await start();
    const id = await harness.create(
      100,
      ({ item, signal }) =>
        item.ordinal < 20
          ? item.ordinal
          : new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason))),
      { concurrency: 10 },
      { deadlineAt: new Date(Date.now() + HOUR_MS / 2) },
    );
    await until(async () => (await harness.read(id)).succeeded === 20);
    offset = HOUR_MS;
    expect(await harness.ended(id)).toMatchObject({ status: 'EXPIRED', succeeded: 20, expired: 80 });
    await checkEnded(db, id);
  });

  test.each([
    ['while calls have their grace time', 'closeItems'],
    ['when the lanes are fenced and their items are not closed', 'fenceLanes'],
  ] as const)('forwards over a deadline and back again %s: it ends, whole', async (_name, call) => {
    const real = createLaneStore(
      db,
      'the-node',
      () => Promise.resolve(false),
      () => clock.now(),
    );
    let jumped = false;
    const back =
      <Args extends unknown[], Answer>(own: (...args: Args) => Promise<Answer>) =>
      async (...args: Args) => {
        const answer = await own(...args);
        jumped = true;
        offset = 0;
        return answer;
      };
    // More items than are claimed at once, so that some are in the claim, some in the pool.
    const harness = await start({
      store: { ...real, [call]: back(real[call] as (...args: unknown[]) => Promise<unknown>) },
    });
    let patient = true;
    const id = await harness.create(
      1_300,
      ({ item }) =>
        patient && item.ordinal >= 20
          ? new Promise((resolve) => void until(() => !patient).then(resolve))
          : item.ordinal,
      { concurrency: 10 },
      { deadlineAt: new Date(Date.now() + HOUR_MS / 2) },
    );
    await until(async () => {
      const { running, sealedAt } = await harness.read(id);
      return running === 10 && sealedAt !== null;
    });
    offset = HOUR_MS;
    await until(() => jumped);
    patient = false;
    const { status, succeeded, expired } = await harness.ended(id);
    expect(['COMPLETED', 'COMPLETED_WITH_ERRORS']).toContain(status);
    expect(succeeded + expired).toBe(1_300);
    await checkEnded(db, id);
  });
});
