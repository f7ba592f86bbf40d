/** A batch from its creation to its retry, with every real part, through the schema alone. */
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { type App, createApp } from '../../src/app.ts';
import { loadConfig } from '../../src/config.ts';
import { fillDataFolder, temporaryFolder } from '../support/data-folder.ts';
import { type FreshDatabase, freshPostgres } from '../support/databases.ts';
import { post } from '../support/server.ts';
import { clientWithSockets, watch } from '../support/watching.ts';

const KEY = 'a-root-key-for-whole-batches';

const AGENT = `export default async function run({ item, round }) {
  if (item.metadata.failsIn === round) throw Object.assign(new Error('Not in this round.'), { code: 'not_now', transient: true });
  return { data: { z_key: item.ordinal, aKey: item.metadata }, fieldErrors: [], artifacts: [{ filename: 'a.txt', text: await item.text() }] };
}`;

const ITEMS = Array.from({ length: 60 }, (_, n) => ({
  filename: `${n}.txt`,
  text: `text ${n}`,
  metadata: { failsIn: n % 10 === 0 ? 0 : null, user_key: { b: 1, a: 2 } },
}));
const SPEC = {
  name: 'whole',
  tiers: [{ agent: 'picky' }, { agent: 'echo' }],
  input: { items: ITEMS },
  execution: { concurrency: 7, retryLimit: 0 },
};

const CREATE = `mutation ($input: CreateBatchExecutionInput!) { createBatchExecution(input: $input) { __typename
  ... on CreateBatchExecutionSuccess { created batchExecution { id status metadata } }
  ... on IdempotencyConflictError { existingId } ... on ValidationError { issues { loc type } } ... on UserError { code } } }`;

const SHOW = `query ($id: ID!) { batchExecution(id: $id) {
  status round error counts { total succeeded failed } errorSummary { code count } progress { percent }
  definition { name version } agents { name version } inputDatasource { kind }
  tiers { number agent { name } counts { total succeeded failed } }
  items(first: 1000) { nodes { ordinal status tier attempts retryCount filename metadata data error { code transient }
    outputArtifacts { filename } failures { round } tierResults { tier round data outputArtifacts { content } } } } } }`;

interface Created {
  readonly __typename: string;
  readonly created?: boolean;
  readonly batchExecution?: { readonly id: string };
  readonly issues?: readonly { readonly loc: readonly string[] }[];
}

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
  writeFileSync(path.join(agents, 'picky.mjs'), AGENT);
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

