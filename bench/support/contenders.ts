/** What races on PostgreSQL: Batchyard, the bare limit, and the peers where they are installed. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';
import { runBatch } from '../echo-batch.ts';
import { cpuOf, cpuOfFamily } from './cpu.ts';
import { type Server, serverProcess, withClient, withDatabase, withMigrated } from './databases.ts';
import { loadRaw, type Query, RAW_WAYS, runRaw } from './raw.ts';
import { type Bench, makeElements, withService } from './service.ts';

/** One race of one contender. */
export interface Race {
  readonly workMs: number;
  /** How long the queue took to take the jobs in; null where that is part of the work. */
  readonly loadMs: number | null;
  /** Processor time of all that takes part, the database server included, in ms. */
  readonly cpuMs: number;
  /** Resident memory of the process that works, after it. */
  readonly memoryBytes: number;
}

export interface Contender {
  readonly name: string;
  /** More items than this would take too long. */
  readonly most?: number;
  /** Whether it is tuned by us, beyond what its documentation says. */
  readonly isTuned?: boolean;
  race(server: Server, items: number): Promise<Race>;
}

const PEERS_FOLDER = path.join(import.meta.dirname, '..', 'peers');

/** Whether `npm ci` has run in `bench/peers`. */
export const peersAreInstalled = (): boolean => existsSync(path.join(PEERS_FOLDER, 'node_modules'));

const AGENTS = { BATCHYARD_AGENTS_DIR: path.join(import.meta.dirname, '..', 'agents') };
/**
 * Items that are done before the clock runs, so that nobody is measured while the compiler warms up.
 *
 * Batchyard does them in several executions: what the compiler has learned of the first is wrong for the second.
 */
export const warmUpOf = (items: number): number => Math.min(items, 25_000) * WARM_UPS;
const WARM_UPS = 4;

/** Does them. */
export async function warmUp(bench: Bench, items: number, agent?: string): Promise<void> {
  const each = warmUpOf(items) / WARM_UPS;
  for (let times = 0; times < WARM_UPS; times += 1) {
    const batch = { datasourceId: await makeElements(bench, each), ...(agent === undefined ? {} : { agent }) };
    await runBatch(bench.api, batch, each);
  }
}

const batchyardWith = (name: string, agent: string): Contender => ({
  name,
  race: (server, items) =>
    withMigrated(server, (url) =>
      withService(
        url,
        async (bench) => {
          await warmUp(bench, items, agent);
          const datasourceId = await makeElements(bench, items);
          const serverPid = await serverProcess(server);
          const cpu = () => cpuOfFamily(serverPid) + cpuOf(bench.service.child.pid ?? 0) + cpuOf(process.pid);
          const before = cpu();
          const workMs = await runBatch(bench.api, { datasourceId, agent }, items);
          return { workMs, loadMs: null, cpuMs: cpu() - before, memoryBytes: bench.service.memory().now };
        },
        AGENTS,
      ),
    ),
});

/** Batchyard with a built-in agent, and with the same as a module agent, which runs in a thread. */
export const own: readonly Contender[] = [
  batchyardWith('Batchyard', 'echo'),
  batchyardWith('Batchyard, agent in threads', 'echo-threaded'),
];

/** The fastest of its ways. */
export const raw: Contender = {
  name: 'raw',
  race: (server, items) =>
    withMigrated(server, async (url) => {
      const races: Race[] = [];
      for (const way of RAW_WAYS) races.push(await rawRace(server, url, items, way));
      return races.reduce((best, race) => (race.workMs < best.workMs ? race : best));
    }),
};

async function rawRace(server: Server, url: string, items: number, way: (typeof RAW_WAYS)[number]): Promise<Race> {
  const clients = Array.from({ length: way.connections }, () => new pg.Client({ connectionString: url }));
  for (const client of clients) await client.connect();
  const queries = clients.map(
    (client): Query =>
      (text, values) =>
        client.query({ name: text.slice(0, 20), text, values: [...values] }),
  );
  const [first] = queries;
  if (first === undefined) throw new Error('There is no connection.');
  await loadRaw(first, items);
  const serverPid = await serverProcess(server);
  const cpu = () => cpuOfFamily(serverPid) + cpuOf(process.pid);
  const before = cpu();
  const started = performance.now();
  await runRaw(queries, items, way.batch);
  const workMs = performance.now() - started;
  const cpuMs = cpu() - before;
  for (const client of clients) await client.end();
  return { workMs, loadMs: null, cpuMs, memoryBytes: process.memoryUsage.rss() };
}

interface Peer {
  readonly name: string;
  readonly program: string;
  readonly settings?: Readonly<Record<string, string>>;
  /** Counts what it recorded. */
  readonly recorded: string;
  readonly most?: number;
  readonly isTuned?: boolean;
}

const OWN_TABLE = 'select count(*)::int as recorded from job_result';

const PEERS: readonly Peer[] = [
  { name: 'pg-boss', program: 'pg-boss.ts', recorded: OWN_TABLE },
  { name: 'graphile-worker', program: 'graphile-worker.ts', recorded: OWN_TABLE },
  {
    ...{ name: 'pg-boss, fetching 2,000', program: 'pg-boss.ts', recorded: OWN_TABLE },
    settings: { PG_BOSS_BATCH: '2000' },
    isTuned: true,
  },
  {
    ...{ name: 'graphile-worker, tuned', program: 'graphile-worker.ts', recorded: OWN_TABLE },
    settings: { GRAPHILE_CONCURRENCY: '500' },
    isTuned: true,
  },
  {
    ...{ name: 'BullMQ on PostgreSQL', program: 'bullmq.ts', most: 20_000 },
    recorded: `select count(*)::int as recorded from bullmq.job where return_value is not null`,
  },
];

/** Each peer in a process of its own, where they are installed. */
export const peers: readonly Contender[] = PEERS.map(
  ({ name, program, settings, recorded, most, isTuned = false }) => ({
    ...{ name, isTuned },
    ...(most === undefined ? {} : { most }),
    race: (server, items) =>
      withDatabase(server, async (url) => {
        const serverPid = await serverProcess(server);
        const before = Math.min(warmUpOf(items), most ?? Number.POSITIVE_INFINITY);
        const args = [program, url, items, serverPid, before].map(String);
        const { stdout } = await promisify(execFile)(process.execPath, args, {
          ...{ cwd: PEERS_FOLDER, env: { ...process.env, ...settings }, timeout: 900_000 },
        });
        await mustHaveRecorded(url, recorded, items, name);
        // What a program of ours in this folder printed.
        return JSON.parse(stdout) as Race;
      }),
  }),
);

async function mustHaveRecorded(url: string, count: string, items: number, name: string): Promise<void> {
  const recorded = await withClient(
    url,
    async (client) => (await client.query<{ recorded: number }>(count)).rows[0]?.recorded,
  );
  // What was done to warm up comes on top.
  if (recorded === undefined || recorded < items) throw new Error(`${name} recorded ${recorded} of ${items} results.`);
}
