/** How databases get and check their schema. */
import { randomBytes } from 'node:crypto';
import { afterEach, expect, inject, test } from 'vitest';
import { openDatabase } from '../../src/store/database.ts';
import { migrateToLatest, PendingMigrationsError } from '../../src/store/migrate.ts';
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
  for (const { db } of pools) expect(await db.selectFrom('batchItem').selectAll().execute()).toEqual([]);
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
