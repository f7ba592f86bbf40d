/** The whole service in this process, on either database, and a client of its schema. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { createApp } from '../../src/app.ts';
import { loadConfig } from '../../src/config.ts';
import { fillDataFolder } from './data-folder.ts';
import { type DatabaseKind, freshPostgres } from './databases.ts';
import { type SchemaClient, schemaClient } from './schema-client.ts';
import { post } from './server.ts';

const KEY = 'a-root-key-for-the-whole-app';

/** The service under test, as its first key sees it. */
export interface WholeApp extends SchemaClient {
  readonly url: string;
  readonly key: string;
  /** Where module agents are read from. */
  readonly agentsDir: string;
  stop(): Promise<void>;
}

/** Starts the service with module agents of the test's (file names and their code) and further settings. */
export async function startWholeApp(
  kind: DatabaseKind,
  agents: Readonly<Record<string, string>> = {},
  settings: Readonly<Record<string, string>> = {},
): Promise<WholeApp> {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'batchyard-whole-'));
  const agentsDir = path.join(folder, 'agents');
  mkdirSync(agentsDir);
  for (const [name, code] of Object.entries(agents)) writeFileSync(path.join(agentsDir, name), code);
  const postgres = kind === 'postgres' ? await freshPostgres() : null;
  if (postgres === null) fillDataFolder(folder);
  const app = createApp(
    loadConfig({
      ...{ PORT: '0', BATCHYARD_DATA_DIR: folder, BATCHYARD_AGENTS_DIR: agentsDir, BATCHYARD_ROOT_KEY: KEY },
      ...(postgres?.url != null && { DATABASE_URL: postgres.url, BATCHYARD_SECRET_KEY: 'a-secret-key-for-this-test' }),
      LOG_LEVEL: 'silent',
      ...settings,
    }),
  );
  const server = await app.start();
  return {
    ...{ url: server.url, key: KEY, agentsDir },
    ...schemaClient((query, variables = {}) => post(server, KEY, query, variables)),
    async stop() {
      await app.stop();
      await postgres?.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
