/**
 * What clients of Matil's batches do, done here through GraphQL: `POST /deployments/{id}/batch` with items of documents
 * (text, base64, url, id) and metadata, `POST /deployments/{id}` for one, `GET /batches/{id}`, `GET /entries/{id}`,
 * `POST /entries/{id}/correction`; with the headers `x-api-key` and `X-Tenant-ID`. The incremental webhook is a
 * subscription here; there is no `failed_webhooks` without webhooks. What they would read is made of our answers by the
 * two functions below, field by field.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type HttpEndpoint, startHttpEndpoint } from '../support/http-endpoint.ts';
import { codeOf, dig } from '../support/server.ts';
import { startWalk, type Walk } from '../support/walk.ts';

/** Reads an invoice from all documents of an item together; one without a total lacks a field. */
const INVOICES = `export default async function run({ item }) {
  const texts = await Promise.all(item.documents.map((document) => document.text()));
  const text = texts.join(' ');
  if (text.includes('unreadable')) throw Object.assign(new Error('Nothing can be read.'), { code: 'unreadable', category: 'VALIDATION' });
  const total = /total (\\d+)/.exec(text)?.[1];
  const fieldErrors = total === undefined ? [{ path: '/total', code: 'REQUIRED_FIELD', message: 'There is no total.' }] : [];
  return { data: { total: total === undefined ? null : Number(total), lines: texts.length }, fieldErrors };
}`;

const ITEM = 'id ordinal status metadata data correctedData fieldErrors { path code message } error { message } timeMs';
const BATCH = `id status createdAt endedAt agents { id kind name version } counts { total succeeded failed } items { nodes { ${ITEM} } }`;

const STATUS: Readonly<Record<string, string>> = {
  ...{ PREPARING: 'pending', QUEUED: 'pending', RUNNING: 'processing', SUCCEEDED: 'completed' },
  // Theirs has no word for a batch of which some failed.
  ...{ COMPLETED: 'completed', COMPLETED_WITH_ERRORS: 'completed', FAILED: 'failed' },
};

/** An item of theirs: completed_with_errors where it succeeded with field errors. */
const theirItem = (ours: unknown) => {
  const errors = dig(ours, 'fieldErrors') as unknown[];
  const status = STATUS[String(dig(ours, 'status'))];
  return {
    status: status === 'completed' && errors.length > 0 ? 'completed_with_errors' : status,
    ...{ metadata: dig(ours, 'metadata'), entry_id: dig(ours, 'id'), data: dig(ours, 'data') },
    errors: errors.length > 0 ? errors : null,
  };
};

/** A batch of theirs. */
const theirBatch = (ours: unknown) => ({
  ...{
    batch_id: dig(ours, 'id'),
    status: STATUS[String(dig(ours, 'status'))],
    total_items: dig(ours, 'counts', 'total'),
  },
  completed_items: dig(ours, 'counts', 'succeeded'),
  failed_items: dig(ours, 'counts', 'failed'),
  ...{ created_at: dig(ours, 'createdAt'), completed_at: dig(ours, 'endedAt') },
  resource_type: dig(ours, 'agents', 0, 'kind'),
  resource_id: dig(ours, 'agents', 0, 'id'),
  resource_version_number: dig(ours, 'agents', 0, 'version'),
  items: (dig(ours, 'items', 'nodes') as unknown[]).map(theirItem),
});

let operator: Walk;
let walk: Walk;
let files: HttpEndpoint;
let datasourceId: unknown;
beforeAll(async () => {
  files = await startHttpEndpoint((_request, response) =>
    response.writeHead(200, { 'content-type': 'text/plain' }).end('by url: total 3'),
  );
  operator = await startWalk(
    'embedded',
    { 'invoices.mjs': INVOICES },
    { BATCHYARD_ALLOW_PRIVATE_HOSTS: `127.0.0.1:${files.port}` },
  );
  const tenant = String(dig(await operator.ask('{ viewer { customer { id } } }'), 'customer', 'id'));
  walk = operator.as({ 'x-api-key': operator.service.key, 'X-Tenant-ID': tenant });
  const made = await walk.mutate('createStoredDatasource', 'datasource { id }', { name: 'uploads' });
  datasourceId = dig(made, 'datasource', 'id');
  const elements = [{ dataElementId: 'upload-1', filename: 'upload.txt', text: 'uploaded: total 4' }];
  await walk.mutate('addDataElements', 'added { id }', { datasourceId, elements });
}, 120_000);
afterAll(async () => {
  await operator?.stop();
  await files?.stop();
});

