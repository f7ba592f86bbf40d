/** The database behind everything: PostgreSQL when an address is given, else the embedded one. */
import type { Kysely, Transaction } from 'kysely';
import { createMaintenance } from './maintenance.ts';
import { migrateToLatest, requireMigrated } from './migrate.ts';
import { openPostgres, type PostgresOptions } from './postgres.ts';
import type { Database } from './tables.ts';

/** The database, on PostgreSQL or embedded. */
export type Db = Kysely<Database>;
/** An open transaction; functions that need atomicity ask for this type. */
export type Tx = Transaction<Database>;

/** Which database to open. */
export interface DatabaseOptions {
  /** PostgreSQL's address; null for the embedded database in `dataDir`. */
  readonly databaseUrl: string | null;
  /** Most connections to PostgreSQL at once; 10 when it is not given. */
  readonly poolSize?: number;
  readonly dataDir: string;
  /** Told of trouble that no caller sees: broken idle connections, failed maintenance. */
  readonly onError: (error: unknown) => void;
}

/** An open database with its schema in place. */
export interface OpenDatabase {
  readonly db: Db;
  readonly kind: 'embedded' | 'postgres';
  /** Closes it; resolves when the last statement has ended and the data folder is free. May be repeated. */
  close(): Promise<void>;
}

/**
 * Opens the database that the options name, ready to use.
 *
 * Embedded: locks the data folder, migrates, and keeps the tables vacuumed until it is closed; throws
 * DataFolderInUseError when another process has the folder. PostgreSQL: throws UnusableServerError for a server
 * that is too old, PendingMigrationsError when `npm run migrate` is due and NewerSchemaError when a newer version has been
 * here.
 */
export async function openDatabase(options: DatabaseOptions): Promise<OpenDatabase> {
  return options.databaseUrl === null
    ? await openOwn(options.dataDir, options.onError)
    : await openServer({ url: options.databaseUrl, poolSize: options.poolSize, onIdleError: options.onError });
}

async function openOwn(dataDir: string, onError: (error: unknown) => void): Promise<OpenDatabase> {
  // Half a megabyte that is of no use to a service on a server.
  const { openEmbedded } = await import('./embedded.ts');
  const { db, close, isQuiet } = await openEmbedded(dataDir, onError);
  try {
    await migrateToLatest(db);
  } catch (error) {
    await close();
    throw error;
  }
  const maintenance = createMaintenance(db, isQuiet, onError);
  maintenance.start();
  return {
    db,
    kind: 'embedded',
    close: once(async () => {
      await maintenance.stop();
      await close();
    }),
  };
}

async function openServer(options: PostgresOptions): Promise<OpenDatabase> {
  const { db, close } = await openPostgres(options);
  try {
    await requireMigrated(db);
  } catch (error) {
    await close();
    throw error;
  }
  return { db, kind: 'postgres', close: once(close) };
}

function once(action: () => Promise<void>): () => Promise<void> {
  let done: Promise<void> | undefined;
  return () => {
    done ??= action();
    return done;
  };
}
