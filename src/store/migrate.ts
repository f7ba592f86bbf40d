/** Brings a database to the schema of `migrations/`. */
import fs from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Kysely } from 'kysely';
import { FileMigrationProvider, Migrator } from 'kysely/migration';
import type { Database } from './tables.ts';

const FOLDER = fileURLToPath(new URL('../../migrations', import.meta.url));

/** The database lacks migrations of this version; the message says how to apply them. */
export class PendingMigrationsError extends Error {
  readonly pending: readonly string[];
  constructor(pending: readonly string[]) {
    super(
      `The database lacks ${pending.length} migration(s): ${pending.join(', ')}. ` +
        'Apply them with `npm run migrate` in the same environment, then start again.',
    );
    this.name = 'PendingMigrationsError';
    this.pending = pending;
  }
}

/**
 * Applies every migration that the database lacks, and answers their names in order.
 *
 * All or none, in one transaction. Safe when several processes start at once: they queue on an advisory lock,
 * and those that come late find nothing to do.
 */
export async function migrateToLatest(db: Kysely<Database>): Promise<string[]> {
  const { error, results = [] } = await migrator(db).migrateToLatest();
  if (error !== undefined) throw error;
  return results.map((result) => result.migrationName);
}

/** Throws PendingMigrationsError unless every migration is applied. */
export async function requireMigrated(db: Kysely<Database>): Promise<void> {
  const migrations = await migrator(db).getMigrations();
  const pending = migrations.filter((one) => one.executedAt === undefined).map((one) => one.name);
  if (pending.length > 0) throw new PendingMigrationsError(pending);
}

function migrator(db: Kysely<Database>): Migrator {
  return new Migrator({ db, provider: new FileMigrationProvider({ fs, path, migrationFolder: FOLDER }) });
}
