import { appendFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { openDatabase } from '../../src/store/database.ts';
import { migrateToLatest } from '../../src/store/migrate.ts';
import { dataFolder, temporaryFolder } from '../support/data-folder.ts';
import { freshPostgres } from '../support/databases.ts';
import { checkEnded } from '../support/exact-end.ts';
import { type ServiceProcess, startService } from '../support/service-process.ts';
import { until } from '../support/until.ts';

const ITEMS = 3_000;
const CONCURRENCY = 20;
/** What one flush may hold. */
const FLUSH = 1_000;

const AGENT = `import { appendFileSync } from 'node:fs';
export default async function run({ item, config }) {
  appendFileSync(config.calls, item.ordinal + '\\n');
  await new Promise((resolve) => setTimeout(resolve, 2));
  return { ordinal: item.ordinal };
}`;

const running: ServiceProcess[] = [];
afterEach(async () => {
  for (const service of running.splice(0)) await service.kill();
});

async function ask(service: ServiceProcess, query: string, variables: object = {}): Promise<Record<string, unknown>> {
  const response = await fetch(`${service.url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${service.key}` },
    body: JSON.stringify({ query, variables }),
  });
  const { data, errors } = (await response.json()) as { data?: Record<string, unknown>; errors?: unknown };
  if (!data) throw new Error(JSON.stringify(errors));
  return data;
}

async function create(service: ServiceProcess, calls: string): Promise<string> {
  const items = Array.from({ length: ITEMS }, (_, index) => ({ filename: `${index}.txt`, text: String(index) }));
  const spec = {
    name: 'kill-me',
    agent: 'counting',
    config: { calls },
    input: { items },
    execution: { concurrency: CONCURRENCY },
  };
  const { createBatchExecution } = await ask(
    service,
    `mutation ($input: CreateBatchExecutionInput!) {
      createBatchExecution(input: $input) {
        ... on CreateBatchExecutionSuccess { batchExecution { id } }
        ... on UserError { code message }
      }
    }`,
    { input: { source: { spec } } },
  );
  return (createBatchExecution as { batchExecution: { id: string } }).batchExecution.id;
}

async function counts(service: ServiceProcess, id: string): Promise<{ status: string; succeeded: number }> {
  const { batchExecution } = await ask(
    service,
    `query ($id: ID!) { batchExecution(id: $id) { status counts { succeeded } } }`,
    { id },
  );
  const { status, counts: numbers } = batchExecution as { status: string; counts: { succeeded: number } };
  return { status, succeeded: numbers.succeeded };
}

/** Kills the service at three points of one execution; nothing may be lost, or recorded twice. */
async function killThrice(settings: Record<string, string>): Promise<string> {
  const folder = temporaryFolder();
  const agents = path.join(folder, 'agents');
  const calls = path.join(folder, 'calls');
  await mkdir(agents, { recursive: true });
  await writeFile(path.join(agents, 'counting.mjs'), AGENT);
  await appendFile(calls, '');
  const env = { BATCHYARD_AGENTS_DIR: agents, LOG_LEVEL: 'warn', ...settings };
  let id = '';
  for (const enough of [1, ITEMS / 3, (ITEMS * 2) / 3, ITEMS]) {
    const service = await startService(env);
    running.push(service);
    if (id === '') id = await create(service, calls);
    const reached = await until(async () => {
      const now = await counts(service, id);
      return now.succeeded >= enough && now;
    }, 60_000);
    if (enough === ITEMS) {
      expect(reached).toEqual({ status: 'COMPLETED', succeeded: ITEMS });
      expect(await service.stop()).toBe(0);
    } else {
      await service.kill();
    }
  }
  const made = (await readFile(calls, 'utf8')).trim().split('\n');
  expect(new Set(made).size).toBe(ITEMS);
  // Calls repeat only where a kill came between the call and its flush.
  expect(made.length).toBeLessThanOrEqual(ITEMS + 3 * (CONCURRENCY + FLUSH));
  return id;
}

test('a process killed mid-run goes on where it was, on the embedded database', { timeout: 180_000 }, async () => {
  const dataDir = dataFolder();
  const id = await killThrice({ BATCHYARD_DATA_DIR: dataDir });
  const database = await openDatabase({ databaseUrl: null, dataDir, onError: () => undefined });
  try {
    await checkEnded(database.db, id);
  } finally {
    await database.close();
  }
});

test('and on PostgreSQL', { timeout: 180_000 }, async () => {
  const fresh = await freshPostgres();
  try {
    await migrateToLatest(fresh.db);
    const id = await killThrice({
      ...{ DATABASE_URL: fresh.url ?? '', BATCHYARD_SECRET_KEY: 'a-secret-key-for-tests-only' },
      BATCHYARD_DATA_DIR: temporaryFolder(),
    });
    await checkEnded(fresh.db, id);
  } finally {
    await fresh.close();
  }
});
