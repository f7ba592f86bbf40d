/** The embedded database: PostgreSQL in a thread of this process, in a folder of its own. */
import { existsSync } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { CamelCasePlugin, Kysely, PostgresDialect } from 'kysely';
import pg from 'pg';
import { EmbeddedSession } from './embedded-session.ts';
import { EmbeddedSocket } from './embedded-socket.ts';
import { type EmbeddedThread, giveThread, takeThread } from './embedded-thread.ts';
import { type FolderLock, lockFolder, makePrivate } from './folder-lock.ts';
import { planByIndex, prepareRawStatements } from './prepared.ts';
import type { Database } from './tables.ts';
import { TYPES } from './type-parsers.ts';
import { nameOutagesOf } from './unavailable.ts';

const QUIET_MS = 200;

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
 * death of the process. Throws DataFolderInUseError when the folder is open elsewhere. `onError` is told when the
 * database ends by itself; whoever asks it something is told that then, too.
 */
export async function openEmbedded(
  dataDir: string,
  onError: (error: unknown) => void,
  thread: EmbeddedThread = takeThread(),
): Promise<EmbeddedDatabase> {
  let lock: FolderLock | null = null;
  const leave = async (): Promise<void> => {
    await thread.end();
    lock?.release();
  };
  try {
    lock = await lockFolder(dataDir);
    const folder = path.join(dataDir, 'db');
    if (!existsSync(folder)) await createDatabaseFolder(thread, folder);
    await thread.open({ dataDir: folder });
    const database = await embeddedDatabase(thread, onError);
    return {
      ...database,
      close: async () => {
        try {
          await database.close();
        } finally {
          await leave();
        }
      },
    };
  } catch (error) {
    await leave();
    throw error;
  }
}

/**
 * An embedded database in memory: gone when it is closed.
 *
 * `template` is the path of a tar file of a data folder to start from; without it an empty one is made, which takes
 * seconds.
 */
export async function openInMemory(template?: string): Promise<EmbeddedDatabase & { dump(): Promise<Blob> }> {
  const thread = takeThread();
  await thread.open(template === undefined ? {} : { template });
  const database = await embeddedDatabase(thread, () => undefined);
  return {
    ...database,
    // What PGlite answers.
    dump: async () => (await thread.ask('dump')) as Blob,
    close: async () => {
      await database.close();
      await giveThread(thread);
    },
  };
}

/** A folder that was made half (its process died) would never open again, so it gets its name only when it is whole. */
async function createDatabaseFolder(thread: EmbeddedThread, folder: string): Promise<void> {
  const unfinished = `${folder}.unfinished`;
  await rm(unfinished, { recursive: true, force: true });
  await thread.open({ dataDir: unfinished });
  await thread.ask('close');
  // PGlite makes its files readable by everyone, whatever the umask.
  await makePrivate(unfinished, 'whole');
  await rename(unfinished, folder);
}

async function embeddedDatabase(thread: EmbeddedThread, onError: (error: unknown) => void): Promise<EmbeddedDatabase> {
  const client = new pg.Client({
    ...{ user: 'postgres', database: 'postgres', ssl: false, types: TYPES, pipeline: true },
    stream: () => new EmbeddedSocket(thread),
  });
  client.on('error', onError);
  prepareRawStatements(client);
  nameOutagesOf(client);
  await client.connect();
  planByIndex(client);
  let lastStatementAt = 0;
  const db = new Kysely<Database>({
    dialect: new PostgresDialect({ pool: new EmbeddedSession(client) }),
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
      await thread.ask('close');
    },
  };
}
