/** The examples of docs/records.md, run as they stand. */
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

test('docs/records.md: a metered execution is made, and what it did is read', async () => {
  const text = readFileSync(path.join(import.meta.dirname, '..', '..', 'docs', 'records.md'), 'utf8');
  const [read = '', create = '', ...rest] = [...text.matchAll(/^```graphql\n([\s\S]*?)^```$/gm)].map(
    ([, code]) => code,
  );
  expect(rest).toEqual([]);
  const made = await app.ask(create);
  expect(made).toMatchObject({ batchExecution: { tokenBudget: 1_000_000, costBudget: 5, usage: { totalTokens: 0 } } });
  await app.ended(dig(made, 'batchExecution', 'id'), 'status');
  expect(dig(await app.ask(read), 'nodes', 0)).toMatchObject({
    usage: { calls: 0, cost: '0', currency: 'USD' },
    tiers: [{ number: 0, usage: { totalTokens: 0 } }],
    items: { nodes: [{ attemptHistory: [{ number: 1, outcome: 'SUCCEEDED' }], logs: { nodes: [] } }] },
  });
});
