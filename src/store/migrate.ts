/** Brings a database to the schema of `migrations/`. */
import fs from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Kysely, sql } from 'kysely';
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

/** The database has migrations that this version does not know; the message names them. */
export class NewerSchemaError extends Error {
  constructor(unknown: readonly string[]) {
    super(
      `The database has ${unknown.length} migration(s) of a newer version: ${unknown.join(', ')}. Start that version: ` +
        'this one would not find what it has written.',
    );
    this.name = 'NewerSchemaError';
  }
}

/**
 * Applies every migration that the database lacks, and answers their names in order.
 *
 * All or none, in one transaction. Safe when several processes start at once: they queue on an advisory lock,
 * and those that come late find nothing to do.
 */
export async function migrateToLatest(db: Kysely<Database>): Promise<string[]> {
  if (await isUpToDate(db)) return [];
  const { error, results = [] } = await migrator(db).migrateToLatest();
  if (error !== undefined) throw error;
  return results.map((result) => result.migrationName);
}

/** Throws PendingMigrationsError unless every migration is applied, and NewerSchemaError where others are. */
export async function requireMigrated(db: Kysely<Database>): Promise<void> {
  const [known, applied] = [await knownMigrations(), await appliedMigrations(db)];
  const pending = known.filter((name) => !applied.includes(name));
  if (pending.length > 0) throw new PendingMigrationsError(pending);
  const unknown = applied.filter((name) => !known.includes(name));
  if (unknown.length > 0) throw new NewerSchemaError(unknown);
}

/**
 * Whether the database has exactly the migrations of this version, by their names.
 *
 * Asked first, because the migrator reads the whole catalogue and loads every file before it finds nothing to do
 * (measured: 0.9 of the 2.3 s of processor time that opening an embedded database took).
 */
async function isUpToDate(db: Kysely<Database>): Promise<boolean> {
  const [known, applied] = [await knownMigrations(), await appliedMigrations(db)];
  return known.length === applied.length && known.every((name) => applied.includes(name));
}

/** The names of this version's migrations, in order. */
async function knownMigrations(): Promise<readonly string[]> {
  const files = await fs.readdir(FOLDER);
  return files
    .filter((file) => file.endsWith('.ts'))
    .map((file) => path.parse(file).name)
    .sort();
}

/** The names of the database's, in order; none where it is empty. */
async function appliedMigrations(db: Kysely<Database>): Promise<readonly string[]> {
  // Raw: the table is the migrator's own, and may not be there.
  const { rows: tables } = await sql<{ known: boolean }>`
    select to_regclass('kysely_migration') is not null as known`.execute(db);
  if (tables[0]?.known !== true) return [];
  const { rows } = await sql<{ name: string }>`select name from kysely_migration order by name`.execute(db);
  return rows.map(({ name }) => name);
}

function migrator(db: Kysely<Database>): Migrator {
  return new Migrator({ db, provider: new FileMigrationProvider({ fs, path, migrationFolder: FOLDER }) });
}
