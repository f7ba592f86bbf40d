/** The embedded database: PostgreSQL in this process, in a folder of its own. */
import { existsSync } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { PGlite } from '@electric-sql/pglite';
import { CamelCasePlugin, Kysely, PGliteDialect } from 'kysely';
import { type FolderLock, lockFolder, makePrivate } from './folder-lock.ts';
import { compiledPglite } from './pglite-module.ts';
import { preparedEmbedded } from './prepared-embedded.ts';
import type { Database } from './tables.ts';

const INT8_OID = 20;

const QUIET_MS = 200;

/**
 * Unlike a server's, our pages are beside the system's cache in the same memory, and each start fills all of them with
 * zeros: with 128 MB, as initdb chooses, it takes 0.4 s and 100 MB more, and items pass no faster.
 */
const BUFFERS = 'shared_buffers=32MB';

/** An open embedded database; `close` gives the folder back. */
export interface EmbeddedDatabase {
  readonly db: Kysely<Database>;
  /** Whether no statement ended within the last moments. */
  isQuiet(): boolean;
  close(): Promise<void>;
}

/**
 * Opens the embedded database below a data folder, and makes both when they are missing.
 *
 * The folder is locked first: two servers on the same files would destroy them. What is committed survives the
 * death of the process. Throws DataFolderInUseError when the folder is open elsewhere.
 */
export async function openEmbedded(dataDir: string): Promise<EmbeddedDatabase> {
  const lock = await lockFolder(dataDir);
  try {
    const folder = path.join(dataDir, 'db');
    if (!existsSync(folder)) await createDatabaseFolder(folder);
    return embeddedDatabase(await openPglite({ dataDir: folder }), lock);
  } catch (error) {
    lock.release();
    throw error;
  }
}

/**
 * An embedded database in memory: gone when it is closed.
 *
 * `template` is the tar file of a data folder to start from; without it an empty one is made, which takes seconds.
 */
export async function openInMemory(template?: Blob): Promise<EmbeddedDatabase & { dump(): Promise<Blob> }> {
  const pglite = await openPglite(template === undefined ? {} : { loadDataDir: template });
  return { ...embeddedDatabase(pglite, null), dump: () => pglite.dumpDataDir('none') };
}

async function openPglite(options: { dataDir?: string; loadDataDir?: Blob }): Promise<PGlite> {
  const pgliteWasmModule = await compiledPglite();
  return await PGlite.create({
    ...options,
    ...(pgliteWasmModule && { pgliteWasmModule }),
    startParams: [...PGlite.defaultStartParams, '-c', BUFFERS],
    // PGlite would answer int8 above 2^53 as bigint and pg as text; both answer a number here.
    parsers: { [INT8_OID]: Number },
  });
}

/** A folder that was made half (its process died) would never open again, so it gets its name only when it is whole. */
async function createDatabaseFolder(folder: string): Promise<void> {
  const unfinished = `${folder}.unfinished`;
  await rm(unfinished, { recursive: true, force: true });
  const pglite = await openPglite({ dataDir: unfinished });
  await pglite.close();
  // PGlite makes its files readable by everyone, whatever the umask.
  await makePrivate(unfinished, 'whole');
  await rename(unfinished, folder);
}

function embeddedDatabase(pglite: PGlite, lock: FolderLock | null): EmbeddedDatabase {
  let lastStatementAt = 0;
  const db = new Kysely<Database>({
    dialect: new PGliteDialect({ pglite: preparedEmbedded(pglite) }),
    plugins: [new CamelCasePlugin({ maintainNestedObjectKeys: true })],
    log: () => {
      lastStatementAt = performance.now();
    },
  });
  return {
    db,
    isQuiet: () => performance.now() - lastStatementAt > QUIET_MS,
    close: async () => {
      await db.destroy();
      // Kysely closes PGlite only if it has run a statement.
      if (!pglite.closed) await pglite.close();
      lock?.release();
    },
  };
}
