/** How databases get and check their schema. */
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import path from 'node:path';
import { promisify } from 'node:util';
import { sql } from 'kysely';
import { afterEach, expect, inject, test } from 'vitest';
import { openDatabase } from '../../src/store/database.ts';
import { migrateToLatest, NewerSchemaError, PendingMigrationsError, requireMigrated } from '../../src/store/migrate.ts';
import { openPostgres } from '../../src/store/postgres.ts';
import { databaseUrl, runStatement } from '../support/postgres-server.ts';

const cleanups: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function emptyDatabase(): Promise<string> {
  const { url } = inject('postgres');
  const name = `batchyard_empty_${randomBytes(6).toString('hex')}`;
  await runStatement(url, `create database ${name}`);
  cleanups.push(() => runStatement(url, `drop database ${name} with (force)`));
  return databaseUrl(url, name);
}

test('of four that migrate at once one does the work, and all find the schema', async () => {
  const url = await emptyDatabase();
  const pools = await Promise.all([1, 2, 3, 4].map(() => openPostgres({ url, onIdleError: () => undefined })));
  for (const pool of pools) cleanups.push(pool.close);
  const applied = await Promise.all(pools.map(({ db }) => migrateToLatest(db)));
  const doers = applied.filter((names) => names.length > 0);
  expect(doers).toHaveLength(1);
  expect(doers[0]?.[0]).toBe('0001_initial');
  for (const { db } of pools) expect(await db.selectFrom('everyItem').selectAll().execute()).toEqual([]);
});

test('of four `npm run migrate` at once one does the work, and all succeed', async () => {
  const env = { ...process.env, DATABASE_URL: await emptyDatabase(), BATCHYARD_SECRET_KEY: 'a-secret-key-of-a-test' };
  const program = path.join(import.meta.dirname, '..', '..', 'src', 'cli', 'migrate.ts');
  const runs = [1, 2, 3, 4].map(() => promisify(execFile)(process.execPath, [program], { env }));
  const said = (await Promise.all(runs)).map(({ stdout }) => stdout.trim());
  expect(said.filter((text) => text.startsWith('Applied 0001_initial'))).toHaveLength(1);
  expect(said.filter((text) => text === 'Nothing to do: the schema is up to date.')).toHaveLength(3);
});

test('a server that is not there is named, without the password', async () => {
  const opening = openPostgres({ url: 'postgres://me:secret@localhost:1/x', onIdleError: () => undefined });
  await expect(opening).rejects.toThrow(/^The database server at localhost:1 cannot be reached: .*ECONNREFUSED/);
});

test('a start on a server that lacks migrations is refused with the command to run', async () => {
  const options = { databaseUrl: await emptyDatabase(), dataDir: '', onError: () => undefined };
  await expect(openDatabase(options)).rejects.toThrow(PendingMigrationsError);
  await expect(openDatabase(options)).rejects.toThrow(/0001_initial.*npm run migrate/s);
  const { db, close } = await openPostgres({ url: options.databaseUrl, onIdleError: () => undefined });
  await migrateToLatest(db);
  await close();
  const opened = await openDatabase(options);
  expect(opened.kind).toBe('postgres');
  await opened.close();
  await opened.close();
});

test('one migration that is missing is named, and one that is not known here is refused', async () => {
  const { db, close } = await openPostgres({ url: await emptyDatabase(), onIdleError: () => undefined });
  cleanups.push(close);
  const applied = await migrateToLatest(db);
  const last = applied.at(-1) ?? '';
  expect(await migrateToLatest(db)).toEqual([]);
  await sql`update kysely_migration set name = '9999_of_a_newer_version' where name = ${last}`.execute(db);
  await expect(requireMigrated(db)).rejects.toThrow(last);
  await expect(migrateToLatest(db)).rejects.toThrow('9999_of_a_newer_version');
  await sql`insert into kysely_migration (name, timestamp) values (${last}, '')`.execute(db);
  await expect(requireMigrated(db)).rejects.toThrow(NewerSchemaError);
  await expect(requireMigrated(db)).rejects.toThrow('9999_of_a_newer_version');
});
