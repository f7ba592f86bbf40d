/** A whole service that was stopped in the middle of its work leaves nothing open, and its process ends by itself. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { dataFolder } from '../support/data-folder.ts';
import { type FreshDatabase, freshPostgres } from '../support/databases.ts';
import { dig, openEvents, post, socketClient } from '../support/server.ts';
import { until } from '../support/until.ts';

const SCRIPT = path.join(import.meta.dirname, '..', 'support', 'stopping-app.ts');
const KEY = 'a-root-key-for-tests-only';
const AGENTS = {
  'threaded.mjs': `export default async ({ signal }) => new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));`,
  'inline.mjs': `export default { threaded: false, run: ({ item }) => { if (item.ordinal % 2) throw new Error('later'); return 1; } };`,
};
const CREATE = `mutation ($agent: String!, $items: [InlineItemInput!]!) {
  createBatchExecution(input: { source: { spec: { name: "a", agent: $agent, input: { items: $items },
    execution: { concurrency: 10, backoff: { baseMs: 600000 } } } } }) {
  ... on CreateBatchExecutionSuccess { batchExecution { id } } ... on UserError { message } } }`;
const COUNTS = 'query ($id: ID!) { batchExecution(id: $id) { counts { running retrying } } }';

/** Runs a service, works with it, stops it; what it says is left. */
async function leftBehind(database: FreshDatabase | null): Promise<string[]> {
  const folder = dataFolder();
  const agents = path.join(folder, 'agents');
  mkdirSync(agents, { recursive: true });
  for (const [name, code] of Object.entries(AGENTS)) writeFileSync(path.join(agents, name), code);
  const env = {
    ...process.env,
    ...{ PORT: '0', LOG_LEVEL: 'silent', BATCHYARD_ROOT_KEY: KEY, BATCHYARD_DATA_DIR: folder },
    ...{ BATCHYARD_AGENTS_DIR: agents, BATCHYARD_SECRET_KEY: 'a-secret-key-for-tests' },
    ...(database !== null && { DATABASE_URL: database.url ?? '' }),
  };
  const child = spawn(process.execPath, [SCRIPT], { env, stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async () => String((await lines.next()).value);
  try {
    const service = { url: await next() };
    const items = Array.from({ length: 50 }, (_, n) => ({ filename: `${n}.txt`, text: 'x' }));
    const counts = async (id: unknown) =>
      dig(await post(service, KEY, COUNTS, { id }), 'data', 'batchExecution', 'counts');
    const ids = await Promise.all(
      ['threaded', 'inline'].map(async (agent) => {
        const { data } = await post(service, KEY, CREATE, { agent, items });
        return dig(data, 'createBatchExecution', 'batchExecution', 'id');
      }),
    );
    const updates = `subscription { batchExecutionUpdated(id: "${String(ids[0])}") { revision } }`;
    const { client, closed } = socketClient(service, { authorization: `Bearer ${KEY}` });
    const events: unknown[] = [];
    const sink = {
      next: (event: unknown) => void events.push(event),
      error: () => undefined,
      complete: () => undefined,
    };
    client.subscribe({ query: updates }, sink);
    const stream = await openEvents(service, KEY, updates);
    await until(
      async () => dig(await counts(ids[0]), 'running') === 10 && dig(await counts(ids[1]), 'retrying') === 25,
    );
    await until(() => events.length > 0 && stream.text().includes('revision'));

    child.stdin.write('stop\n');
    const left = JSON.parse(await next()) as string[];
    await Promise.all([stream.ended, closed]);
    if (child.exitCode === null) await once(child, 'exit');
    expect(child.exitCode).toBe(0);
    return left;
  } finally {
    child.kill('SIGKILL');
  }
}

test('on the embedded database', async () => {
  expect(await leftBehind(null)).toEqual([]);
}, 60_000);

test('on PostgreSQL, where no connection, no lock and no lane is left either', async () => {
  const database = await freshPostgres(1);
  try {
    expect(await leftBehind(database)).toEqual([]);
    const { db } = database;
    const lanes = await db.selectFrom('executionLane').select('owner').execute();
    expect(lanes.map(({ owner }) => owner)).toEqual([null, null]);
    const running = await db.selectFrom('everyItem').select('ordinal').where('status', '=', 'RUNNING').execute();
    expect(running).toEqual([]);
    const { rows } = await sql`select pid from pg_stat_activity
      where datname = current_database() and pid <> pg_backend_pid()`.execute(db);
    expect(rows).toEqual([]);
  } finally {
    await database.close();
  }
}, 60_000);
