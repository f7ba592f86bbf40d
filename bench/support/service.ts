/** A service in a process of its own with a client at it, and elements for its batches. */
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { sql } from 'kysely';
import { type ApiClient, createApiClient } from '../../src/cli/api-client.ts';
import { openPostgres } from '../../src/store/postgres.ts';
import { type ServiceProcess, startService } from '../../test/support/service-process.ts';
import { storeElements } from '../echo-batch.ts';
import { SECRET } from './databases.ts';

/** A service, a client of it, and how to start it again on the same data. */
export interface Bench {
  readonly service: ServiceProcess;
  readonly api: ApiClient;
  /** Its PostgreSQL; null when the database is embedded. */
  readonly url: string | null;
  /** The settings that it was started with. */
  readonly settings: Readonly<Record<string, string>>;
}

/** Runs `use` with a service on PostgreSQL at `url`, or on a fresh embedded database. */
export async function withService<T>(
  url: string | null,
  use: (bench: Bench) => Promise<T>,
  more: Readonly<Record<string, string>> = {},
): Promise<T> {
  const dataDir = mkdtempSync(path.join(os.tmpdir(), 'batchyard-bench-'));
  const database = url === null ? {} : { DATABASE_URL: url, ...SECRET };
  const settings = { BATCHYARD_DATA_DIR: dataDir, LOG_LEVEL: 'warn', ...database, ...more };
  const service = await startService(settings);
  const api = createApiClient(`${service.url}/graphql`, service.key);
  try {
    return await use({ service, api, url, settings });
  } finally {
    await api.close();
    await service.stop();
    rmSync(dataDir, { recursive: true, force: true });
  }
}

/** A datasource with `total` small elements; written straight into PostgreSQL where that is possible, for it is no part of what is measured. */
export async function makeElements({ api, url }: Bench, total: number): Promise<string> {
  if (url === null) return await storeElements(api, total);
  const datasourceId = await storeElements(api, 1);
  const { db, close } = await openPostgres({ url, onIdleError: (error) => console.error(error) });
  const name = sql`'element-' || n || '.txt'`;
  await sql`insert into data_element (datasource_id, id, filename, media_type, documents, size_bytes, content_hash)
    select ${datasourceId}, 'element-' || n, ${name}, 'text/plain',
      json_build_array(json_build_object('filename', ${name}, 'mediaType', 'text/plain', 'text', 'The text of ' || ${name})),
      40, encode(sha256(convert_to(${name}, 'utf8')), 'hex')
    from generate_series(1, ${total - 1}::int) n`.execute(db);
  await sql`analyze data_element`.execute(db);
  await sql`checkpoint`.execute(db);
  await close();
  return datasourceId;
}
