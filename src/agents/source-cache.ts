/** Files from which agents' stored sources are imported, named by their content. */
import { createHash, randomBytes } from 'node:crypto';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import path from 'node:path';

/** Puts sources on disk. */
export interface SourceCache {
  /** The path of a file with exactly this source. Throws when the source does not have this hash. */
  fileOf(contentHash: string, source: string): Promise<string>;
}

const sha256 = (data: string | Buffer): string => createHash('sha256').update(data).digest('hex');

/** A cache in `<dataDir>/agents-cache`, for the owner only; a file that was changed is written anew. */
export function createSourceCache(dataDir: string): SourceCache {
  const folder = path.resolve(dataDir, 'agents-cache');
  return {
    async fileOf(contentHash, source) {
      if (sha256(source) !== contentHash) throw new Error('The stored source does not have its content hash.');
      const file = path.join(folder, `${contentHash}.mjs`);
      const present = await readFile(file).catch(() => null);
      if (present !== null && sha256(present) === contentHash) return file;
      await mkdir(folder, { recursive: true, mode: 0o700 });
      // Another process may write the same file: each writes its own and moves it into place whole.
      const unfinished = `${file}.${randomBytes(6).toString('hex')}`;
      await writeFile(unfinished, source, { mode: 0o600, flush: true });
      await rename(unfinished, file);
      return file;
    },
  };
}
