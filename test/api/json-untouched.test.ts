/** The user's JSON comes back as it went in: on every path in, through an agent, and on every path out. */
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { type App, createApp } from '../../src/app.ts';
import { loadConfig } from '../../src/config.ts';
import { fillDataFolder, temporaryFolder } from '../support/data-folder.ts';
import { type FreshDatabase, freshPostgres } from '../support/databases.ts';
import { dig, openEvents, post, socketClient } from '../support/server.ts';
import { until } from '../support/until.ts';

const KEY = 'a-root-key-for-untouched-json';

/** Keys in an order of their own and in every style, and values that are easily lost or changed. */
const TEXT =
  '{"z_key":1,"aKey":{"snake_case":null,"camelCase":false,"Kebab-Key":"","with.dot":0,"with space":[[],{}],"":"empty"},' +
  '"__proto__":{"toString":1},"constructor":[1.5,-0.001,1e21,9007199254740991],"$ref":"a\\u2028\\"\\\\ü😀","edges":[{"node":null}]}';
const VALUE: unknown = JSON.parse(TEXT);

const AGENT = `export default async function run({ item, config }) {
  if (item.filename === 'fails.json') throw Object.assign(new Error('as asked'), { code: 'asked', transient: false, details: item.metadata });
  return { metadata: item.metadata, json: await item.json(), config };
}`;

let app: App | undefined;
let postgres: FreshDatabase | undefined;
afterEach(async () => {
  await app?.stop();
  await postgres?.close();
  [app, postgres] = [undefined, undefined];
});

async function start(kind: 'embedded' | 'postgres') {
  const folder = temporaryFolder();
  const agents = path.join(folder, 'agents');
  mkdirSync(agents);
  writeFileSync(path.join(agents, 'mirror.mjs'), AGENT);
  if (kind === 'embedded') fillDataFolder(folder);
  else postgres = await freshPostgres();
  app = createApp(
    loadConfig({
      ...{ PORT: '0', BATCHYARD_DATA_DIR: folder, BATCHYARD_AGENTS_DIR: agents, BATCHYARD_ROOT_KEY: KEY },
      ...(postgres?.url && { DATABASE_URL: postgres.url, BATCHYARD_SECRET_KEY: 'a-secret-key-for-this-test' }),
      LOG_LEVEL: 'silent',
    }),
  );
  return await app.start();
}

/** The text of a value, which tells the order of its keys too. */
const text = (value: unknown) => JSON.stringify(value);
const WHOLE = text(VALUE);

