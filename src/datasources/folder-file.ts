/**
 * One file of a folder datasource, reached by name and never through a link.
 *
 * Names are checked before the file system is asked, and what was opened is checked afterwards: between a check
 * and an open anyone who may write to the folder can swap a directory for a link, so only the open file counts.
 */
import { constants, type Stats } from 'node:fs';
import { type FileHandle, lstat, open, readlink, realpath, stat } from 'node:fs/promises';
import path from 'node:path';
import { isElementPath } from '../domain/folder-path.ts';
import { LIMITS } from '../domain/limits.ts';
import { elementNotFound, SourceError } from './source-error.ts';

// Without O_NONBLOCK the open of a FIFO would wait for a writer.
const READ_FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/** The state of a regular file that no link leads to, or null; `folder` is a real path. */
export async function statFile(folder: string, elementId: string): Promise<Stats | null> {
  const file = await statListed(folder, elementId);
  if (file === null) return null;
  const wanted = path.join(folder, elementId);
  const real = await realpath(wanted).catch(absent);
  return real === wanted ? file : null;
}

/** Like `statFile` for a name that came from a listing, which follows no links: one call of the system less. */
export async function statListed(folder: string, elementId: string): Promise<Stats | null> {
  if (!isElementPath(elementId)) return null;
  const found = await lstat(path.join(folder, elementId)).catch(absent);
  return found?.isFile() === true ? found : null;
}

/**
 * The bytes of a file below a folder (a real path).
 *
 * Throws SourceError: `element_not_found` for what is missing, is no regular file or lies behind a link,
 * `element_too_large` above the limit.
 */
export async function readFileBelow(folder: string, elementId: string): Promise<Buffer> {
  if (!isElementPath(elementId)) throw elementNotFound(elementId);
  const wanted = path.join(folder, elementId);
  await using file = await open(wanted, READ_FLAGS).catch((error: unknown) => {
    if (isAbsence(error)) throw elementNotFound(elementId);
    throw error;
  });
  const state = await file.stat();
  if (!state.isFile() || !(await isAt(file, state, wanted))) throw elementNotFound(elementId);
  if (state.size > LIMITS.elementBytes) throw tooLarge(elementId);
  const bytes = await file.readFile();
  if (bytes.byteLength > LIMITS.elementBytes) throw tooLarge(elementId);
  return bytes;
}

/** Whether anything is at a path below a folder (a real path); false also for what lies outside behind a link. */
export async function existsBelow(folder: string, relative: string): Promise<boolean> {
  const real = await realpath(path.join(folder, relative)).catch(absent);
  return real !== null && (real === folder || real.startsWith(withSlash(folder)));
}

/** Whether an open file is the one at this path, which has no link in it. */
async function isAt(file: FileHandle, state: Stats, wanted: string): Promise<boolean> {
  // Linux knows the path of what is open, so nothing can be swapped meanwhile.
  const opened = await readlink(`/proc/self/fd/${file.fd}`).catch(() => null);
  if (opened !== null) return opened === wanted;
  const real = await realpath(wanted).catch(absent);
  if (real !== wanted) return false;
  const there = await stat(real).catch(absent);
  return there !== null && there.ino === state.ino && there.dev === state.dev;
}

function absent(error: unknown): null {
  if (isAbsence(error)) return null;
  throw error;
}

const ABSENCE: ReadonlySet<string> = new Set(['ENOENT', 'ENOTDIR', 'ELOOP', 'ENXIO', 'ENAMETOOLONG', 'EISDIR']);
const isAbsence = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' && ABSENCE.has(error.code);

const tooLarge = (elementId: string): SourceError =>
  new SourceError(
    'element_too_large',
    `${JSON.stringify(elementId.slice(0, 200))} has more than ${LIMITS.elementBytes} bytes.`,
  );

const withSlash = (folder: string): string => (folder.endsWith(path.sep) ? folder : folder + path.sep);
