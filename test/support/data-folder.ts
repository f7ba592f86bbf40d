/** Data folders for tests that need the embedded database on disk, and processes that use them. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { inject, onTestFinished } from 'vitest';

const PROGRAM = path.join(import.meta.dirname, 'database-process.ts');

/** A new temporary folder, removed after the test. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'batchyard-data-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** A new data folder with a migrated database in it, removed after the test. */
export function dataFolder(): string {
  const folder = temporaryFolder();
  fillDataFolder(folder);
  return folder;
}

/** Puts a migrated database into an empty folder, in a tenth of the time that the service would take. */
export function fillDataFolder(folder: string): void {
  mkdirSync(path.join(folder, 'db'));
  execFileSync('tar', ['-xf', inject('pgliteTemplate'), '-C', path.join(folder, 'db')], { stdio: 'pipe' });
}

/** A running database-process.ts with all that it has printed; killed after the test. */
export interface DatabaseProcess {
  readonly child: ChildProcess;
  lines(): string[];
  errors(): string;
  /** Resolves with the exit code, null when a signal ended it. */
  readonly ended: Promise<number | null>;
}

/** Starts a process on a data folder; with `commit` it writes rows until it is killed. */
export function startDatabaseProcess(folder: string, mode: 'hold' | 'commit'): DatabaseProcess {
  const child = spawn(process.execPath, [PROGRAM, folder, mode], { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  let errors = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    errors += text;
  });
  const ended = once(child, 'close').then(([code]) => (typeof code === 'number' ? code : null));
  onTestFinished(async () => {
    child.kill('SIGKILL');
    await ended;
  });
  // A line is whole when its end has arrived.
  return { child, lines: () => output.split('\n').slice(0, -1), errors: () => errors, ended };
}
