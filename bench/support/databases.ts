/** Databases on a PostgreSQL server of the benchmark's own, which waits for the disk as the server's defaults say. */
import pg from 'pg';
import { migrateToLatest } from '../../src/store/migrate.ts';
import { openPostgres } from '../../src/store/postgres.ts';
import { databaseUrl, type PostgresServer, runStatement, startPostgres } from '../../test/support/postgres-server.ts';
import { parentOf } from './cpu.ts';

/** What a service on PostgreSQL needs beside the address. */
export const SECRET = { BATCHYARD_SECRET_KEY: 'a-secret-key-of-a-benchmark' };

let made = 0;

/** What benchmarks share when they run in turn, so that each need not start a server. */
export type Server = Pick<PostgresServer, 'url'>;

/** Settings beside the defaults: the latency of events is taken from the instants of commits. */
const SETTINGS = ['track_commit_timestamp=on'];

/** Runs `use` with a server: the one at `url`, or one of its own. */
export async function withServer<T>(url: string | undefined, use: (server: Server) => Promise<T>): Promise<T> {
  if (url !== undefined) return await use({ url });
  const server = await startPostgres('durable', SETTINGS);
  try {
    return await use(server);
  } finally {
    await server.stop();
  }
}

/** Runs `use` with the address of a new empty database, and drops it afterwards. */
export async function withDatabase<T>(server: Server, use: (url: string) => Promise<T>): Promise<T> {
  made += 1;
  const name = `bench_${process.pid}_${made}`;
  await runStatement(server.url, `create database ${name}`);
  try {
    return await use(databaseUrl(server.url, name));
  } finally {
    await runStatement(server.url, `drop database ${name} with (force)`);
    // The next contender shall not pay for what this one has left to write.
    await runStatement(server.url, 'checkpoint');
  }
}

/** The same with Batchyard's schema in it. */
export async function withMigrated<T>(server: Server, use: (url: string) => Promise<T>): Promise<T> {
  return await withDatabase(server, async (url) => {
    const { db, close } = await openPostgres({ url, onIdleError: (error) => console.error(error) });
    await migrateToLatest(db);
    await close();
    return await use(url);
  });
}

/** Runs `use` with a connection of its own. */
export async function withClient<T>(url: string, use: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return await use(client);
  } finally {
    await client.end();
  }
}

/** The process of the server, whose children are its connections. */
export const serverProcess = (server: Server): Promise<number> =>
  withClient(server.url, async (client) => {
    const { rows } = await client.query<{ pid: number }>('select pg_backend_pid() as pid');
    return parentOf(rows[0]?.pid ?? 0);
  });
