import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { fillDataFolder, temporaryFolder } from '../support/data-folder.ts';
import { type HttpEndpoint, sendJson, startHttpEndpoint } from '../support/http-endpoint.ts';
import { dig, post } from '../support/server.ts';
import { type ServiceProcess, startService } from '../support/service-process.ts';
import { until } from '../support/until.ts';

const KEY = 'by_key-of-the-other/service+0123456789';
let other: ServiceProcess;
let mine: ServiceProcess;
let dataDir = '';
let echo: HttpEndpoint;
/** Every answer that a client of the service got. */
const seen: string[] = [];

beforeEach(async () => {
  const folders = [temporaryFolder(), temporaryFolder()];
  for (const folder of folders) fillDataFolder(folder);
  dataDir = folders[0] ?? '';
  const agents = { BATCHYARD_AGENTS_DIR: path.join(dataDir, 'none') };
  [mine, other, echo] = await Promise.all([
    startService({
      ...{ ...agents, BATCHYARD_DATA_DIR: dataDir, LOG_LEVEL: 'trace' },
      BATCHYARD_ALLOW_PRIVATE_HOSTS: '127.0.0.1',
    }),
    startService({ ...agents, BATCHYARD_DATA_DIR: folders[1] ?? '', BATCHYARD_ROOT_KEY: KEY }),
    startHttpEndpoint((request, response) =>
      // It repeats what it was sent, as careless endpoints do in their errors.
      sendJson(response, request.path === '/ok' ? 200 : 500, { message: `bad key`, got: request.headers }),
    ),
  ]);
}, 120_000);
afterEach(async () => {
  await Promise.all([mine?.kill(), other?.kill(), echo?.stop()]);
});

async function ask(query: string, variables: Record<string, unknown> = {}): Promise<unknown> {
  const answer = await post(mine, mine.key, query, variables);
  seen.push(JSON.stringify(answer));
  expect(answer.errors?.map(({ message }) => message)).toBeUndefined();
  return Object.values(answer.data ?? {})[0];
}

const createAgent = (name: string, http: object): Promise<unknown> =>
  createAgentOf(name, { http: { headers: [{ name: 'x-api-key', value: { secret: 'other' } }], ...http } });

const createAgentOf = (name: string, config: object): Promise<unknown> =>
  ask(
    `mutation ($input: CreateAgentInput!) { createAgent(input: $input) { __typename
       ... on CreateAgentSuccess { agent { id kind currentVersion { version config } } version { version } }
       ... on UserError { code message } } }`,
    { input: { name, config } },
  );

async function run(agent: string, texts: readonly string[], retryLimit = 0): Promise<unknown> {
  const items = texts.map((text, no) => ({ filename: `${no}.txt`, text }));
  const spec = { name: agent, agent, input: { items }, execution: { retryLimit } };
  const created = await ask(
    `mutation ($input: CreateBatchExecutionInput!) { createBatchExecution(input: $input) { __typename
       ... on CreateBatchExecutionSuccess { batchExecution { id spec agents { config } } }
       ... on ValidationError { issues { loc msg } } } }`,
    { input: { source: { spec } } },
  );
  const id = dig(created, 'batchExecution', 'id');
  return await until(async () => {
    const execution = await ask(
      `query ($id: ID!) { batchExecution(id: $id) { endedAt status agents { name kind version config } errorSummary { code count }
         items { nodes { status data attempts error { category code message details } failures { code message details } } } } }`,
      { id },
    );
    return dig(execution, 'endedAt') === null ? null : execution;
  }, 30_000);
}

