/** The examples of two pages, run as they stand. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { dig } from '../support/server.ts';
import { startWholeApp, type WholeApp } from '../support/whole-app.ts';

let app: WholeApp;
beforeAll(async () => {
  app = await startWholeApp('embedded');
});
afterAll(() => app.stop());

const examplesOf = (page: string): string[] => {
  const text = readFileSync(path.join(import.meta.dirname, '..', '..', 'docs', page), 'utf8');
  return [...text.matchAll(/^```graphql\n([\s\S]*?)^```$/gm)].map(([, code = '']) => code);
};

test('docs/outputs.md: a datasource of results is made, written to, and read', async () => {
  const [create, write, read, ...rest] = examplesOf('outputs.md');
  expect(rest).toEqual([]);
  const reports = dig(await app.ask(create ?? ''), 'datasource', 'id');
  const written = await app.ask(write ?? '', { reports });
  expect(written).toMatchObject({ batchExecution: { outputDatasource: { id: reports, kind: 'RESULTS' } } });
  expect(await app.ended(dig(written, 'batchExecution', 'id'), 'status')).toMatchObject({ status: 'COMPLETED' });
  const next = await app.ended(
    dig(await app.ask(read ?? '', { reports }), 'batchExecution', 'id'),
    'items { nodes { filename metadata data } }',
  );
  expect(next).toMatchObject({ items: { nodes: [{ filename: 'a.md.json', metadata: { author: 'me' } }] } });
});

test('docs/definitions.md: a definition is made, changed, previewed and run again', async () => {
  const [create, update, preview, rerun, ...rest] = examplesOf('definitions.md');
  expect(rest).toEqual([]);
  const made = await app.ask(create ?? '');
  const id = dig(made, 'batchDefinition', 'id');
  const changed = await app.ask(update ?? '', { id });
  expect(changed).toMatchObject({ changed: true, batchDefinition: { version: 2, parent: { version: 1 } } });
  expect(await app.ask(update ?? '', { id })).toMatchObject({ changed: false, batchDefinition: { version: 2 } });
  expect(await app.ask(preview ?? '', { id })).toMatchObject({ matches: { count: 0, isComplete: true } });
  const past = await app.mutate('createBatchExecution', 'batchExecution { id }', { source: { definitionId: id } });
  const again = await app.ask(rerun ?? '', { id: dig(past, 'batchExecution', 'id') });
  expect(
    await app.ended(dig(again, 'batchExecution', 'id'), 'status definition { version } counts { succeeded }'),
  ).toMatchObject({
    ...{ status: 'COMPLETED', definition: { version: 2 }, counts: { succeeded: 1 } },
  });
});
