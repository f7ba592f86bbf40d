/** The database is away for ten seconds under a whole service that works: it says so, and every item is accounted for. */
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { createApp } from '../../src/app.ts';
import { loadConfig } from '../../src/config.ts';
import { startCutProxy } from '../support/cut-proxy.ts';
import { dataFolder } from '../support/data-folder.ts';
import { freshPostgres } from '../support/databases.ts';
import { checkEnded } from '../support/exact-end.ts';
import { codeOf, dig, post } from '../support/server.ts';
import { until } from '../support/until.ts';

const AWAY_MS = 10_000;
const ITEMS = 3_000;
const KEY = 'a-root-key-for-tests-only';
const CREATE = `mutation ($items: [InlineItemInput!]!) { createBatchExecution(input: { source: { spec: {
    name: "long", agent: "counts", input: { items: $items }, execution: { concurrency: 20 } } } }) {
  ... on CreateBatchExecutionSuccess { batchExecution { id } } ... on UserError { message } } }`;
const COUNTS = `export default { threaded: false, async run({ idempotencyKey, item }) {
  const calls = globalThis.callsOfTest;
  calls.set(idempotencyKey, (calls.get(idempotencyKey) ?? 0) + 1);
  await new Promise((resolve) => setTimeout(resolve, 1 + (item.ordinal % 5)));
  return item.ordinal;
} };`;

test('a service whose database is down for ten seconds says so, loses nothing and repeats nothing', async () => {
  const calls = new Map<string, number>();
  Object.assign(globalThis, { callsOfTest: calls });
  const database = await freshPostgres(2);
  const proxy = await startCutProxy(database.url ?? '');
  const folder = dataFolder();
  const agents = path.join(folder, 'agents');
  mkdirSync(agents, { recursive: true });
  writeFileSync(path.join(agents, 'counts.mjs'), COUNTS);
  const app = createApp(
    loadConfig({
      ...{ PORT: '0', LOG_LEVEL: 'silent', DATABASE_URL: proxy.url, BATCHYARD_SECRET_KEY: 'a-secret-key-for-tests' },
      ...{ BATCHYARD_ROOT_KEY: KEY, BATCHYARD_DATA_DIR: folder, BATCHYARD_AGENTS_DIR: agents },
    }),
  );
  try {
    const service = await app.start();
    const items = Array.from({ length: ITEMS }, (_, index) => ({ filename: `${index}.txt`, text: 'x' }));
    const created = await post(service, KEY, CREATE, { items });
    const id = String(dig(created.data, 'createBatchExecution', 'batchExecution', 'id'));
    const state = async () =>
      await database.db.selectFrom('batchExecution').selectAll().where('id', '=', id).executeTakeFirstOrThrow();
    await until(async () => {
      const { succeeded, sealedAt } = await state();
      return succeeded >= 500 && sealedAt !== null;
    });

    proxy.cut();
    const began = performance.now();
    const said = new Set<string>();
    const probes = new Set<number>();
    await until(async () => {
      const answer = await post(service, KEY, '{ viewer { project { id } } }');
      said.add(`${answer.status} ${String(codeOf(answer))}`);
      probes.add((await fetch(`${service.url}/readyz`)).status);
      expect((await fetch(`${service.url}/healthz`)).status).toBe(200);
      return performance.now() - began >= AWAY_MS;
    }, AWAY_MS + 5_000);
    const before = await state();
    expect([...said]).toEqual(['503 SERVICE_UNAVAILABLE']);
    expect([...probes]).toEqual([503]);
    expect(before).toMatchObject({ status: 'RUNNING', failed: 0 });

    proxy.heal();
    await until(async () => (await fetch(`${service.url}/readyz`)).status === 200);
    const execution = await until(async () => {
      const row = await state();
      return row.endedAt && row;
    });
    expect(execution).toMatchObject({ status: 'COMPLETED', succeeded: ITEMS, total: ITEMS });
    await checkEnded(database.db, id);
    expect(calls.size).toBe(ITEMS);
    expect([...calls.values()].every((count) => count === 1)).toBe(true);
  } finally {
    proxy.heal();
    await app.stop();
    await proxy.close();
    await database.close();
  }
}, 60_000);
