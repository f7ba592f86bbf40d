/** Once per run: a PostgreSQL server with a migrated template database, and the file of a migrated PGlite. */
import { createHash } from 'node:crypto';
import { existsSync, globSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { TestProject } from 'vitest/node';
import { openInMemory } from '../../src/store/embedded.ts';
import { migrateToLatest } from '../../src/store/migrate.ts';
import { openPostgres } from '../../src/store/postgres.ts';
import { databaseUrl, runStatement, startPostgres } from './postgres-server.ts';

declare module 'vitest' {
  export interface ProvidedContext {
    /** Where databases may be created, and the name of the one to copy. */
    postgres: { url: string; template: string };
    /** A tar file of a migrated PGlite's data folder. */
    pgliteTemplate: string;
    /** The first seed of the random schedules and how many there are; null leaves that to the test. */
    schedules: { seed: number; count: number | null };
  }
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const own = process.env['TEST_DATABASE_URL'];
  const [server, pgliteTemplate] = await Promise.all([
    own === undefined ? startPostgres() : { url: own, stop: async () => undefined },
    makePgliteTemplate(),
  ]);
  const template = `batchyard_template_${process.pid}_${Date.now().toString(36)}`;
  await runStatement(server.url, `create database ${template}`);
  const { db, close } = await openPostgres({ url: databaseUrl(server.url, template), onIdleError: () => undefined });
  await migrateToLatest(db);
  await close();
  project.provide('postgres', { url: server.url, template });
  project.provide('pgliteTemplate', pgliteTemplate);
  const { SCHEDULE_SEED: seed = '1', SCHEDULES: count } = process.env;
  project.provide('schedules', { seed: Number(seed), count: count === undefined ? null : Number(count) });
  return async () => {
    await runStatement(server.url, `drop database ${template} with (force)`);
    await server.stop();
  };
}

/** Making a PGlite takes five seconds, so it is kept until the migrations or PGlite change. */
async function makePgliteTemplate(): Promise<string> {
  const root = path.join(import.meta.dirname, '..', '..');
  const hash = createHash('sha256');
  const sources = ['migrations/*.ts', 'package-lock.json'].flatMap((pattern) =>
    globSync(pattern, { cwd: root }).sort(),
  );
  for (const file of sources) hash.update(readFileSync(path.join(root, file)));
  const folder = path.join(root, 'node_modules', '.cache', 'batchyard');
  const file = path.join(folder, `pglite-${hash.digest('hex').slice(0, 16)}.tar`);
  if (existsSync(file)) return file;
  const { db, dump, close } = await openInMemory();
  await migrateToLatest(db);
  const content = Buffer.from(await (await dump()).arrayBuffer());
  await close();
  mkdirSync(folder, { recursive: true });
  const unfinished = `${file}.${process.pid}`;
  writeFileSync(unfinished, content);
  renameSync(unfinished, file);
  return file;
}