describe.each(['embedded', 'postgres'] as const)("the user's JSON (%s)", (kind) => {
  test('is untouched on every path in and out', async () => {
    const server = await start(kind);
    const ask = async (query: string, variables: Record<string, unknown> = {}) => {
      const answer = await post(server, KEY, query, variables);
      expect(answer.errors).toBeUndefined();
      return answer.data;
    };
    const http = (at: string, init: RequestInit = {}) =>
      fetch(`${server.url}${at}`, { ...init, headers: { 'x-api-key': KEY, ...(init.headers as object) } });

    // In: by a mutation's variables, as a draft, as lines, in a query string.
    const item = { metadata: VALUE, json: VALUE };
    const spec = {
      ...{ name: 'mirrored', agent: 'mirror', config: VALUE, additionalProperties: VALUE },
      input: { items: [{ ...item, filename: 'inline.json' }] },
      execution: { retryLimit: 0 },
    };
    const created = await ask(
      `mutation ($input: CreateBatchExecutionInput!) { createBatchExecution(input: $input) { __typename
        ... on CreateBatchExecutionSuccess { batchExecution { id metadata spec } } ... on ValidationError { issues { loc msg } } } }`,
      { input: { draft: true, source: { spec }, metadata: VALUE } },
    );
    const execution = dig(created, 'createBatchExecution', 'batchExecution');
    expect(text(dig(execution, 'metadata'))).toBe(WHOLE);
    expect(text(dig(execution, 'spec', 'tiers', 0, 'config'))).toBe(WHOLE);
    expect(text(dig(execution, 'spec', 'additionalProperties'))).toBe(WHOLE);
    const id = String(dig(execution, 'id'));
    const lines = [
      { ...item, filename: 'line.json' },
      { ...item, filename: 'fails.json' },
    ];
    const sent = await http(`/executions/${id}/items?from=1&submit`, {
      method: 'POST',
      body: lines.map(text).join('\n'),
      headers: { 'content-type': 'application/x-ndjson' },
    });
    expect([sent.status, await sent.text()]).toEqual([200, expect.stringContaining('"addedCount":2')]);

    // Out: by query, over both kinds of stream, and as a file.
    const SHOW = `{ batchExecution(id: "${id}") { status metadata items { nodes { filename metadata data error { details } } } } }`;
    const whole = await until(async () => {
      const shown = (await ask(SHOW))?.['batchExecution'];
      return dig(shown, 'status') === 'COMPLETED_WITH_ERRORS' && shown;
    });
    expect(text(dig(whole, 'metadata'))).toBe(WHOLE);
    const answer = `{"metadata":${WHOLE},"json":${WHOLE},"config":${WHOLE}}`;
    for (const n of [0, 1, 2]) expect(text(dig(whole, 'items', 'nodes', n, 'metadata'))).toBe(WHOLE);
    for (const n of [0, 1]) expect(text(dig(whole, 'items', 'nodes', n, 'data'))).toBe(answer);
    expect(text(dig(whole, 'items', 'nodes', 2, 'error', 'details'))).toBe(WHOLE);
    const FOLLOW = `subscription { batchExecutionUpdated(id: "${id}") { batchExecution { metadata } } }`;
    const stream = await openEvents(server, KEY, FOLLOW);
    await stream.ended;
    expect(stream.text()).toContain(`"metadata":${WHOLE}`);
    const { client } = socketClient(server, { authorization: `Bearer ${KEY}` });
    const events: unknown[] = [];
    for await (const event of client.iterate({ query: FOLLOW })) events.push(event);
    expect(text(dig(events, 0, 'data', 'batchExecutionUpdated', 'batchExecution', 'metadata'))).toBe(WHOLE);
    await client.dispose();
    const file = await (await http(`/executions/${id}/results.jsonl`)).text();
    const [first, second] = file.split('\n').map((one) => (one === '' ? null : (JSON.parse(one) as unknown)));
    for (const row of [first, second]) {
      expect(text(dig(row, 'metadata'))).toBe(WHOLE);
      expect(text(dig(row, 'data'))).toBe(answer);
    }

    // Of a datasource: by mutation and by upload.
    const made = await ask(
      'mutation { createStoredDatasource(input: { name: "files" }) { ... on CreateStoredDatasourceSuccess { datasource { id } } } }',
    );
    const datasourceId = String(dig(made, 'createStoredDatasource', 'datasource', 'id'));
    await ask(`mutation ($input: AddDataElementsInput!) { addDataElements(input: $input) { __typename } }`, {
      input: { datasourceId, elements: [{ ...item, filename: 'added.json' }] },
    });
    const uploaded = await http(
      `/datasources/${datasourceId}/elements/put.json?metadata=${encodeURIComponent(WHOLE)}`,
      {
        method: 'PUT',
        body: TEXT,
        headers: { 'content-type': 'application/json' },
      },
    );
    expect(text(dig(await uploaded.json(), 'metadata'))).toBe(WHOLE);
    const elements = await ask(`{ datasource(id: "${datasourceId}") { elements { nodes { id metadata } } } }`);
    for (const n of [0, 1]) expect(text(dig(elements, 'datasource', 'elements', 'nodes', n, 'metadata'))).toBe(WHOLE);
    expect(await (await http(`/datasources/${datasourceId}/elements/put.json`)).text()).toBe(TEXT);
    expect(text(await (await http(`/datasources/${datasourceId}/elements/added.json`)).json())).toBe(WHOLE);
  });
});
