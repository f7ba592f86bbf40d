/** Runs one suite on both kinds of database. */
import { randomBytes } from 'node:crypto';
import { afterAll, describe, inject } from 'vitest';
import type { Db } from '../../src/store/database.ts';
import { openInMemory } from '../../src/store/embedded.ts';
import { openPostgres } from '../../src/store/postgres.ts';
import { databaseUrl, runStatement } from './postgres-server.ts';

/** Which database a suite runs on. */
export type DatabaseKind = 'embedded' | 'postgres';

/** A migrated database without rows, and how to close it. */
export interface FreshDatabase {
  readonly db: Db;
  readonly kind: DatabaseKind;
  /** PostgreSQL's address, for tests that need further pools or processes; null when embedded. */
  readonly url: string | null;
  close(): Promise<void>;
}

/** Gives a fresh database that is closed after the suite. Takes a second when embedded: ask once per suite. */
export type OpenFresh = () => Promise<Db>;

/**
 * Runs the suite twice: on PGlite and on a real PostgreSQL.
 *
 * `open` is for `beforeAll` or a test. Suites share no rows; tests of one suite keep apart by a project each
 * (`makeProject` of `rows.ts`).
 */
export function describeDatabases(name: string, suite: (open: OpenFresh, kind: DatabaseKind) => void): void {
  describe.each(['embedded', 'postgres'] as const)(`${name} (%s)`, (kind) => {
    const opened: FreshDatabase[] = [];
    afterAll(async () => {
      for (const database of opened.splice(0)) await database.close();
    });
    suite(async () => {
      const database = kind === 'embedded' ? await freshEmbedded() : await freshPostgres();
      opened.push(database);
      return database.db;
    }, kind);
  });
}

/** A fresh PGlite in memory; the caller closes it, or the test process never ends. */
export async function freshEmbedded(): Promise<FreshDatabase> {
  const { db, close } = await openInMemory(inject('pgliteTemplate'));
  return { db, kind: 'embedded', url: null, close };
}

/** A fresh database on the run's PostgreSQL server; closing drops it. */
export async function freshPostgres(poolSize = 10): Promise<FreshDatabase> {
  const { url: server, template } = inject('postgres');
  const name = `batchyard_test_${randomBytes(6).toString('hex')}`;
  await runStatement(server, `create database ${name} template ${template}`);
  const url = databaseUrl(server, name);
  const { db, close } = await openPostgres({ url, poolSize, onIdleError: () => undefined });
  return {
    db,
    kind: 'postgres',
    url,
    close: async () => {
      await close();
      await runStatement(server, `drop database ${name} with (force)`);
    },
  };
}