describe.each(['embedded', 'postgres'] as const)('a whole batch (%s)', (kind) => {
  test('is created once, watched to its end, read, and retried to success', async () => {
    const server = await start(kind);
    const ask = async (query: string, variables: Record<string, unknown>) => {
      const answer = await post(server, KEY, query, variables);
      expect(answer.errors).toBeUndefined();
      return answer.data;
    };
    const create = async (input: object) => (await ask(CREATE, { input }))?.['createBatchExecution'] as Created;
    const show = async (id: string) => (await ask(SHOW, { id }))?.['batchExecution'];

    const metadata = { z_y: 1, aB: [{ c_d: null }] };
    const input = { idempotencyKey: 'once', source: { spec: SPEC }, metadata };
    const first = await create(input);
    expect(first).toMatchObject({
      __typename: 'CreateBatchExecutionSuccess',
      created: true,
      batchExecution: { metadata },
    });
    const id = first.batchExecution?.id ?? '';
    expect(await create(input)).toMatchObject({ created: false, batchExecution: { id } });
    expect(await create({ ...input, metadata: 1 })).toMatchObject({ code: 'IDEMPOTENCY_CONFLICT', existingId: id });

    const { client } = clientWithSockets(server, KEY);
    const { events, ended } = watch(client, { id });
    expect(await ended).toBe('completed');
    const revisions = events.map((event) => event.revision);
    expect(revisions).toEqual([...new Set(revisions)].sort((a, b) => a - b));
    expect(events.at(-1)?.batchExecution.status).toBe('COMPLETED_WITH_ERRORS');
    const seen = new Set(events.flatMap((event) => event.changedItems.map((item) => item.ordinal)));
    expect(seen.size === 60 || events.some((event) => event.changedItemsTruncated)).toBe(true);

    const nodes = ITEMS.map(({ filename, metadata: own, text }, ordinal) => ({
      ordinal,
      filename,
      metadata: own,
      text,
    }));
    const data = ({ ordinal, metadata: own }: (typeof nodes)[number]) => ({ z_key: ordinal, aKey: own });
    expect(await show(id)).toMatchObject({
      ...{ status: 'COMPLETED_WITH_ERRORS', round: 0, counts: { total: 60, succeeded: 54, failed: 6 } },
      ...{ errorSummary: [{ code: 'not_now', count: 6 }], progress: { percent: 100 } },
      ...{ definition: { name: 'whole', version: 1 }, inputDatasource: { kind: 'INLINE' } },
      agents: [{ name: 'picky', version: 1 }, { name: 'echo' }],
      tiers: [
        { number: 0, agent: { name: 'picky' }, counts: { total: 60, succeeded: 54, failed: 6 } },
        { number: 1, agent: { name: 'echo' }, counts: { total: 54, succeeded: 54, failed: 0 } },
      ],
      items: {
        nodes: nodes.map((node) =>
          node.ordinal % 10 === 0
            ? {
                ordinal: node.ordinal,
                status: 'FAILED',
                tier: 0,
                data: null,
                error: { code: 'not_now' },
                tierResults: [],
              }
            : {
                ...{ ordinal: node.ordinal, filename: node.filename, metadata: node.metadata, status: 'SUCCEEDED' },
                ...{ tier: 1, error: null, data: { previous: data(node) } },
                tierResults: [
                  {
                    tier: 0,
                    data: data(node),
                    outputArtifacts: [{ content: Buffer.from(node.text).toString('base64') }],
                  },
                  { tier: 1, outputArtifacts: [] },
                ],
              },
        ),
      },
    });

    const retry = `mutation ($id: ID!) { retryFailedItems(input: {batchExecutionId: $id, expectedRound: 0}) {
      ... on RetryFailedItemsSuccess { retriedCount } } }`;
    expect(await ask(retry, { id })).toEqual({ retryFailedItems: { retriedCount: 6 } });
    const second = watch(client, { id, afterRevision: revisions.at(-1) ?? 0 });
    expect(await second.ended).toBe('completed');
    expect(second.events.at(-1)?.batchExecution.status).toBe('COMPLETED');
    expect(await show(id)).toMatchObject({
      ...{ round: 1, counts: { total: 60, succeeded: 60, failed: 0 }, errorSummary: [] },
      items: { nodes: nodes.map(({ ordinal }) => ({ status: 'SUCCEEDED', retryCount: ordinal % 10 === 0 ? 1 : 0 })) },
    });
    await client.dispose();
  });

  test('is not created from input with problems: each is named with its place, and nothing is stored', async () => {
    const server = await start(kind);
    const bad = {
      source: {
        spec: {
          ...{ name: 'bad', tiers: [{ agent: 'echo', config: { delayMs: -1 } }, { agent: 'nobody' }] },
          input: { items: [{ filename: 'a' }], filters: { regex: '(?=x)' } },
          execution: { concurrency: 0, retryLimit: -1 },
        },
      },
    };
    const answer = await post(server, KEY, CREATE, { input: bad });
    const created = answer.data?.['createBatchExecution'] as Created;
    expect(created.__typename).toBe('ValidationError');
    const places = created.issues?.map((issue) => issue.loc.slice(0, 6).join('.')) ?? [];
    for (const place of [
      'input.source.spec.tiers.0.config',
      'input.source.spec.tiers.1.agent',
      'input.source.spec.input.items.0',
      'input.source.spec.input.filters.regex',
      'input.source.spec.execution.concurrency',
      'input.source.spec.execution.retryLimit',
    ]) {
      expect(places).toContain(place);
    }
    const lists = await post(
      server,
      KEY,
      '{ batchExecutions { nodes { id } } batchDefinitions { nodes { id } } datasources { nodes { id } } }',
    );
    expect(lists.data).toEqual({
      batchExecutions: { nodes: [] },
      batchDefinitions: { nodes: [] },
      datasources: { nodes: [] },
    });
  });
});
