/** The files of an agents folder: one file, one agent, named by the file. */
import { readdir, stat } from 'node:fs/promises';
import path from 'node:path';

const EXTENSIONS: ReadonlySet<string> = new Set(['.ts', '.mts', '.js', '.mjs']);
const NAME = /^[A-Za-z0-9][A-Za-z0-9_-]{0,99}$/;

/**
 * The paths of the agent files in a folder, by agent name; a name with several files has them all.
 *
 * Left out are declarations (`.d.ts`), tests (`.test.ts`, `.spec.ts`) and names that start with `.` or `_`.
 * A folder that is not there has no files.
 */
export async function listAgentFiles(folder: string): Promise<ReadonlyMap<string, readonly string[]>> {
  const byName = new Map<string, string[]>();
  const entries = await readdir(folder, { withFileTypes: true }).catch((error: unknown) => {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return [];
    throw error;
  });
  for (const entry of entries) {
    const { name, ext } = path.parse(entry.name);
    const ignored = /^[._]/.test(name) || /\.(?:d|test|spec)$/.test(name);
    if (!EXTENSIONS.has(ext) || ignored || entry.isDirectory()) continue;
    byName.set(name, [...(byName.get(name) ?? []), path.join(folder, entry.name)].sort());
  }
  return byName;
}

/** Whether a file's name can name an agent. */
export const isAgentName = (name: string): boolean => NAME.test(name);

/** What tells whether files changed: a text of their times and sizes, and when the last of them did. */
export interface Fingerprint {
  readonly text: string;
  readonly changedAtMs: number;
}

/** The fingerprint of files as they are now; one that is missing counts as changed just now. */
export async function fingerprint(files: readonly string[]): Promise<Fingerprint> {
  const states = await Promise.all(files.map((file) => stat(file, { bigint: true }).catch(() => null)));
  return {
    text: states.map((state) => `${state?.mtimeNs}:${state?.ctimeNs}:${state?.size}:${state?.ino}`).join('\n'),
    changedAtMs: Math.max(...states.map((state) => (state === null ? Infinity : Number(state.ctimeMs)))),
  };
}
