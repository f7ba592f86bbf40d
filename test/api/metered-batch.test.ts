/** Usage, budgets, scores and logs of a batch with every real part, through the schema alone. */
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { type App, createApp } from '../../src/app.ts';
import { loadConfig } from '../../src/config.ts';
import { fillDataFolder, temporaryFolder } from '../support/data-folder.ts';
import { type FreshDatabase, freshPostgres } from '../support/databases.ts';
import { dig, post } from '../support/server.ts';
import { until } from '../support/until.ts';

const KEY = 'a-root-key-for-metered-batches';
// Threaded, as module agents are unless they say otherwise.
const AGENT = `export default async function run({ item, attempt, log }) {
  const usage = { inputTokens: 8, outputTokens: 2, model: 'tiny' };
  log('reads ' + item.filename);
  if (item.ordinal === 5 && attempt === 1) {
    log('is cut off', 'WARN');
    throw Object.assign(new Error('Cut off.'), { component: 'reader', stage: 'read', recovery: 'Wait.', usage });
  }
  return { data: { length: (await item.text()).length }, score: item.ordinal / 100, usage };
}`;
const PRICES = { inputPerMillion: 2.5, outputPerMillion: 10 };
const ITEMS = Array.from({ length: 40 }, (_, n) => ({ filename: `${n}.txt`, text: `text ${n}` }));
const EXECUTION = { concurrency: 2, tokenBudget: 100, backoff: { baseMs: 1 } };
const spec = (tiers: readonly object[], execution: object) => ({
  name: 'metered',
  tiers,
  input: { items: ITEMS },
  execution,
});

const CREATE = `mutation ($input: CreateBatchExecutionInput!) { createBatchExecution(input: $input) { __typename
  ... on CreateBatchExecutionSuccess { batchExecution { id } } ... on ValidationError { issues { loc msg } } } }`;
const UPDATE = `mutation ($input: UpdateBatchExecutionInput!) { updateBatchExecution(input: $input) { __typename
  ... on UpdateBatchExecutionSuccess { batchExecution { tokenBudget costBudget status } } ... on ValidationError { issues { loc } } } }`;
const RESUME = 'mutation ($input: ResumeBatchExecutionInput!) { resumeBatchExecution(input: $input) { __typename } }';
const USAGE = 'calls inputTokens outputTokens cachedInputTokens totalTokens cost currency';
const SHOW = `query ($id: ID!) { batchExecution(id: $id) { status pauseReason tokenBudget costBudget spec counts { succeeded }
  usage { ${USAGE} } tiers { usage { ${USAGE} } } logs(filter: { ordinal: [5] }) { nodes { level message attempt } }
  surest: items(filter: { minScore: 0.38 }) { nodes { ordinal score timeMs } }
  item(ordinal: 5) { score attemptHistory { tier number outcome error { component stage trace recovery usage { cost } }
    usage { totalTokens model cost } } logs(first: 1) { nodes { message } } } } }`;

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
  writeFileSync(path.join(agents, 'metered.mjs'), AGENT);
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

