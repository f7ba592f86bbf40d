/** The whole service in this process, on either database, and a client of its schema. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { expect } from 'vitest';
import { createApp } from '../../src/app.ts';
import { loadConfig } from '../../src/config.ts';
import { fillDataFolder } from './data-folder.ts';
import { type DatabaseKind, freshPostgres } from './databases.ts';
import { type Answer, dig, post } from './server.ts';
import { until } from './until.ts';

const KEY = 'a-root-key-for-the-whole-app';

/** The service under test, as its first key sees it. */
export interface WholeApp {
  readonly url: string;
  readonly key: string;
  /** Where module agents are read from. */
  readonly agentsDir: string;
  /** The answer as it came. */
  post(query: string, variables?: Record<string, unknown>): Promise<Answer>;
  /** What the first field answers; errors of the top level fail the test. */
  ask(query: string, variables?: Record<string, unknown>): Promise<unknown>;
  /** What a mutation with one `input` answers: its type, `selection`, and whatever error it gives. */
  mutate(name: string, selection: string, input: Record<string, unknown>): Promise<unknown>;
  /** `selection` of an execution once it has ended. */
  ended(executionId: unknown, selection: string): Promise<unknown>;
  stop(): Promise<void>;
}

const ERROR_FIELDS = {
  ValidationError: 'issues { loc msg type }',
  InvalidStateError: 'status',
  VersionConflictError: 'newestId newestVersion',
  IdempotencyConflictError: 'existingId',
};

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
  const postOwn = (query: string, variables: Record<string, unknown> = {}) => post(server, KEY, query, variables);
  const ask = async (query: string, variables: Record<string, unknown> = {}): Promise<unknown> => {
    const answer = await postOwn(query, variables);
    expect(answer.errors).toBeUndefined();
    return Object.values(answer.data ?? {})[0];
  };
  return {
    ...{ url: server.url, key: KEY, agentsDir, post: postOwn, ask },
    async mutate(name, selection, input) {
      const { data } = await postOwn(`{ __type(name: "${capital(name)}Result") { possibleTypes { name } } }`);
      const types = JSON.stringify(dig(data, '__type', 'possibleTypes'));
      const errors = Object.entries(ERROR_FIELDS).flatMap(([type, fields]) =>
        types.includes(`"${type}"`) ? `... on ${type} { ${fields} }` : [],
      );
      const query = `mutation ($input: ${capital(name)}Input!) { ${name}(input: $input) { __typename
        ... on ${capital(name)}Success { ${selection} } ... on UserError { code message } ${errors.join(' ')} } }`;
      return await ask(query, { input });
    },
    ended: (id, selection) =>
      until(async () => {
        const query = `query ($id: ID!) { batchExecution(id: $id) { endedAt ${selection} } }`;
        const execution = await ask(query, { id });
        return dig(execution, 'endedAt') === null ? null : execution;
      }),
    async stop() {
      await app.stop();
      await postgres?.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

const capital = (name: string): string => name.charAt(0).toUpperCase() + name.slice(1);
