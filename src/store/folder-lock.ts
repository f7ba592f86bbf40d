/** Keeps a data folder to one process, and to its owner. */
import { chmod, mkdir, readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';

const SQLITE_BUSY = 5;

/** Another process, or another part of this one, has the data folder open. */
export class DataFolderInUseError extends Error {
  readonly folder: string;
  constructor(folder: string) {
    super(
      `The data folder ${folder} is in use by another Batchyard process. ` +
        'Stop that one first, or give this one its own folder with BATCHYARD_DATA_DIR.',
    );
    this.name = 'DataFolderInUseError';
    this.folder = folder;
  }
}

/** The locks of this process: one that only its holder knew would be dropped as garbage, with the folder still in use. */
const held = new Set<DatabaseSync>();

/** A lock that is held; `release` may be called twice. */
export interface FolderLock {
  release(): void;
}

/**
 * The exclusive lock of a data folder, which is made if it is missing.
 *
 * It is SQLite's lock on a file inside, because Node has no other that the kernel drops when the process is
 * killed, and because SQLite also refuses the second opener within one process, through whatever link it came.
 * Throws DataFolderInUseError at once when someone else holds it.
 */
export async function lockFolder(folder: string): Promise<FolderLock> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await makePrivate(folder);
  const file = path.join(folder, 'lock.db');
  const lock = new DatabaseSync(file);
  try {
    lock.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE');
  } catch (error) {
    lock.close();
    if (error instanceof Error && 'errcode' in error && error.errcode === SQLITE_BUSY) {
      throw new DataFolderInUseError(path.resolve(folder));
    }
    throw error;
  }
  await makePrivate(file);
  held.add(lock);
  return {
    release: () => {
      if (held.delete(lock)) lock.close();
    },
  };
}

/** Takes every right of group and others from a file, or from a folder and all that is in it. */
export async function makePrivate(target: string, depth: 'itself' | 'whole' = 'itself'): Promise<void> {
  const found = await stat(target);
  if ((found.mode & 0o077) !== 0) await chmod(target, found.mode & 0o700);
  if (depth === 'itself' || !found.isDirectory()) return;
  for (const name of await readdir(target)) await makePrivate(path.join(target, name), 'whole');
}