describe.each(['embedded', 'postgres'] as const)('a metered batch (%s)', (kind) => {
  test('counts its tokens, pauses at its budget, goes on with a larger one, and tells what each attempt did', async () => {
    const server = await start(kind);
    const send = async (query: string, variables: Record<string, unknown>) => {
      const { data, errors } = await post(server, KEY, query, variables);
      expect(errors).toBeUndefined();
      return data;
    };
    const create = async (tiers: readonly object[], execution: object) =>
      dig(await send(CREATE, { input: { source: { spec: spec(tiers, execution) } } }), 'createBatchExecution');

    const [dollars, euros] = [PRICES, { ...PRICES, currency: 'EUR' }];
    const refused = await create(
      [
        { agent: 'metered', prices: { ...dollars, inputPerMillion: 0.0000001 } },
        { agent: 'echo', prices: { ...euros, currency: 'euro' } },
      ],
      { tokenBudget: 0.5, costBudget: 0 },
    );
    const root = ['input', 'source', 'spec'];
    const locs = dig(refused, 'issues') as { loc: string[] }[];
    expect(locs.map(({ loc }) => loc)).toEqual(
      expect.arrayContaining([
        [...root, 'tiers', '0', 'prices', 'inputPerMillion'],
        [...root, 'tiers', '1', 'prices', 'currency'],
        [...root, 'execution', 'tokenBudget'],
        [...root, 'execution', 'costBudget'],
      ]),
    );
    const mixed = await create(
      [
        { agent: 'metered', prices: dollars },
        { agent: 'echo', prices: euros },
      ],
      {},
    );
    expect(dig(mixed, 'issues', 0, 'msg')).toContain('several currencies');
    expect(dig(await create([{ agent: 'metered' }], { costBudget: 1 }), 'issues', 0, 'loc')).toEqual([
      ...[...root, 'execution', 'costBudget'],
    ]);

    const created = await create([{ agent: 'metered', prices: dollars }, { agent: 'echo' }], EXECUTION);
    const id = dig(created, 'batchExecution', 'id');
    const show = async () => dig(await send(SHOW, { id }), 'batchExecution');
    const paused = await until(async () => {
      const shown = await show();
      return dig(shown, 'status') === 'PAUSED' && shown;
    });
    expect(paused).toMatchObject({ pauseReason: 'BUDGET', tokenBudget: 100, costBudget: null });
    expect(dig(paused, 'usage', 'totalTokens')).toBeGreaterThanOrEqual(100);
    expect(dig(paused, 'usage', 'totalTokens')).toBeLessThan(100 + 2 * 10);

    const unfit = await send(UPDATE, { input: { batchExecutionId: id, tokenBudget: -1 } });
    expect(dig(unfit, 'updateBatchExecution', 'issues', 0, 'loc')).toEqual(['input', 'tokenBudget']);
    const changed = await send(UPDATE, { input: { batchExecutionId: id, tokenBudget: 1e10, costBudget: 99.5 } });
    expect(dig(changed, 'updateBatchExecution', 'batchExecution')).toEqual({
      ...{ tokenBudget: 1e10, costBudget: 99.5, status: 'PAUSED' },
    });
    await send(RESUME, { input: { batchExecutionId: id } });
    const ended = await until(async () => {
      const shown = await show();
      const logged = dig(shown, 'logs', 'nodes') as unknown[];
      return dig(shown, 'status') === 'COMPLETED' && logged.length === 3 && shown;
    });

    const sums = { calls: 41, inputTokens: 328, outputTokens: 82, cachedInputTokens: 0, totalTokens: 410 };
    const none = { calls: 0, inputTokens: 0, outputTokens: 0, cachedInputTokens: 0, totalTokens: 0 };
    // 328 × 2.5 and 82 × 10 millionths.
    expect(ended).toMatchObject({
      usage: { ...sums, cost: '0.00164', currency: 'USD' },
      tiers: [
        { usage: { ...sums, cost: '0.00164', currency: 'USD' } },
        { usage: { ...none, cost: null, currency: null } },
      ],
      spec: { tiers: [{ prices: { ...PRICES, currency: 'USD' } }, {}], execution: { tokenBudget: 100 } },
      logs: {
        nodes: [
          { level: 'INFO', message: 'reads 5.txt', attempt: 1 },
          { level: 'WARN', message: 'is cut off', attempt: 1 },
          { level: 'INFO', message: 'reads 5.txt', attempt: 2 },
        ],
      },
    });
    const cost = '0.00004';
    const usage = { totalTokens: 10, model: 'tiny', cost };
    expect(dig(ended, 'item')).toMatchObject({
      logs: { nodes: [{ message: 'reads 5.txt' }] },
      attemptHistory: [
        {
          ...{ tier: 0, number: 1, outcome: 'FAILED', usage },
          error: {
            ...{ component: 'reader', stage: 'read', recovery: 'Wait.', usage: { cost } },
            trace: expect.stringMatching(/^Error: Cut off\.\n {4}at .*run/),
          },
        },
        { tier: 0, number: 2, outcome: 'SUCCEEDED', error: null, usage },
        { tier: 1, number: 1, outcome: 'SUCCEEDED', error: null, usage: null },
      ],
    });
  });
});
