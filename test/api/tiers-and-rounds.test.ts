/** Tiers, retries, resubmits and cancelled items of a running service, through the schema alone. */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { dig } from '../support/server.ts';
import { until } from '../support/until.ts';
import { startWholeApp, type WholeApp } from '../support/whole-app.ts';

const BROKEN = `export default async function run({ item, previous }) {
  if (item.ordinal < 2) throw Object.assign(new Error('a defect'), { code: 'defect' });
  return { by: 'broken', previous };
}`;
const FIXED = `export default async function run({ previous }) { return { by: 'fixed', previous }; }`;
const PATIENT = `export default async function run({ item, signal }) {
  if (item.ordinal === 0) return 'done';
  await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
}`;

const TIERS = `status round tiers { number status startedAt endedAt durationMs counts { total queued succeeded failed cancelled }
  funnel { entered missingInput submitted written } errorSummary { category code count } errorCategories { category count } }`;
const ITEMS = `items(first: 10) { nodes { id ordinal status tier data cancelReason error { code }
  tierResults { tier round startedAt endedAt durationMs } first: tierResults(round: 0) { tier data } } }`;
const ROUNDS = 'rounds { number kind fromTier concurrency priority agents { name version } }';

describe.each(['embedded', 'postgres'] as const)('tiers and rounds (%s)', (kind) => {
  let app: WholeApp | undefined;
  afterEach(async () => {
    await app?.stop();
    app = undefined;
  });

  async function create(agents: Record<string, string>, tiers: readonly { agent: string }[]) {
    app = await startWholeApp(kind, agents, { BATCHYARD_AGENT_THREADS: '1' });
    const items = Array.from({ length: 4 }, (_, n) => ({ filename: `${n}.txt`, text: `text ${n}` }));
    const answer = await app.mutate('createBatchExecution', 'batchExecution { id }', {
      source: { spec: { name: 'tiered', tiers, input: { items }, execution: { retryLimit: 0 } } },
    });
    return { app, id: dig(answer, 'batchExecution', 'id') };
  }

  test('a retry reads content anew, and shows that it is not what the execution took', async () => {
    const agent = `export default async function run({ item, round }) {
      const text = await item.text();
      if (round === 0 && item.ordinal === 1) throw new Error('not yet');
      return text;
    }`;
    app = await startWholeApp(kind, { 'reads.mjs': agent }, { BATCHYARD_AGENT_THREADS: '1' });
    const made = await app.mutate('createStoredDatasource', 'datasource { id }', { name: 'changing' });
    const datasourceId = dig(made, 'datasource', 'id');
    const store = (texts: Record<string, string>) => {
      const elements = Object.entries(texts).map(([id, text]) => ({ dataElementId: id, filename: `${id}.txt`, text }));
      return app?.mutate('addDataElements', 'datasource { id }', { datasourceId, elements });
    };
    await store({ a: 'stays', b: 'before' });
    const spec = { name: 'reads', agent: 'reads', input: { datasourceId }, execution: { retryLimit: 0 } };
    const created = await app.mutate('createBatchExecution', 'batchExecution { id }', { source: { spec } });
    const id = dig(created, 'batchExecution', 'id');
    await app.ended(id, 'status');
    await store({ b: 'after' });
    await app.mutate('retryFailedItems', 'retriedCount', { batchExecutionId: id, mode: 'ALL' });
    await until(async () => dig(await app?.ended(id, 'round'), 'round') === 1);
    const ended = await app.ended(
      id,
      'items(first: 2) { nodes { data inputContentHash tierResults { contentHash } } }',
    );
    const [same, changed] = dig(ended, 'items', 'nodes') as Record<string, unknown>[];
    expect(same).toMatchObject({ data: 'stays', inputContentHash: dig(same, 'tierResults', 0, 'contentHash') });
    expect(changed).toMatchObject({ data: 'after', inputContentHash: expect.stringMatching(/^[0-9a-f]{64}$/) });
    expect(dig(changed, 'tierResults', 0, 'contentHash')).not.toBe(changed?.['inputContentHash']);
  });

  test('a retry with LATEST runs the code as it was mended while the service ran, in the tier where items failed', async () => {
    const { app: service, id } = await create({ 'second.mjs': BROKEN }, [{ agent: 'echo' }, { agent: 'second' }]);
    const first = await service.ended(id, `${TIERS} ${ITEMS}`);
    expect(first).toMatchObject({
      status: 'COMPLETED_WITH_ERRORS',
      tiers: [
        {
          ...{ number: 0, status: 'COMPLETED', startedAt: expect.any(String), endedAt: expect.any(String) },
          ...{ durationMs: expect.any(Number), errorSummary: [], errorCategories: [] },
          counts: { total: 4, queued: 0, succeeded: 4, failed: 0, cancelled: 0 },
          funnel: { entered: 4, missingInput: 0, submitted: 4, written: 4 },
        },
        {
          ...{ number: 1, status: 'COMPLETED_WITH_ERRORS' },
          counts: { total: 4, succeeded: 2, failed: 2 },
          errorSummary: [{ category: 'RUNTIME', code: 'defect', count: 2 }],
          errorCategories: [{ category: 'RUNTIME', count: 2 }],
        },
      ],
      items: { nodes: [{ status: 'FAILED', tier: 1, error: { code: 'defect' } }, {}, {}, {}] },
    });
    expect(dig(first, 'items', 'nodes', 3, 'tierResults')).toEqual(
      [0, 1].map((tier) => ({
        ...{ tier, round: 0, startedAt: expect.any(String), endedAt: expect.any(String) },
        durationMs: expect.any(Number),
      })),
    );

    writeFileSync(path.join(service.agentsDir, 'second.mjs'), FIXED);
    const pinned = await service.mutate('retryFailedItems', 'retriedCount', { batchExecutionId: id, mode: 'ALL' });
    expect(pinned).toMatchObject({ retriedCount: 2 });
    await until(async () => dig(await service.ended(id, 'round'), 'round') === 1);
    expect(await service.ended(id, 'counts { failed }')).toMatchObject({ counts: { failed: 2 } });

    const latest = {
      batchExecutionId: id,
      mode: 'ALL',
      agentVersion: 'LATEST',
      tierNums: [1],
      concurrency: 2,
      priority: 1,
    };
    expect(await service.mutate('retryFailedItems', 'retriedCount', latest)).toMatchObject({ retriedCount: 2 });
    await until(async () => dig(await service.ended(id, 'round'), 'round') === 2);
    const mended = await service.ended(id, `${TIERS} ${ITEMS} ${ROUNDS}`);
    expect(mended).toMatchObject({ status: 'COMPLETED', round: 2 });
    expect(dig(mended, 'items', 'nodes', 0, 'data')).toMatchObject({ by: 'fixed', previous: expect.anything() });
    expect(dig(mended, 'items', 'nodes', 0, 'tierResults')).toMatchObject([
      { tier: 0, round: 0 },
      { tier: 1, round: 2 },
    ]);
    expect(dig(mended, 'items', 'nodes', 3, 'data')).toMatchObject({ by: 'broken' });
    const agents = (version: number) => [
      { name: 'echo', version: 1 },
      { name: 'second', version },
    ];
    expect(dig(mended, 'rounds')).toEqual([
      { number: 0, kind: 'FIRST', fromTier: null, concurrency: null, priority: null, agents: agents(1) },
      { number: 1, kind: 'RETRY', fromTier: null, concurrency: null, priority: null, agents: agents(1) },
      { number: 2, kind: 'RETRY', fromTier: null, concurrency: 2, priority: 1, agents: agents(2) },
    ]);

    const again = await service.mutate(
      'resubmitBatchExecution',
      'resubmittedCount skipped { reason } batchExecution { round }',
      {
        ...{ batchExecutionId: id, fromTier: 1, expectedRound: 2 },
      },
    );
    expect(again).toEqual({
      __typename: 'ResubmitBatchExecutionSuccess',
      ...{ resubmittedCount: 4, skipped: [], batchExecution: { round: 3 } },
    });
    await until(async () => dig(await service.ended(id, 'round'), 'round') === 3);
    const redone = await service.ended(id, ITEMS);
    expect(dig(redone, 'items', 'nodes', 3)).toMatchObject({
      data: { by: 'fixed' },
      first: [{ tier: 0 }, { tier: 1, data: { by: 'broken' } }],
    });
    expect(
      await service.mutate('resubmitBatchExecution', 'resubmittedCount', { batchExecutionId: id, fromTier: 2 }),
    ).toMatchObject({
      ...{ __typename: 'ValidationError', issues: [{ loc: ['input', 'fromTier'] }] },
    });
    expect(await service.mutate('resubmitBatchExecution', 'resubmittedCount', { batchExecutionId: 'x' })).toMatchObject(
      {
        __typename: 'NotFoundError',
      },
    );
  });

  test('items are cancelled by id and by tier, each with its reason, and the execution ends with the rest', async () => {
    const { app: service, id } = await create({ 'patient.mjs': PATIENT }, [{ agent: 'patient' }, { agent: 'echo' }]);
    await until(
      async () =>
        dig(
          await service.ask('query ($id: ID!) { batchExecution(id: $id) { counts { running } } }', { id }),
          'counts',
          'running',
        ) === 3,
    );
    const shown = await service.ask(`query ($id: ID!) { batchExecution(id: $id) { ${ITEMS} } }`, { id });
    const one = dig(shown, 'items', 'nodes', 1, 'id');
    const answer = 'cancelledCount skipped { reason count } batchExecution { status }';
    expect(
      await service.mutate('cancelBatchItems', answer, { batchExecutionId: id, itemIds: [one], reason: 'a duplicate' }),
    ).toEqual({
      ...{
        __typename: 'CancelBatchItemsSuccess',
        cancelledCount: 1,
        skipped: [],
        batchExecution: { status: 'RUNNING' },
      },
    });
    expect(await service.mutate('cancelBatchItems', answer, { batchExecutionId: id, tierNums: [0] })).toEqual({
      ...{ __typename: 'CancelBatchItemsSuccess', cancelledCount: 2 },
      skipped: [{ reason: 'ALREADY_CANCELLED', count: 1 }],
      batchExecution: { status: 'COMPLETED_WITH_ERRORS' },
    });
    const ended = await service.ended(id, `${TIERS} ${ITEMS}`);
    expect(dig(ended, 'items', 'nodes')).toMatchObject([
      { status: 'SUCCEEDED', cancelReason: null },
      { status: 'CANCELLED', cancelReason: 'a duplicate' },
      { status: 'CANCELLED', cancelReason: null },
      { status: 'CANCELLED', cancelReason: null },
    ]);
    expect(dig(ended, 'tiers', 0)).toMatchObject({ counts: { total: 4, succeeded: 1, cancelled: 3 } });
    expect(await service.mutate('cancelBatchItems', answer, { batchExecutionId: id })).toMatchObject({
      __typename: 'ValidationError',
    });
    expect(await service.mutate('cancelBatchItems', answer, { batchExecutionId: 'x', tierNums: [0] })).toMatchObject({
      __typename: 'NotFoundError',
    });
  });
});
