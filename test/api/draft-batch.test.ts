/** A draft from its creation to its results, with every real part, as a client does it. */
import { afterEach, expect, test } from 'vitest';
import { type App, createApp } from '../../src/app.ts';
import { loadConfig } from '../../src/config.ts';
import { fillDataFolder, temporaryFolder } from '../support/data-folder.ts';
import { dig, post } from '../support/server.ts';
import { until } from '../support/until.ts';

const KEY = 'a-root-key-for-whole-drafts';

let app: App | undefined;
afterEach(async () => {
  await app?.stop();
  app = undefined;
});

test('a draft is filled by mutation and by stream, submitted, run, and its results are followed by link', async () => {
  const folder = temporaryFolder();
  fillDataFolder(folder);
  const settings = { PORT: '0', BATCHYARD_DATA_DIR: folder, BATCHYARD_ROOT_KEY: KEY, LOG_LEVEL: 'silent' };
  app = createApp(loadConfig(settings));
  const server = await app.start();
  const ask = async (query: string, variables: Record<string, unknown> = {}) => {
    const answer = await post(server, KEY, query, variables);
    expect(answer.errors).toBeUndefined();
    return answer.data;
  };

  const created = await ask(`mutation { createBatchExecution(input: {
    draft: true, source: { spec: { name: "drafted", agent: "echo", input: {} } }
  }) { ... on CreateBatchExecutionSuccess { batchExecution { id status } } ... on UserError { message } } }`);
  expect(created).toMatchObject({ createBatchExecution: { batchExecution: { status: 'DRAFT' } } });
  const id = String(dig(created, 'createBatchExecution', 'batchExecution', 'id'));

  const add = `mutation ($items: [InlineItemInput!]!, $firstIndex: Int, $id: ID!) {
    addBatchItems(input: { batchExecutionId: $id, items: $items, firstIndex: $firstIndex }) { __typename
      ... on AddBatchItemsSuccess { addedCount repeatedCount batchExecution { draft { itemCount nextIndex endsAt } } }
      ... on ValidationError { issues { loc type ctx } } } }`;
  const items = [
    { filename: 'a.txt', text: 'a' },
    { filename: 'b.txt', text: 'b' },
  ];
  expect(await ask(add, { id, items, firstIndex: 0 })).toMatchObject({
    addBatchItems: { addedCount: 2, repeatedCount: 0, batchExecution: { draft: { itemCount: 2, nextIndex: 2 } } },
  });
  expect(await ask(add, { id, items: [{ filename: 'b.txt', text: 'other' }], firstIndex: 1 })).toEqual({
    addBatchItems: {
      __typename: 'ValidationError',
      issues: [{ loc: ['input', 'items', '0'], type: 'conflict', ctx: { index: 1 } }],
    },
  });

  const submit = `mutation ($id: ID!) { submitBatchExecution(input: { batchExecutionId: $id }) { __typename
    ... on SubmitBatchExecutionSuccess { batchExecution { status draft { itemCount } } }
    ... on ValidationError { issues { type ctx } } } }`;
  const streamed = await fetch(`${server.url}/executions/${id}/items?from=3`, {
    method: 'POST',
    headers: { authorization: `Bearer ${KEY}`, 'content-type': 'application/x-ndjson' },
    body: '{"filename": "d.txt", "text": "d"}',
  });
  expect(streamed.status).toBe(200);
  expect(await ask(submit, { id })).toEqual({
    submitBatchExecution: { __typename: 'ValidationError', issues: [{ type: 'missing_index', ctx: { index: 2 } }] },
  });
  await ask(add, { id, items: [{ filename: 'c.txt', text: 'c' }], firstIndex: 2 });
  expect(await ask(submit, { id })).toMatchObject({ submitBatchExecution: { batchExecution: { draft: null } } });

  const show = `query ($id: ID!) { batchExecution(id: $id) { status resultsUrl csv: resultsUrl(format: CSV) } }`;
  const ended = await until(async () => {
    const answer = dig(await ask(show, { id }), 'batchExecution');
    return dig(answer, 'status') === 'COMPLETED' && answer;
  }, 20_000);
  const lines = (await (await fetch(`${server.url}${dig(ended, 'resultsUrl')}`)).text()).split('\n').slice(0, -1);
  expect(lines.map((line) => JSON.parse(line) as object)).toMatchObject(
    ['a', 'b', 'c', 'd'].map((name, ordinal) => ({ ordinal, filename: `${name}.txt`, status: 'SUCCEEDED' })),
  );
  const csv = await (await fetch(`${server.url}${dig(ended, 'csv')}`)).text();
  expect(csv.split('\r\n')).toHaveLength(6);
});
