/** A process that stands still in mid-run, loses its lane to another one, and goes on as if nothing had been. */
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { sql } from 'kysely';
import { afterEach, expect, test } from 'vitest';
import { migrateToLatest } from '../../src/store/migrate.ts';
import { temporaryFolder } from '../support/data-folder.ts';
import { freshPostgres } from '../support/databases.ts';
import { checkEnded } from '../support/exact-end.ts';
import { dig } from '../support/server.ts';
import { type ServiceProcess, startService } from '../support/service-process.ts';
import { until } from '../support/until.ts';

const ITEMS = 200;
const CONCURRENCY = 8;
/** How long each step may take where everything else runs at the same time. */
const STEP_MS = 60_000;
/** From this ordinal on a call is held as long as its process has a file to say so. */
const HELD_FROM = 100;

const AGENT = `import { appendFileSync, existsSync } from 'node:fs';
export default async function run({ item, config }) {
  appendFileSync(config.folder + '/calls', process.pid + ' ' + item.ordinal + '\\n');
  const isHeld = () => item.ordinal >= ${HELD_FROM} && existsSync(config.folder + '/hold-' + process.pid);
  while (isHeld()) await new Promise((resolve) => setTimeout(resolve, 5));
  return process.pid;
}`;

const running: ServiceProcess[] = [];
const databases: Awaited<ReturnType<typeof freshPostgres>>[] = [];
afterEach(async () => {
  for (const service of running.splice(0)) await service.kill();
  for (const database of databases.splice(0)) await database.close();
});

/** Two services of one database and of one folder of agents. */
async function twoServices() {
  const [folder, database] = [temporaryFolder(), await freshPostgres()];
  databases.push(database);
  const { db, url } = database;
  await migrateToLatest(db);
  const agents = path.join(folder, 'agents');
  await mkdir(agents);
  await writeFile(path.join(agents, 'held.mjs'), AGENT);
  const start = async () => {
    const service = await startService({
      ...{ DATABASE_URL: url ?? '', BATCHYARD_SECRET_KEY: 'a-secret-key-for-tests-only' },
      ...{ BATCHYARD_DATA_DIR: temporaryFolder(), BATCHYARD_AGENTS_DIR: agents, LOG_LEVEL: 'debug' },
    });
    running.push(service);
    const hold = path.join(folder, `hold-${service.child.pid}`);
    await writeFile(hold, '');
    return { ...service, pid: service.child.pid ?? 0, release: () => rm(hold) };
  };
  const first = await start();
  const { rows } = await sql<{ pid: number }>`select pid from pg_stat_activity
    where application_name = 'batchyard node' and datname = current_database()`.execute(db);
  const second = await start();
  const calls = async (pid: number): Promise<number> => {
    const lines = (await readFile(path.join(folder, 'calls'), 'utf8').catch(() => '')).split('\n');
    return lines.filter((line) => line.startsWith(`${pid} `)).length;
  };
  return { db, folder, first, second, calls, presence: rows.map((row) => row.pid) };
}

async function create(service: ServiceProcess, folder: string): Promise<string> {
  const items = Array.from({ length: ITEMS }, (_, index) => ({ filename: `${index}.txt`, text: String(index) }));
  const execution = { concurrency: CONCURRENCY };
  const spec = { name: 'stop-me', agent: 'held', config: { folder }, input: { items }, execution };
  const query = `mutation ($input: CreateBatchExecutionInput!) { createBatchExecution(input: $input) {
    ... on CreateBatchExecutionSuccess { batchExecution { id } } } }`;
  const response = await fetch(`${service.url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${service.key}` },
    body: JSON.stringify({ query, variables: { input: { source: { spec } } } }),
  });
  return String(dig(await response.json(), 'data', 'createBatchExecution', 'batchExecution', 'id'));
}

test('a process that was stopped while another took its lane writes nothing once it is continued', {
  timeout: 300_000,
}, async () => {
  const { db, folder, first, second, calls, presence } = await twoServices();
  expect(presence).toHaveLength(1);
  const id = await create(first, folder);
  const read = () => db.selectFrom('batchExecution').selectAll().where('id', '=', id).executeTakeFirstOrThrow();
  const lanes = () => db.selectFrom('executionLane').select('epoch').where('executionId', '=', id).execute();
  const held = HELD_FROM + CONCURRENCY;
  await until(async () => {
    // Before the last flush as many run of those that came earlier.
    const { running: now, succeeded } = await read();
    return (await calls(first.pid)) === held && succeeded === HELD_FROM && now === CONCURRENCY;
  }, STEP_MS);
  const before = await lanes();

  first.child.kill('SIGSTOP');
  // The server still holds a connection to it, whose kernel answers: this is what tells the other of a dead machine.
  for (const pid of presence) await sql`select pg_terminate_backend(${pid}::int)`.execute(db);
  await until(async () => (await calls(second.pid)) === CONCURRENCY, STEP_MS);
  expect(await lanes()).toEqual(before.map(({ epoch }) => ({ epoch: epoch + 1 })));

  await first.release();
  first.child.kill('SIGCONT');
  await until(() => /"end":"lost"/.test(first.output()), STEP_MS);
  expect(await read()).toMatchObject({ status: 'RUNNING', succeeded: HELD_FROM, running: CONCURRENCY });

  await second.release();
  await until(async () => (await read()).endedAt !== null, STEP_MS);
  expect(await read()).toMatchObject({ status: 'COMPLETED', succeeded: ITEMS });
  await checkEnded(db, id);
  const results = await db
    .selectFrom('everyResult')
    .select(['ordinal', 'data'])
    .where('executionId', '=', id)
    .execute();
  const madeBy = new Map(results.map((row) => [row.ordinal, row.data]));
  expect(results).toHaveLength(ITEMS);
  for (const [ordinal, pid] of madeBy) expect(pid).toBe(ordinal < HELD_FROM ? first.pid : second.pid);
  for (const service of [first, second]) expect(await service.stop()).toBe(0);
});