test('a second Batchyard is an http agent, and no log, table or answer has the key it is called with', async () => {
  const set = await ask(
    `mutation ($value: String!) { setSecret(input: { name: "other", value: $value }) {
       ... on SetSecretSuccess { secret { name createdAt updatedAt } } } }`,
    { value: KEY },
  );
  expect(dig(set, 'secret', 'name')).toBe('other');
  expect(await ask('{ secrets { nodes { name } } }')).toEqual({ nodes: [{ name: 'other' }] });

  const graphql = `mutation ($item: JSON!, $idempotencyKey: String!) {
    createBatchExecution(input: { idempotencyKey: $idempotencyKey, source: { spec: {
      name: "called", agent: "echo", input: { items: [{ filename: "call.json", json: $item }] } } } }) {
      ... on CreateBatchExecutionSuccess { created batchExecution { id counts { total } } } } }`;
  expect(await createAgent('other-batchyard', { url: `${other.url}/graphql`, graphql })).toMatchObject({
    __typename: 'CreateAgentSuccess',
    agent: { kind: 'HTTP', currentVersion: { version: 1, config: { headers: [{ value: { secret: 'other' } }] } } },
  });
  expect(await createAgent('echo', { url: echo.url })).toMatchObject({ code: 'ALREADY_EXISTS' });

  const done = await run('other-batchyard', ['one', 'two', 'three']);
  expect(done).toMatchObject({ status: 'COMPLETED', agents: [{ name: 'other-batchyard', kind: 'HTTP', version: 1 }] });
  const ids = [0, 1, 2].map((no) =>
    dig(done, 'items', 'nodes', no, 'data', 'createBatchExecution', 'batchExecution', 'id'),
  );
  expect(new Set(ids).size).toBe(3);
  const there = await post(other, KEY, '{ batchExecutions { nodes { id name counts { total } } } }');
  expect(dig(there.data, 'batchExecutions', 'nodes')).toHaveLength(3);
  for (const id of ids) expect(JSON.stringify(there.data)).toContain(String(id));

  expect(await createAgent('failing', { url: `${echo.url}/fail` })).toMatchObject({ __typename: 'CreateAgentSuccess' });
  expect(await createAgent('repeating', { url: `${echo.url}/ok` })).toMatchObject({ __typename: 'CreateAgentSuccess' });
  expect(await run('failing', ['one'], 1)).toMatchObject({
    status: 'FAILED',
    items: { nodes: [{ attempts: 2, error: { category: 'NETWORK', code: 'http_500' } }] },
  });
  expect(await run('repeating', ['one'])).toMatchObject({
    items: { nodes: [{ data: { got: { 'x-api-key': '[secret]' } } }] },
  });
  expect(echo.requests.every(({ headers }) => headers['x-api-key'] === KEY)).toBe(true);

  const chat = { baseURL: `${echo.url}/v1`, model: 'm', apiKey: { secret: 'other' } };
  expect(await createAgentOf('chatting', { chat })).toMatchObject({ __typename: 'CreateAgentSuccess' });
  expect(await run('chatting', ['one'])).toMatchObject({
    items: {
      nodes: [{ error: { category: 'NETWORK', code: 'http_500', message: 'The endpoint answered 500 bad key' } }],
    },
  });
  expect(echo.requests.at(-1)?.headers['authorization']).toBe(`Bearer ${KEY}`);

  const wrong = await post(
    mine,
    mine.key,
    'mutation ($v: String!) { setSecret(input: { name: "b a d", value: $v }) { __typename ... on ValidationError { message issues { loc msg input ctx } } } }',
    { v: `${KEY}\n` },
  );
  seen.push(JSON.stringify(wrong));
  expect(JSON.stringify(wrong)).toContain('input.name');

  await mine.stop();
  const forms = [KEY, KEY.replaceAll('/', '\\/'), Buffer.from(KEY).toString('base64').slice(0, 40)];
  const files = readdirSync(dataDir, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  expect(files.length).toBeGreaterThan(10);
  for (const form of [...forms, KEY.slice(0, 12)]) {
    expect(mine.output()).not.toContain(form);
    for (const answer of seen) expect(answer).not.toContain(form);
    for (const file of files)
      expect(readFileSync(path.join(file.parentPath, file.name)).includes(form), file.name).toBe(false);
  }
  expect(mine.output()).toContain('"level"');

  const wrongKey = { BATCHYARD_SECRET_KEY: 'another-secret-key-entirely', BATCHYARD_DATA_DIR: dataDir };
  const again = await startService({ ...wrongKey, BATCHYARD_AGENTS_DIR: path.join(dataDir, 'none') });
  expect(again.output()).toContain('secrets were stored under another BATCHYARD_SECRET_KEY');
  await again.kill();
}, 120_000);