/** POST /deployments/{id}/batch: what a deployment names is the agent. */
const deploy = (items: readonly object[], selection: string, agent = 'invoices') =>
  walk.mutate('createBatchExecution', `batchExecution { ${selection} }`, {
    source: { spec: { name: 'invoices', agent, input: { items }, execution: { retryLimit: 0 } } },
  });
const base64 = (text: string): string => Buffer.from(text).toString('base64');

test("a batch of items with documents of every kind is run, polled and corrected as Matil's clients do", async () => {
  const requests = [
    { documents: [{ text: 'as text: total 1' }], metadata: { order: 'A-1', Nested_Key: { b: 1, a: 2 } } },
    {
      documents: [{ base64: base64('in base64: total 2'), mediaType: 'text/plain', filename: 'scan.txt' }],
      metadata: { order: 'A-2' },
    },
    { documents: [{ url: `${files.url}/invoice.txt` }], metadata: { order: 'A-3' } },
    { documents: [{ element: { datasourceId, elementId: 'upload-1' } }], metadata: { order: 'A-4' } },
    { documents: [{ text: 'page one' }, { text: 'page two: total 5' }], metadata: { order: 'A-5' } },
    { documents: [{ text: 'no sum' }], metadata: { order: 'A-6' } },
    { documents: [{ text: 'unreadable' }] },
  ];
  const made = await deploy(
    requests.map((request, n) => ({ filename: `item-${n}`, ...request })),
    BATCH,
  );
  const created = theirBatch(dig(made, 'batchExecution'));
  expect(created).toMatchObject({
    ...{ batch_id: expect.stringMatching(/^exec_/), status: expect.stringMatching(/^(pending|processing)$/) },
    ...{ resource_type: 'MODULE', resource_id: expect.stringMatching(/^agv_/), resource_version_number: 1 },
  });
  const id = created.batch_id;

  // Instead of the calls batch.item.completed and batch.completed: events, the last of them with the final state.
  const events = await walk.events(
    `subscription ($id: ID!) { batchExecutionUpdated(id: $id, afterRevision: 0) { batchExecution { status }
       changedItems { ${ITEM} } } }`,
    { id },
  );
  const ends = events
    .flatMap((event) => dig(event, 'changedItems') as unknown[])
    .filter((item) => dig(item, 'status') !== 'RUNNING');
  const told = new Map(ends.map((item) => [dig(item, 'ordinal'), theirItem(item)]));
  expect(dig(events.at(-1), 'batchExecution', 'status')).toBe('COMPLETED_WITH_ERRORS');

  // GET /batches/{id}
  const batch = theirBatch(await walk.ended(id, BATCH));
  const done = (n: number, data: object) => ({
    ...{
      status: 'completed',
      metadata: requests[n]?.metadata,
      entry_id: expect.stringMatching(/^item_/),
    },
    ...{ data, errors: null },
  });
  expect(batch).toEqual({
    ...created,
    ...{ status: 'completed', total_items: 7, completed_items: 6, failed_items: 1, completed_at: expect.any(String) },
    items: [
      done(0, { total: 1, lines: 1 }),
      done(1, { total: 2, lines: 1 }),
      done(2, { total: 3, lines: 1 }),
      done(3, { total: 4, lines: 1 }),
      done(4, { total: 5, lines: 2 }),
      {
        ...{ ...done(5, { total: null, lines: 1 }), status: 'completed_with_errors' },
        errors: [{ path: '/total', code: 'REQUIRED_FIELD', message: 'There is no total.' }],
      },
      { ...done(6, {}), status: 'failed', metadata: null, data: null },
    ],
  });
  expect(JSON.stringify(batch.items[0]?.metadata)).toBe(JSON.stringify(requests[0]?.metadata));
  expect([...told].sort(([a], [b]) => Number(a) - Number(b)).map(([, item]) => item)).toEqual(batch.items);

  // GET /entries/{id}
  const entry = (itemId: unknown) =>
    walk.ask(`query ($id: ID!) { node(id: $id) { ... on BatchItem { ${ITEM} } } }`, { id: itemId });
  const lacking = batch.items[5]?.entry_id;
  expect(theirItem(await entry(lacking))).toEqual(batch.items[5]);
  expect(await entry(lacking)).toMatchObject({ timeMs: expect.any(Number), correctedData: null, error: null });
  expect(await entry(batch.items[6]?.entry_id)).toMatchObject({ error: { message: 'Nothing can be read.' } });

  // POST /entries/{id}/correction: patches by JSON Pointer, then the data as a whole
  const correct = (input: object) =>
    walk.mutate(
      'correctBatchItem',
      'batchItem { id data correctedData } correction { number notes patches { path value } }',
      {
        ...{ itemId: lacking, ...input },
      },
    );
  const patches = [
    { path: '/total', value: 6 },
    { path: '/lines', value: 2 },
  ];
  expect(await correct({ patches, notes: 'Read by a person.' })).toMatchObject({
    batchItem: { id: lacking, data: { total: null, lines: 1 }, correctedData: { total: 6, lines: 2 } },
    correction: { number: 1, notes: 'Read by a person.', patches },
  });
  expect(await correct({ data: { total: 7 } })).toMatchObject({
    batchItem: { data: { total: null, lines: 1 }, correctedData: { total: 7 } },
    correction: { number: 2, patches: null },
  });
  expect(await correct({ patches: [{ path: 'total', value: 8 }] })).toMatchObject({ code: 'VALIDATION_FAILED' });
  expect(theirItem(await entry(lacking))).toEqual(batch.items[5]);
});

