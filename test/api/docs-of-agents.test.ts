/** The examples of docs/agents.md, run as they stand. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { dig } from '../support/server.ts';
import { startWholeApp, type WholeApp } from '../support/whole-app.ts';

let app: WholeApp;
beforeAll(async () => {
  app = await startWholeApp('embedded');
});
afterAll(() => app?.stop());

test('docs/agents.md: a secret is set, an http agent made, and items by URL are taken', async () => {
  const text = readFileSync(path.join(import.meta.dirname, '..', '..', 'docs', 'agents.md'), 'utf8');
  const examples = [...text.matchAll(/^```graphql\n([\s\S]*?)^```$/gm)].map(([, code = '']) => code);
  const [secret = '', agent = '', remote = '', ...rest] = examples;
  expect(rest).toEqual([]);
  expect(await app.ask(secret)).toMatchObject({ secret: { name: 'ocr-token' } });
  expect(await app.ask(agent)).toMatchObject({
    version: { version: 1, config: { headersTimeoutMs: 120_000, connectTimeoutMs: 10_000 } },
  });
  // As a draft it is checked and stored, and calls no server.
  const id = dig(await app.ask(remote.replace('input: {', 'input: { draft: true')), 'batchExecution', 'id');
  expect(id).toMatch(/^exec_/);
});
