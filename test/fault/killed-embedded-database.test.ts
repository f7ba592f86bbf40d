/** The embedded database after kill -9. */
import { existsSync, globSync, statSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { openDatabase } from '../../src/store/database.ts';
import { dataFolder, startDatabaseProcess, temporaryFolder } from '../support/data-folder.ts';
import { until } from '../support/until.ts';

const DEADLINE_MS = 40_000;

const open = (dataDir: string) =>
  openDatabase({
    databaseUrl: null,
    dataDir,
    onError: (error) => {
      throw error;
    },
  });

test('what was committed is there after kill -9, again and again', { timeout: 180_000 }, async () => {
  const folder = dataFolder();
  const committed: string[] = [];
  for (let round = 1; round <= 3; round += 1) {
    const { child, lines, ended } = startDatabaseProcess(folder, 'commit');
    await until(() => lines().length > 50 * round, DEADLINE_MS);
    child.kill('SIGKILL');
    await ended;
    committed.splice(0, committed.length, ...lines().slice(1));
    const { db, close } = await open(folder);
    const found = await db.selectFrom('customer').select('slug').execute();
    await db.deleteFrom('customer').execute();
    await close();
    // One more may have been committed than the process came to tell.
    expect(found.length - committed.length).toBeOneOf([0, 1]);
    expect(found.map((row) => row.slug)).toEqual(expect.arrayContaining(committed));
  }
});

test('a database that was killed while it was being made is made anew', { timeout: 180_000 }, async () => {
  const folder = temporaryFolder();
  const { child, ended } = startDatabaseProcess(folder, 'hold');
  await until(() => existsSync(path.join(folder, 'db.unfinished', 'PG_VERSION')), DEADLINE_MS);
  child.kill('SIGKILL');
  await ended;
  expect(existsSync(path.join(folder, 'db'))).toBe(false);
  const { db, close } = await open(folder);
  expect(await db.selectFrom('customer').selectAll().execute()).toEqual([]);
  await close();
  const files = globSync('**', { cwd: folder }).filter((name) => statSync(path.join(folder, name)).isFile());
  expect(files).toContain('db/PG_VERSION');
  expect(statSync(folder).mode & 0o777).toBe(0o700);
  expect(statSync(path.join(folder, 'db', 'PG_VERSION')).mode & 0o077).toBe(0);
});
