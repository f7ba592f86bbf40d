/** The other end of our connections is gone without a word: nothing is broken, and no answer comes. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Db } from '../../src/store/database.ts';
import { openPostgres } from '../../src/store/postgres.ts';
import { type CutProxy, startCutProxy } from '../support/cut-proxy.ts';
import { type FreshDatabase, freshPostgres } from '../support/databases.ts';
import { type Harness, startEngine } from '../support/engine-harness.ts';
import { checkEnded } from '../support/exact-end.ts';
import { until } from '../support/until.ts';

const LIMIT_MS = 800;
const ITEMS = 2_000;

let database: FreshDatabase;
let proxy: CutProxy;
let pool: { db: Db; close(): Promise<void> };
let harness: Harness;
let unanswered = 0;

beforeEach(async () => {
  unanswered = 0;
  database = await freshPostgres(2);
  proxy = await startCutProxy(database.url ?? '');
  pool = await openPostgres({
    url: proxy.url,
    answerLimits: { laneMs: LIMIT_MS, otherMs: 2 * LIMIT_MS },
    onIdleError: (error) => {
      if (error.message.includes('did not answer')) unanswered += 1;
    },
  });
  harness = await startEngine(pool.db, { node: 'the-node' });
});
afterEach(async () => {
  await harness.engine.stop();
  await pool.close();
  await proxy.close();
  await database.close();
});

const state = async (id: string) =>
  await database.db.selectFrom('batchExecution').selectAll().where('id', '=', id).executeTakeFirstOrThrow();

test.each(['everything', 'answers'] as const)(
  'swallowing %s costs a flush its connection and no more',
  async (what) => {
    const calls = new Map<number, number>();
    const id = await harness.create(
      ITEMS,
      async ({ item }) => {
        calls.set(item.ordinal, (calls.get(item.ordinal) ?? 0) + 1);
        await new Promise((resolve) => setTimeout(resolve, 1 + (item.ordinal % 5)));
        return item.ordinal;
      },
      { concurrency: 20 },
    );
    for (let times = 1; times <= 3; times += 1) {
      await until(async () => (await state(id)).succeeded >= times * 400);
      const before = unanswered;
      proxy.swallow(what);
      await until(() => unanswered > before, LIMIT_MS * 10);
    }
    const execution = await until(async () => {
      const row = await state(id);
      return row.endedAt && row;
    });
    expect(execution).toMatchObject({ status: 'COMPLETED', succeeded: ITEMS });
    await checkEnded(database.db, id);
    expect(calls.size).toBe(ITEMS);
    expect([...calls.values()].every((count) => count === 1)).toBe(true);
  },
);

test('a pool whose server no longer answers is closed all the same', async () => {
  const own = await openPostgres({ url: proxy.url, onIdleError: () => undefined });
  proxy.swallow('everything');
  const began = performance.now();
  await own.close();
  const took = performance.now() - began;
  expect(took).toBeGreaterThan(1_000);
  expect(took).toBeLessThan(6_000);
});
