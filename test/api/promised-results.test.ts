/** Results and what their tier promises, from the spec to the correction, with the whole service. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { describeDatabases } from '../support/databases.ts';
import { dig } from '../support/server.ts';
import { startWholeApp, type WholeApp } from '../support/whole-app.ts';

/** Reads an invoice: leaves the total of some as the text that it is, and writes a summary of all but one. */
const AGENT = `export default async function run({ item }) {
  const invoice = await item.json();
  const artifacts = invoice.silent ? [] : [{ id: 'summary', filename: 'summary.md', mediaType: 'text/markdown', text: '# ' + invoice.total }];
  return { data: { total: invoice.total, lines: [] }, artifacts };
}`;
const SPEC = {
  ...{ name: 'invoices', agent: 'invoices', execution: { retryLimit: 0 } },
  outputSchema: { type: 'object', required: ['total'], properties: { total: { type: 'number' } } },
  artifacts: [{ name: 'summary', type: 'MARKDOWN', maxSizeBytes: 100 }],
  input: {
    items: [
      { filename: 'good.json', json: { total: 1 } },
      { filename: 'text.json', json: { total: '2,5' } },
      { filename: 'silent.json', json: { total: 3, silent: true } },
    ],
  },
};

describeDatabases('promised results', (_open, kind) => {
  let app: WholeApp;
  beforeAll(async () => {
    app = await startWholeApp(kind, { 'invoices.mjs': AGENT });
  });
  afterAll(() => app.stop());

  test('are checked, told of field by field, diagnosed, downloaded and corrected', async () => {
    const created = await app.mutate('createBatchExecution', 'batchExecution { id spec }', { source: { spec: SPEC } });
    const id = dig(created, 'batchExecution', 'id');
    expect(dig(created, 'batchExecution', 'spec', 'tiers', 0)).toMatchObject({
      outputSchema: SPEC.outputSchema,
      artifacts: [{ name: 'summary', type: 'MARKDOWN', required: true, maxSizeBytes: 100 }],
    });
    const selection = `status items { nodes { id status data fieldErrors { path code message }
      error { category transient code details } outputArtifacts { id mediaType sizeBytes downloadUrl } } }
      diagnosis { health failureCategory failures { code count } recommendations { kind } }`;
    const ended = await app.ended(id, selection);
    expect(ended).toMatchObject({
      status: 'COMPLETED_WITH_ERRORS',
      items: {
        nodes: [
          {
            status: 'SUCCEEDED',
            data: { total: 1 },
            fieldErrors: [],
            outputArtifacts: [{ id: 'summary', sizeBytes: 3 }],
          },
          {
            ...{ status: 'FAILED', data: null, outputArtifacts: [] },
            fieldErrors: [{ path: '/total', code: 'type', message: 'must be number' }],
            error: {
              category: 'VALIDATION',
              transient: false,
              code: 'output_mismatch',
              details: { data: { total: '2,5' } },
            },
          },
          { status: 'FAILED', fieldErrors: [{ path: '/artifacts/summary', code: 'artifact_missing' }] },
        ],
      },
      diagnosis: {
        ...{ health: 'FAILING', failureCategory: 'PIPELINE', failures: [{ code: 'output_mismatch', count: 2 }] },
        recommendations: [{ kind: 'FIX_OUTPUT' }, { kind: 'RETRY_ALL' }],
      },
    });
    // The export says of a miss what the item says.
    const link = dig(await app.ended(id, 'resultsUrl'), 'resultsUrl');
    const lines = (await (await fetch(`${app.url}${String(link)}`)).text()).trim().split('\n');
    expect(lines.map((line) => dig(JSON.parse(line), 'fieldErrors'))).toEqual(
      (dig(ended, 'items', 'nodes') as { fieldErrors: unknown }[]).map(({ fieldErrors }) => fieldErrors),
    );
    const [good, text] = dig(ended, 'items', 'nodes') as { id: string; outputArtifacts: { downloadUrl: string }[] }[];
    const download = await fetch(`${app.url}${good?.outputArtifacts[0]?.downloadUrl}`);
    expect([await download.text(), download.headers.get('content-type')]).toEqual(['# 1', 'text/markdown']);

    const correct = (itemId: string | undefined, value: unknown) =>
      app.mutate('correctBatchItem', 'batchItem { data correctedData }', {
        itemId,
        patches: [{ path: '/total', value }],
      });
    expect(await correct(good?.id, 'many')).toMatchObject({ issues: [{ type: 'output_mismatch' }] });
    expect(await correct(good?.id, 11)).toMatchObject({
      batchItem: { data: { total: 1, lines: [] }, correctedData: { total: 11, lines: [] } },
    });
    expect(await correct(text?.id, 2.5)).toMatchObject({ code: 'INVALID_STATE', status: 'FAILED' });
  });

  test('that cannot be checked are refused at their place before anything runs', async () => {
    const outputSchema = { properties: { total: { type: 'numbr' } } };
    const created = await app.mutate('createBatchExecution', 'batchExecution { id }', {
      source: { spec: { ...SPEC, outputSchema } },
    });
    expect(created).toMatchObject({
      issues: expect.arrayContaining([
        expect.objectContaining({
          loc: ['input', 'source', 'spec', 'outputSchema', 'properties', 'total', 'type'],
          type: 'json_schema',
        }),
      ]),
    });
  });
});
