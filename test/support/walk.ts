/** A real service as a process, and a client that comes with the headers of another system's. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { createClient } from 'graphql-ws';
import { WebSocket } from 'ws';
import { fillDataFolder } from './data-folder.ts';
import { type DatabaseKind, freshPostgres } from './databases.ts';
import { type SchemaClient, schemaClient } from './schema-client.ts';
import { post } from './server.ts';
import { type ServiceProcess, startService } from './service-process.ts';

/** The service of a walk, to a client with these headers. */
export interface Walk extends SchemaClient {
  readonly service: ServiceProcess;
  /** Every event of a subscription over WebSocket until the service ends it. */
  events(query: string, variables: Record<string, unknown>): Promise<unknown[]>;
  /** The same service to a client with other headers. */
  as(headers: Readonly<Record<string, string>>): Walk;
  stop(): Promise<void>;
}

/** Starts a service with these module agents (names and code), and further settings. */
export async function startWalk(
  kind: DatabaseKind,
  agents: Readonly<Record<string, string>>,
  settings: Readonly<Record<string, string>> = {},
): Promise<Walk> {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'batchyard-walk-'));
  const agentsDir = path.join(folder, 'agents');
  mkdirSync(agentsDir);
  for (const [name, code] of Object.entries(agents)) writeFileSync(path.join(agentsDir, name), code);
  const postgres = kind === 'postgres' ? await freshPostgres() : null;
  if (postgres === null) fillDataFolder(folder);
  const service = await startService({
    ...{ BATCHYARD_DATA_DIR: folder, BATCHYARD_AGENTS_DIR: agentsDir, LOG_LEVEL: 'warn' },
    ...(postgres?.url != null && { DATABASE_URL: postgres.url, BATCHYARD_SECRET_KEY: 'a-secret-key-for-this-test' }),
    ...settings,
  });
  const as = (headers: Readonly<Record<string, string>>): Walk => ({
    ...{ service, as },
    ...schemaClient((query, variables = {}) => post(service, null, query, variables, headers)),
    async events(query, variables) {
      const url = `${service.url.replace('http', 'ws')}/graphql`;
      const client = createClient({ url, webSocketImpl: WebSocket, connectionParams: headers, retryAttempts: 0 });
      const events: unknown[] = [];
      for await (const { data } of client.iterate({ query, variables })) events.push(Object.values(data ?? {})[0]);
      await client.dispose();
      return events;
    },
    async stop() {
      await service.stop();
      await postgres?.close();
      rmSync(folder, { recursive: true, force: true });
    },
  });
  return as({ authorization: `Bearer ${service.key}` });
}
