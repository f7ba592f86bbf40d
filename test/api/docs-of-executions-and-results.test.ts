/** The examples of five pages, run as they stand but for the ids in them, which are those of what was made before. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { dig, socketClient } from '../support/server.ts';
import { until } from '../support/until.ts';
import { startWholeApp, type WholeApp } from '../support/whole-app.ts';

let app: WholeApp;
beforeAll(async () => {
  app = await startWholeApp('embedded');
});
afterAll(() => app?.stop());

/** The examples of a page, which are so many. */
function examplesOf(page: string, count: number): string[] {
  const text = readFileSync(path.join(import.meta.dirname, '..', '..', 'docs', page), 'utf8');
  const examples = [...text.matchAll(/^```graphql\n([\s\S]*?)^```$/gm)].map(([, code = '']) => code);
  expect(examples).toHaveLength(count);
  return examples;
}
async function create(spec: Record<string, unknown>, more: Record<string, unknown> = {}): Promise<unknown> {
  const made = await app.mutate('createBatchExecution', 'batchExecution { id }', { source: { spec }, ...more });
  expect(made).toMatchObject({ batchExecution: { id: expect.any(String) } });
  return dig(made, 'batchExecution', 'id');
}
const ITEMS = ['invoice-1.txt', 'invoice-2.txt'].map((filename) => ({ filename, text: filename }));

test('docs/datasources.md and docs/executions.md: elements are found, drafted, and executions listed, named and deleted', async () => {
  const [scans = '', find = ''] = examplesOf('datasources.md', 2);
  const [list = '', follow = '', rename = '', add = '', remove = '', keep = ''] = examplesOf('executions.md', 6);
  const datasourceId = String(dig(await app.ask(scans), 'datasource', 'id'));
  for (const name of ['a.pdf', '2026/scan.pdf']) {
    const url = `${app.url}/datasources/${datasourceId}/elements/${encodeURIComponent(name)}`;
    const headers = { authorization: `Bearer ${app.key}`, 'content-type': 'application/pdf' };
    expect((await fetch(url, { method: 'PUT', headers, body: 'pdf' })).status).toBe(201);
  }
  const found = await app.ask(find.replace('ds_1', datasourceId));
  expect(found).toMatchObject({ elements: { nodes: [{ id: '2026/scan.pdf', sizeBytes: 3 }] } });

  const draft = String(await create({ name: 'a-draft', agent: 'echo', input: {} }, { draft: true }));
  const added = await app.ask(add.replace('exec_1', draft).replace('ds_1', datasourceId));
  expect(added).toMatchObject({ addedCount: 1, rejected: [{ place: 1, elementId: 'gone.pdf' }] });
  const renamed = await app.ask(rename.replace('exec_1', draft));
  expect(renamed).toMatchObject({ batchExecution: { name: 'invoices-may', metadata: { team: 'billing' } } });
  expect(await app.ask(list)).toMatchObject({ totalCount: 0, nodes: [] });

  const { client } = socketClient(app, { authorization: `Bearer ${app.key}` });
  const running = await create({
    name: 'slow',
    tiers: [{ agent: 'echo', config: { delayMs: 600_000 } }],
    input: { items: ITEMS },
  });
  let told: unknown;
  for await (const { data } of client.iterate({ query: follow, variables: { after: 0 } })) {
    told = dig(data, 'batchExecutionsUpdated');
    // What it does not list yet, because it is still prepared, it may tell of too.
    if (dig(told, 'id') === running && dig(told, 'kind') === 'ENTERED') break;
  }
  expect(told).toMatchObject({ id: running, kind: 'ENTERED', batchExecution: { name: 'slow' } });
  await client.dispose();
  await app.mutate('cancelBatchExecution', 'batchExecution { id }', { batchExecutionId: running });

  expect(await app.ask(remove.replace('exec_1', draft))).toMatchObject({ deletedId: draft });
  const projectId = String(dig(await app.ask('{ viewer { project { id } } }'), 'project', 'id'));
  expect(await app.ask(keep.replace('proj_1', projectId))).toMatchObject({ project: { retentionDays: 90 } });
});

test('docs/tiers-and-retries.md: tiers are read, and items retried, done again and cancelled', async () => {
  const [read = '', retry = '', resubmit = '', cancel = ''] = examplesOf('tiers-and-retries.md', 4);
  const slow = { agent: 'echo', config: { delayMs: 600_000 } };
  const execution = { itemTimeoutMs: 20, retryLimit: 0 };
  const spec = { name: 'tiered', tiers: [{ agent: 'echo' }, slow], input: { items: ITEMS } };
  const id = await create({ ...spec, execution });
  await app.ended(id, 'status');
  const shown = await app.ask(read, { id });
  expect(shown).toMatchObject({
    tiers: [{ status: 'COMPLETED' }, { status: 'FAILED', errorCategories: [{ category: 'TIMEOUT', count: 2 }] }],
    items: { nodes: [{ tierResults: [{ tier: 0 }] }, {}] },
  });
  expect(await app.ask(retry, { id })).toMatchObject({ retriedCount: 2, skipped: [], batchExecution: { round: 0 } });
  expect(await app.ask(resubmit, { id })).toMatchObject({ resubmittedCount: 2, batchExecution: { round: 1 } });

  const open = await create({ ...spec, name: 'open' });
  const inTier =
    'query ($id: ID!) { batchExecution(id: $id) { items(filter: { tier: [1], status: [RUNNING] }) { nodes { id } } } }';
  const nodes = await until(async () => {
    const running = dig(await app.ask(inTier, { id: open }), 'items', 'nodes') as { id: string }[];
    return running.length === 2 && running;
  });
  const items = nodes.map((node) => node.id);
  expect(await app.ask(cancel, { id: open, items })).toMatchObject({ cancelledCount: 2, skipped: [] });
});

test('docs/results.md and docs/operations.md: results are promised, corrected, exported and diagnosed', async () => {
  const [promise = '', artifacts = '', correct = '', exported = '', diagnose = ''] = examplesOf('results.md', 5);
  const id = dig(await app.ask(promise), 'batchExecution', 'id');
  const ended = await app.ended(id, 'items { nodes { id status fieldErrors { path code } } }');
  expect(ended).toMatchObject({
    items: {
      nodes: [
        { status: 'SUCCEEDED', fieldErrors: [] },
        {
          status: 'FAILED',
          fieldErrors: expect.arrayContaining([
            expect.objectContaining({ path: '/title' }),
            expect.objectContaining({ path: '/words' }),
          ]),
        },
      ],
    },
  });
  const item = dig(ended, 'items', 'nodes', 0, 'id');
  expect(await app.ask(artifacts, { id: item })).toEqual({ outputArtifacts: [] });
  const headings = [expect.anything(), { level: 2, text: 'May' }];
  expect(await app.ask(correct, { item })).toMatchObject({
    ...{
      correction: { number: 1 },
      batchItem: { data: { title: 'Invoices' }, correctedData: { title: 'Bills', headings } },
    },
  });
  const archive = await fetch(`${app.url}${dig(await app.ask(exported, { id }), 'resultsUrl')}`);
  expect([archive.status, archive.headers.get('content-type')]).toEqual([200, 'application/zip']);
  await archive.body?.cancel();
  expect(await app.ask(diagnose, { id })).toMatchObject({
    diagnosis: { health: 'FAILING', failures: [{ code: 'output_mismatch' }] },
  });
  const [limits = ''] = examplesOf('operations.md', 1);
  expect(await app.ask(limits)).toMatchObject({ concurrency: { default: 10, max: 999 } });
});