test('one entry at once is a batch of one, and more than 100 items are no more than a batch', async () => {
  const one = await deploy([{ filename: 'a.txt', text: 'total 1' }], 'id');
  const entry = await walk.ended(dig(one, 'batchExecution', 'id'), BATCH);
  expect(theirBatch(entry)).toMatchObject({
    total_items: 1,
    items: [{ status: 'completed', data: { total: 1, lines: 1 } }],
  });
  const many = Array.from({ length: 250 }, (_, n) => ({ filename: `${n}.txt`, text: `total ${n}` }));
  const batch = await walk.ended(
    dig(await deploy(many, 'id'), 'batchExecution', 'id'),
    'status counts { total succeeded }',
  );
  expect(batch).toMatchObject({ status: 'COMPLETED', counts: { total: 250, succeeded: 250 } });
  const failed = await deploy([{ filename: 'a.txt', text: 'unreadable' }], 'id');
  expect(await walk.ended(dig(failed, 'batchExecution', 'id'), 'status error')).toMatchObject({ status: 'FAILED' });
});

test('a deployment is a definition: its name stays, its version moves on, and it takes the items of a batch', async () => {
  const spec = { name: 'deployed', agent: 'invoices', input: { datasourceId }, execution: { retryLimit: 0 } };
  const made = await walk.mutate('createBatchDefinition', 'batchDefinition { id }', { spec });
  const batchDefinitionId = dig(made, 'batchDefinition', 'id');
  await walk.mutate('updateBatchDefinition', 'changed', { batchDefinitionId, changes: { userMessage: 'Read well.' } });
  const newest = await walk.ask('{ batchDefinition(name: "deployed") { id version versions { nodes { version } } } }');
  expect(newest).toMatchObject({ version: 2, versions: { nodes: [{ version: 2 }, { version: 1 }] } });
  const draft = await walk.mutate('createBatchExecution', 'batchExecution { id }', {
    ...{ source: { definitionId: dig(newest, 'id') }, draft: true },
  });
  const batchExecutionId = dig(draft, 'batchExecution', 'id');
  const items = [{ filename: 'a.txt', text: 'total 9' }];
  expect(await walk.mutate('addBatchItems', 'addedCount', { batchExecutionId, items })).toMatchObject({
    addedCount: 1,
  });
  await walk.mutate('submitBatchExecution', 'batchExecution { id }', { batchExecutionId });
  const ran = await walk.ended(batchExecutionId, `${BATCH} definition { version }`);
  expect(ran).toMatchObject({ definition: { version: 2 } });
  expect(theirBatch(ran)).toMatchObject({ total_items: 1, items: [{ data: { total: 9, lines: 1 } }] });
});

test('what is wrong with a request is told with its place, before anything is stored', async () => {
  const items = [
    { filename: 'a', documents: [] },
    { filename: 'b', documents: [{ base64: 'data:text/plain;base64,QQ==' }] },
    { filename: 'c', url: 'ftp://files.example/c' },
    { filename: 'd', documents: [{ text: 'both', url: 'https://files.example/d' }] },
  ];
  const refused = await deploy(items, 'id');
  const at = (no: number) => ['input', 'source', 'spec', 'input', 'items', String(no)];
  expect((dig(refused, 'issues') as { loc: string[] }[]).map(({ loc }) => loc.slice(0, 6))).toEqual([
    at(0),
    at(1),
    at(2),
    at(3),
  ]);
  expect(await deploy([{ filename: 'a', text: 'a' }], 'id', 'not-deployed')).toMatchObject({
    ...{ code: 'VALIDATION_FAILED', issues: [{ loc: ['input', 'source', 'spec', 'agent'] }] },
  });
  expect(await walk.ask('{ batchExecution(id: "exec_none") { id } }')).toBeNull();
  const stranger = operator.as({ 'x-api-key': operator.service.key, 'X-Tenant-ID': 'elsewhere' });
  expect(codeOf(await stranger.post('{ viewer { role } }'))).toBe('FORBIDDEN');
});
