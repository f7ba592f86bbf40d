/** The database server breaks our connections, or is away for a while: the run goes on by itself. */

import { sql } from 'kysely';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Db } from '../../src/store/database.ts';
import { openPostgres } from '../../src/store/postgres.ts';
import { type CutProxy, startCutProxy } from '../support/cut-proxy.ts';
import { type FreshDatabase, freshPostgres } from '../support/databases.ts';
import { type Harness, startEngine } from '../support/engine-harness.ts';
import { checkEnded } from '../support/exact-end.ts';
import { until } from '../support/until.ts';

const CONCURRENCY = 20;
const ITEMS = 3_000;

let database: FreshDatabase;
let proxy: CutProxy;
let pool: { db: Db; close(): Promise<void> };
let harness: Harness;
const said: string[] = [];
const idle: Error[] = [];
const calls = new Map<string, number>();
let aborted = 0;

beforeEach(async () => {
  database = await freshPostgres(3);
  proxy = await startCutProxy(database.url ?? '');
  pool = await openPostgres({ url: proxy.url, onIdleError: (error) => void idle.push(error) });
  const say = (_fields: unknown, message: string): void => void said.push(message);
  const log = { info: () => undefined, debug: () => undefined, warn: say, error: say };
  harness = await startEngine(pool.db, { node: 'the-node', log });
  said.length = 0;
  calls.clear();
  aborted = 0;
});
afterEach(async () => {
  proxy.heal();
  await harness.engine.stop();
  await pool.close();
  await proxy.close();
  await database.close();
});

const agent = async ({
  item,
  idempotencyKey,
  signal,
}: {
  item: { ordinal: number };
  idempotencyKey: string;
  signal: AbortSignal;
}) => {
  calls.set(idempotencyKey, (calls.get(idempotencyKey) ?? 0) + 1);
  await new Promise((resolve) => setTimeout(resolve, 1 + (item.ordinal % 5)));
  if (signal.aborted) aborted += 1;
  return item.ordinal;
};
/** The execution once it has ended, seen past the proxy. */
const ended = async (id: string) =>
  await until(async () => {
    const row = await database.db
      .selectFrom('batchExecution')
      .select(['status', 'succeeded', 'endedAt'])
      .where('id', '=', id)
      .executeTakeFirst();
    return row?.endedAt && row;
  });
/** How far it is, seen past the proxy. */
const succeeded = async (id: string): Promise<number> =>
  (await database.db.selectFrom('batchExecution').select('succeeded').where('id', '=', id).executeTakeFirst())
    ?.succeeded ?? 0;
const charged = async (id: string) =>
  await database.db
    .selectFrom('everyItem')
    .select('ordinal')
    .where('executionId', '=', id)
    .where('charged', '>', 0)
    .execute();

test('connections broken by the server while it flushes, again and again', async () => {
  const id = await harness.create(ITEMS, agent, { concurrency: CONCURRENCY });
  let killed = 0;
  for (let kills = 1; kills <= 6; kills += 1) {
    await until(async () => (await succeeded(id)) >= kills * 400);
    const { rows } = await sql`select pg_terminate_backend(pid) from pg_stat_activity
      where datname = current_database() and application_name = 'batchyard' and pid <> pg_backend_pid()
        and state <> 'idle'`.execute(database.db);
    killed += rows.length;
    proxy.drop();
  }
  expect(await ended(id)).toMatchObject({ status: 'COMPLETED', succeeded: ITEMS });
  await checkEnded(database.db, id);
  expect(await charged(id)).toEqual([]);
  expect(killed + said.length).toBeGreaterThan(0);
});

test('a server that is away: what runs goes on, nothing is called twice, and the run goes on when it is back', async () => {
  // However late the cut comes, most calls are still to be made then: more than may wait to be written.
  const isAway = Promise.withResolvers<void>();
  const id = await harness.create(
    ITEMS,
    async (context) => {
      if (context.item.ordinal >= 400) await isAway.promise;
      return await agent(context);
    },
    { concurrency: CONCURRENCY },
  );
  await until(async () => (await succeeded(id)) >= 300);
  proxy.cut();
  isAway.resolve();
  const away = performance.now();
  // Until several tries of several parts have failed.
  await until(
    () => said.filter((message) => message.includes('flush failed')).length >= 4 && performance.now() - away > 1_500,
  );
  const called = calls.size;
  proxy.heal();
  expect(await ended(id)).toMatchObject({ status: 'COMPLETED', succeeded: ITEMS });
  await checkEnded(database.db, id);
  expect(await charged(id)).toEqual([]);
  expect(calls.size).toBe(ITEMS);
  expect([...calls.values()].filter((count) => count > 1).length).toBe(0);
  expect(aborted).toBe(0);
  expect(called).toBeLessThan(ITEMS);
});

test('a service stops within its grace time while the server is away', async () => {
  const id = await harness.create(500, agent, { concurrency: CONCURRENCY });
  await until(async () => (await succeeded(id)) >= 50);
  proxy.cut();
  await until(() => said.some((message) => message.includes('flush failed')));
  const began = performance.now();
  await harness.engine.stop();
  expect(performance.now() - began).toBeLessThan(8_000);
  expect(harness.engine.busy).toBe(0);
  proxy.heal();

  const next = await startEngine(database.db, { actor: harness.actor, agents: harness.agents });
  expect(await next.ended(id)).toMatchObject({ status: 'COMPLETED', succeeded: 500 });
  await checkEnded(database.db, id);
  await next.engine.stop();
});
