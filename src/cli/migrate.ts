/** `npm run migrate`: brings the PostgreSQL database of DATABASE_URL to the schema of this version. */
import { processConfig } from '../config.ts';
import { migrateToLatest } from '../store/migrate.ts';
import { openPostgres } from '../store/postgres.ts';

async function migrate(): Promise<string> {
  const { databaseUrl } = processConfig();
  if (databaseUrl === null) return 'DATABASE_URL is unset: the embedded database is migrated when the service starts.';
  const { db, close } = await openPostgres({
    url: databaseUrl,
    poolSize: 2,
    onIdleError: (error) => console.error(error),
  });
  try {
    const applied = await migrateToLatest(db);
    return applied.length === 0 ? 'Nothing to do: the schema is up to date.' : `Applied ${applied.join(', ')}.`;
  } finally {
    await close();
  }
}

try {
  console.log(await migrate());
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
