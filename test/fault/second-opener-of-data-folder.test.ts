/** One data folder, one opener: a second one would destroy the files of the first. */
import { mkdirSync, statSync, symlinkSync } from 'node:fs';
import path from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, test } from 'vitest';
import { DataFolderInUseError, lockFolder } from '../../src/store/folder-lock.ts';
import { dataFolder, startDatabaseProcess, temporaryFolder } from '../support/data-folder.ts';
import { until } from '../support/until.ts';

test('a second process ends with a message that names the folder, and the first goes on', async () => {
  const folder = dataFolder();
  const first = startDatabaseProcess(folder, 'commit');
  await until(() => first.lines().length > 1, 40_000);
  const second = startDatabaseProcess(folder, 'hold');
  expect(await second.ended).toBe(1);
  expect(second.errors()).toContain(`The data folder ${folder} is in use by another Batchyard process.`);
  expect(second.lines()).toEqual([]);
  const written = first.lines().length;
  await until(() => first.lines().length > written);
});

test('a folder is free again at once when its process is killed', async () => {
  const folder = dataFolder();
  const first = startDatabaseProcess(folder, 'hold');
  await until(() => first.lines().includes('open'), 40_000);
  first.child.kill('SIGKILL');
  await first.ended;
  (await lockFolder(folder)).release();
});

test('the same process is refused too, through a link as well, until the lock is released', async () => {
  const folder = temporaryFolder();
  const link = path.join(temporaryFolder(), 'link');
  symlinkSync(folder, link);
  const lock = await lockFolder(folder);
  for (const name of [folder, link, `${folder}/../${path.basename(folder)}`]) {
    await expect(lockFolder(name)).rejects.toThrow(DataFolderInUseError);
  }
  lock.release();
  lock.release();
  (await lockFolder(link)).release();
});

test('a lock holds although nobody refers to it any more', async () => {
  setFlagsFromString('--expose-gc');
  const collectGarbage = runInNewContext('gc') as () => void;
  const folder = temporaryFolder();
  await lockFolder(folder);
  for (let no = 0; no < 5; no += 1) {
    collectGarbage();
    await turn();
  }
  await expect(lockFolder(folder)).rejects.toThrow(DataFolderInUseError);
});

test('a locked folder is readable by its owner only', async () => {
  const folder = path.join(temporaryFolder(), 'data');
  mkdirSync(folder, { mode: 0o755 });
  const lock = await lockFolder(folder);
  expect(statSync(folder).mode & 0o777).toBe(0o700);
  expect(statSync(path.join(folder, 'lock.db')).mode & 0o077).toBe(0);
  lock.release();
});
