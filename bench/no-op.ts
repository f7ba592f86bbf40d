/**
 * Items per second of an agent that does nothing, through the whole service.
 *
 * Fixed scenario: a service in a process of its own on a fresh database, 20,000 stored elements, one execution of
 * `echo` with concurrency 100, one subscriber over WebSocket. The clock runs from the create call to the event that
 * tells of the end. `npm run bench` runs it three times on each database; `-- --quick` once, with 500 items.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import Table from 'cli-table3';
import { createApiClient } from '../src/cli/api-client.ts';
import { migrateToLatest } from '../src/store/migrate.ts';
import { openPostgres } from '../src/store/postgres.ts';
import { databaseUrl, runStatement, startPostgres } from '../test/support/postgres-server.ts';
import { startService } from '../test/support/service-process.ts';
import { runBatch, storeElements } from './echo-batch.ts';

const { values } = parseArgs({ options: { quick: { type: 'boolean', default: false } } });
const [items, rounds] = values.quick ? [500, 1] : [20_000, 3];

interface Round {
  readonly itemsPerSecond: number;
  readonly memory: { readonly now: number; readonly highest: number };
}

/** One round on a fresh database; `settings` say which. */
async function measure(settings: Readonly<Record<string, string>>): Promise<Round> {
  const dataDir = mkdtempSync(path.join(os.tmpdir(), 'batchyard-bench-'));
  const service = await startService({ BATCHYARD_DATA_DIR: dataDir, LOG_LEVEL: 'warn', ...settings });
  const api = createApiClient(`${service.url}/graphql`, service.key);
  try {
    const elapsed = await runBatch(api, { datasourceId: await storeElements(api, items) }, items);
    return { itemsPerSecond: items / (elapsed / 1_000), memory: service.memory() };
  } finally {
    await api.close();
    await service.stop();
    rmSync(dataDir, { recursive: true, force: true });
  }
}

async function onPostgres(): Promise<Round[]> {
  const server = await startPostgres('durable');
  const measured: Round[] = [];
  try {
    for (let round = 0; round < rounds; round += 1) {
      const url = await migratedDatabase(server.url, `bench_${round}`);
      measured.push(await measure({ DATABASE_URL: url, BATCHYARD_SECRET_KEY: 'a-secret-key-of-a-benchmark' }));
    }
  } finally {
    await server.stop();
  }
  return measured;
}

async function migratedDatabase(serverUrl: string, name: string): Promise<string> {
  await runStatement(serverUrl, `create database ${name}`);
  const url = databaseUrl(serverUrl, name);
  const { db, close } = await openPostgres({ url, onIdleError: (error) => console.error(error) });
  await migrateToLatest(db);
  await close();
  return url;
}

async function onEmbedded(): Promise<Round[]> {
  const measured: Round[] = [];
  for (let round = 0; round < rounds; round += 1) measured.push(await measure({}));
  return measured;
}

const median = (numbers: readonly number[]): number => numbers.toSorted((a, b) => a - b)[numbers.length >> 1] ?? 0;
const megabytes = (bytes: number): string => `${Math.round(bytes / 1_000_000)} MB`;

const [cpu] = os.cpus();
console.log(
  `${os.cpus().length} cores (${cpu?.model ?? 'unknown'}), ${megabytes(os.totalmem())}, Node ${process.version}`,
);
const table = new Table({
  head: ['Database', 'Items', 'Rounds', 'Items/s (median)', 'Each', 'Memory after', 'Highest'],
  style: { head: [], border: [] },
});
for (const [name, run] of [
  ['embedded', onEmbedded],
  ['PostgreSQL', onPostgres],
] as const) {
  const measured = await run();
  const speeds = measured.map((round) => Math.round(round.itemsPerSecond));
  const memory = (key: 'now' | 'highest') => megabytes(median(measured.map((round) => round.memory[key])));
  table.push([name, items, rounds, median(speeds), speeds.join(', '), memory('now'), memory('highest')]);
}
console.log(table.toString());
