/**
 * What clients of Mixpeek's bucket batches do, done here through GraphQL: create from object ids, add objects, submit,
 * poll, get, list, patch, delete, cancel, failed-documents, retry, tier retry, resubmit, diagnose, logs; with the headers
 * `Authorization` and `X-Namespace`. A collection of theirs is a tier's agent here, and a task is the batch itself; there is
 * no step of writing vectors that could be redone alone. What they would read is made of our
 * answers by the two functions below, field by field.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { codeOf, dig } from '../support/server.ts';
import { until } from '../support/until.ts';
import { startWalk, type Walk } from '../support/walk.ts';

const EXTRACT = `export default async function run({ item, log, signal }) {
  log('extracts ' + item.filename);
  if (item.metadata?.breaks === 0) throw Object.assign(new Error('No title.'),
    { code: 'missing_field', category: 'VALIDATION', component: 'extractor', stage: 'extract', recovery: 'Give it a title.' });
  if (item.metadata?.slow) await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
  return { text: await item.text() };
}`;
const EMBED = `export default async function run({ item, previous, round, log }) {
  log('embeds ' + item.filename);
  if (item.metadata?.breaks === 1 && round < 2) throw Object.assign(new Error('No answer.'), { code: 'no_answer', category: 'NETWORK' });
  return { vector: [previous.text.length], round };
}`;
const OBJECTS = [
  { filename: 'a.txt', text: 'a' },
  { filename: 'b.txt', text: 'bb', metadata: { breaks: 0 } },
  { filename: 'c.txt', text: 'ccc', metadata: { breaks: 1 } },
  { filename: 'd.txt', text: 'dddd' },
  { filename: 'slow.txt', text: 'slow', metadata: { slow: true } },
];

const BATCH = `id status round metadata createdAt counts { total } errorCategories { category count } inputDatasource { id }
  progress { percent currentTier tierCount lastActivityAt }
  tiers { number status agent { name } startedAt endedAt durationMs errorCategories { category count }
    funnel { entered missingInput submitted written } }
  items { nodes { id inputDataElementId status tier data retryCount error { category code message }
    tierResults { tier round } } }`;
const FAILED = `query ($id: ID!, $tier: [Int!], $first: Int) { batchExecution(id: $id) {
  items(filter: { status: [FAILED], tier: $tier }, first: $first) { pageInfo { hasNextPage }
    nodes { id inputDataElementId tier retryCount error { category code message transient component stage at recovery } } } } }`;
const RETRIED = 'retriedCount skipped { reason count } batchExecution { round status }';

const WORDS: Readonly<Record<string, string>> = {
  ...{ QUEUED: 'PENDING', PREPARING: 'PENDING', RUNNING: 'IN_PROGRESS', CANCELLED: 'CANCELED' },
};
const word = (status: unknown): string => WORDS[String(status)] ?? String(status);
const summary = (counts: unknown) =>
  Object.fromEntries((counts as { category: string; count: number }[]).map(({ category, count }) => [category, count]));

/** A batch of theirs with its tier tasks. */
const theirBatch = (ours: unknown) => ({
  ...{ batch_id: dig(ours, 'id'), bucket_id: dig(ours, 'inputDatasource', 'id'), status: word(dig(ours, 'status')) },
  object_ids: (dig(ours, 'items', 'nodes') as unknown[]).map((item) => dig(item, 'inputDataElementId')),
  ...{ metadata: dig(ours, 'metadata'), error_summary: summary(dig(ours, 'errorCategories')) },
  current_tier: dig(ours, 'progress', 'currentTier'),
  total_tiers: dig(ours, 'progress', 'tierCount'),
  created_at: dig(ours, 'createdAt'),
  updated_at: dig(ours, 'progress', 'lastActivityAt'),
  tier_tasks: (dig(ours, 'tiers') as unknown[]).map((tier) => ({
    ...{
      tier_num: dig(tier, 'number'),
      status: word(dig(tier, 'status')),
      collection_ids: [dig(tier, 'agent', 'name')],
    },
    ...{ started_at: dig(tier, 'startedAt'), completed_at: dig(tier, 'endedAt'), duration_ms: dig(tier, 'durationMs') },
    error_summary: summary(dig(tier, 'errorCategories')),
    source_documents_fetched: dig(tier, 'funnel', 'entered'),
    documents_missing_input_fields: dig(tier, 'funnel', 'missingInput'),
    documents_submitted_to_engine: dig(tier, 'funnel', 'submitted'),
    documents_written: dig(tier, 'funnel', 'written'),
  })),
});

/** A failed document of theirs. */
const theirFailure = (ours: unknown) => ({
  ...{
    document_id: dig(ours, 'inputDataElementId'),
    tier_num: dig(ours, 'tier'),
    retry_count: dig(ours, 'retryCount'),
  },
  ...{ error_type: dig(ours, 'error', 'category'), message: dig(ours, 'error', 'message') },
  ...{ component: dig(ours, 'error', 'component'), stage: dig(ours, 'error', 'stage') },
  ...{ timestamp: dig(ours, 'error', 'at'), recovery_suggestion: dig(ours, 'error', 'recovery') },
});

describe.each(['embedded', 'postgres'] as const)('on %s', (kind) => {
  let operator: Walk;
  let walk: Walk;
  let datasourceId: unknown;
  beforeAll(async () => {
    operator = await startWalk(kind, { 'extract.mjs': EXTRACT, 'embed.mjs': EMBED });
    const slug = String(dig(await operator.ask('{ viewer { project { slug } } }'), 'project', 'slug'));
    walk = operator.as({ authorization: `Bearer ${operator.service.key}`, 'X-Namespace': slug });
    const made = await walk.mutate('createStoredDatasource', 'datasource { id }', { name: 'bucket' });
    datasourceId = dig(made, 'datasource', 'id');
    await walk.mutate('addDataElements', 'added { id }', { datasourceId, elements: OBJECTS });
  }, 120_000);
  afterAll(() => operator?.stop());

  /** POST /batches with object ids: a draft with these elements. */
  async function draftOf(elementIds: readonly string[], metadata: object = {}): Promise<unknown> {
    const spec = { name: 'bucket-batch', input: {}, tiers: [{ agent: 'extract' }, { agent: 'embed' }] };
    const made = await walk.mutate('createBatchExecution', 'batchExecution { id status }', {
      ...{ draft: true, metadata, source: { spec: { ...spec, execution: { retryLimit: 0 } } } },
    });
    expect(made).toMatchObject({ batchExecution: { status: 'DRAFT' } });
    const id = dig(made, 'batchExecution', 'id');
    expect(await add(id, elementIds)).toMatchObject({ addedCount: elementIds.length, rejected: [] });
    return id;
  }
  const add = (batchExecutionId: unknown, elementIds: readonly string[], more: object = {}) =>
    walk.mutate('addBatchElements', 'addedCount rejected { place elementId code }', {
      ...{ batchExecutionId, datasourceId, elementIds, ...more },
    });
  const submit = (batchExecutionId: unknown) =>
    walk.mutate('submitBatchExecution', 'batchExecution { status }', { batchExecutionId });
  const retry = (batchExecutionId: unknown, more: object) =>
    walk.mutate('retryFailedItems', RETRIED, { batchExecutionId, ...more });
  const failedDocuments = async (id: unknown, tier: readonly number[] | null = null) =>
    (dig(await walk.ask(FAILED, { id, tier, first: 100 }), 'items', 'nodes') as unknown[]).map(theirFailure);

  /** The batch once it has ended in this round. */
  const ended = (id: unknown, round: number) =>
    until(async () => {
      const execution = await walk.ended(id, BATCH);
      return dig(execution, 'round') === round && execution;
    });

  test("a batch is drafted, run, looked into, retried and resubmitted as Mixpeek's clients do", async () => {
    // POST /batches, POST /batches/{id}/objects with and without validation
    const id = await draftOf(['a.txt', 'b.txt'], { run: 'nightly' });
    expect(await add(id, ['c.txt', 'gone.txt', 'd.txt'])).toMatchObject({
      ...{ addedCount: 2, rejected: [{ place: 1, elementId: 'gone.txt', code: 'element_not_found' }] },
    });
    expect(await add(id, ['gone.txt'], { skipValidation: true })).toMatchObject({ addedCount: 1, rejected: [] });
    const taken = { batchExecutionId: id, dataElementIds: ['gone.txt'] };
    expect(await walk.mutate('removeBatchItems', 'removedCount', taken)).toMatchObject({ removedCount: 1 });

    // POST /batches/{id}/submit, any number of times; objects are for drafts only
    expect(await submit(id)).toMatchObject({ batchExecution: { status: expect.not.stringMatching('DRAFT') } });
    expect(await submit(id)).toMatchObject({ __typename: 'SubmitBatchExecutionSuccess' });
    expect(await add(id, ['slow.txt'])).toMatchObject({ code: 'INVALID_STATE' });

    // GET /batches/{id} until it has ended
    const first = await ended(id, 0);
    const times = { started_at: expect.any(String), completed_at: expect.any(String), duration_ms: expect.any(Number) };
    const batch = theirBatch(first);
    expect(batch).toEqual({
      ...{ batch_id: id, bucket_id: expect.stringMatching(/^ds_/), status: 'COMPLETED_WITH_ERRORS' },
      ...{ object_ids: ['a.txt', 'b.txt', 'c.txt', 'd.txt'], metadata: { run: 'nightly' } },
      ...{ error_summary: { VALIDATION: 1, NETWORK: 1 }, current_tier: null, total_tiers: 2 },
      ...{ created_at: expect.any(String), updated_at: expect.any(String) },
      tier_tasks: [
        {
          ...{
            tier_num: 0,
            status: 'COMPLETED_WITH_ERRORS',
            collection_ids: ['extract'],
            error_summary: { VALIDATION: 1 },
          },
          ...{ ...times, source_documents_fetched: 4, documents_missing_input_fields: 0 },
          ...{ documents_submitted_to_engine: 4, documents_written: 3 },
        },
        {
          ...{ tier_num: 1, status: 'COMPLETED_WITH_ERRORS', collection_ids: ['embed'], error_summary: { NETWORK: 1 } },
          ...{ ...times, source_documents_fetched: 3, documents_missing_input_fields: 0 },
          ...{ documents_submitted_to_engine: 3, documents_written: 2 },
        },
      ],
    });

    // GET /batches/{id}/failed-documents, of all tiers and of one
    const noTitle = {
      ...{ document_id: 'b.txt', tier_num: 0, retry_count: 0, error_type: 'VALIDATION', message: 'No title.' },
      ...{
        component: 'extractor',
        stage: 'extract',
        recovery_suggestion: 'Give it a title.',
        timestamp: expect.any(String),
      },
    };
    const noAnswer = {
      document_id: 'c.txt',
      tier_num: 1,
      retry_count: 0,
      error_type: 'NETWORK',
      message: 'No answer.',
    };
    expect(await failedDocuments(id)).toEqual([noTitle, expect.objectContaining(noAnswer)]);
    expect(await failedDocuments(id, [1])).toEqual([expect.objectContaining(noAnswer)]);

    // POST /batches/{id}/retry: transient_only by default, of tiers, up to max_retry_count
    expect(await retry(id, { tierNums: [1], maxRetryCount: 1 })).toMatchObject({
      ...{ retriedCount: 1, skipped: [{ reason: 'OTHER_TIER', count: 1 }], batchExecution: { round: 1 } },
    });
    await ended(id, 1);
    expect(await failedDocuments(id, [1])).toEqual([expect.objectContaining({ ...noAnswer, retry_count: 1 })]);
    expect(await retry(id, { maxRetryCount: 1 })).toMatchObject({
      retriedCount: 0,
      skipped: expect.arrayContaining([
        { reason: 'PERMANENT_ERROR', count: 1 },
        { reason: 'RETRY_COUNT_REACHED', count: 1 },
      ]),
      batchExecution: { round: 1 },
    });
    for (const maxRetryCount of [0, 11]) {
      expect(await retry(id, { maxRetryCount })).toMatchObject({ issues: [{ loc: ['input', 'maxRetryCount'] }] });
    }

    // GET /batches/{id}/diagnose and /logs
    const looked = await walk.ask(
      `query ($id: ID!) { batchExecution(id: $id) { diagnosis {
      health failureCategory failures { category tier count } infrastructureEvents { kind } failedItems { filename }
      recommendations { kind text action { mutation input } } } } }`,
      { id },
    );
    expect(dig(looked, 'diagnosis')).toMatchObject({
      ...{ health: 'FAILING', failureCategory: 'PIPELINE', infrastructureEvents: [] },
      failures: expect.arrayContaining([
        { category: 'VALIDATION', tier: 0, count: 1 },
        { category: 'NETWORK', tier: 1, count: 1 },
      ]),
      failedItems: [{ filename: 'b.txt' }, { filename: 'c.txt' }],
    });
    const advice = dig(looked, 'diagnosis', 'recommendations') as { kind: string; action: unknown }[];
    expect(advice.find(({ kind }) => kind === 'RETRY_TRANSIENT')?.action).toMatchObject({
      mutation: 'retryFailedItems',
    });
    const logged = (ordinal: number, round: number, name: string) => ({
      ...{ tier: 1, ordinal, attempt: 1, round, level: 'INFO', message: `embeds ${name}` },
    });
    await until(async () => {
      const lines = await walk.ask(
        'query ($id: ID!) { batchExecution(id: $id) { logs(filter: { tier: [1] }) { nodes { tier ordinal attempt round level message } } } }',
        { id },
      );
      const nodes = dig(lines, 'logs', 'nodes') as unknown[];
      if (nodes.length < 4) return false;
      expect(nodes).toHaveLength(4);
      expect(nodes).toEqual(
        expect.arrayContaining([
          logged(0, 0, 'a.txt'),
          logged(2, 0, 'c.txt'),
          logged(3, 0, 'd.txt'),
          logged(2, 1, 'c.txt'),
        ]),
      );
      return true;
    });

    // POST /batches/{id}/tiers/{n}/retry with other resources: here the priority and concurrency of the round
    expect(await retry(id, { mode: 'ALL', tierNums: [], priority: 5, concurrency: 1 })).toMatchObject({
      ...{ retriedCount: 2, skipped: [], batchExecution: { round: 2 } },
    });
    const third = await ended(id, 2);
    expect(theirBatch(third)).toMatchObject({ error_summary: { VALIDATION: 1 }, status: 'COMPLETED_WITH_ERRORS' });
    expect(dig(third, 'items', 'nodes')).toMatchObject([
      { retryCount: 0, data: { vector: [1], round: 0 } },
      { retryCount: 1, status: 'FAILED', tier: 0 },
      { retryCount: 2, data: { vector: [3], round: 2 } },
      { retryCount: 0, data: { vector: [4], round: 0 } },
    ]);

    // POST /batches/{id}/resubmit from a tier: the one before is kept
    const again = await walk.mutate('resubmitBatchExecution', 'resubmittedCount skipped { reason count }', {
      ...{ batchExecutionId: id, fromTier: 1 },
    });
    expect(again).toMatchObject({ resubmittedCount: 3, skipped: [{ reason: 'EARLIER_TIER', count: 1 }] });
    expect(dig(await ended(id, 3), 'items', 'nodes')).toMatchObject([
      {
        data: { round: 3 },
        tierResults: [
          { tier: 0, round: 0 },
          { tier: 1, round: 3 },
        ],
      },
      { status: 'FAILED', tier: 0 },
      { data: { round: 3 } },
      { data: { round: 3 } },
    ]);

    // PATCH /batches/{id}: metadata only, here also when it has ended; DELETE
    const metadata = { run: 'nightly', checked_by: 'ann' };
    await walk.mutate('updateBatchExecution', 'batchExecution { id }', { batchExecutionId: id, metadata });
    const found = `query ($metadata: JSON) { batchExecutions(filter: { status: [COMPLETED_WITH_ERRORS], agent: "embed", metadata: $metadata }) {
    totalCount nodes { id metadata } } }`;
    expect(await walk.ask(found, { metadata: { checked_by: 'ann' } })).toEqual({
      totalCount: 1,
      nodes: [{ id, metadata }],
    });
    expect(await walk.mutate('deleteBatchExecution', 'deletedId', { batchExecutionId: id })).toMatchObject({
      deletedId: id,
    });
    expect(await walk.ask('query ($id: ID!) { batchExecution(id: $id) { id } }', { id })).toBeNull();
    expect(await walk.ask(found, { metadata: {} })).toEqual({ totalCount: 0, nodes: [] });
  });

  test('a batch, or a tier of it, is cancelled; what was done is kept', async () => {
    const running = async (id: unknown) => {
      await submit(id);
      const query = 'query ($id: ID!) { batchExecution(id: $id) { counts { running succeeded } } }';
      await until(
        async () => JSON.stringify(await walk.ask(query, { id })) === '{"counts":{"running":1,"succeeded":1}}',
      );
    };
    const id = await draftOf(['a.txt', 'slow.txt']);
    await running(id);
    const cancel = () => walk.mutate('cancelBatchExecution', 'batchExecution { status }', { batchExecutionId: id });
    expect(await cancel()).toMatchObject({ batchExecution: { status: expect.stringMatching(/^CANCELL/) } });
    const batch = await ended(id, 0);
    expect(theirBatch(batch)).toMatchObject({ status: 'CANCELED', error_summary: {} });
    expect(dig(batch, 'items', 'nodes')).toMatchObject([{ status: 'SUCCEEDED' }, { status: 'CANCELLED', tier: 0 }]);
    expect(await cancel()).toMatchObject({ batchExecution: { status: 'CANCELLED' } });

    const other = await draftOf(['a.txt', 'slow.txt']);
    await running(other);
    const tier = { batchExecutionId: other, tierNums: [0] };
    expect(await walk.mutate('cancelBatchItems', 'cancelledCount', tier)).toMatchObject({ cancelledCount: 1 });
    expect(theirBatch(await ended(other, 0))).toMatchObject({ status: 'COMPLETED_WITH_ERRORS' });
  });

  test('a namespace is chosen by header, and one that is not there is refused', async () => {
    const stranger = operator.as({ authorization: `Bearer ${operator.service.key}`, 'X-Namespace': 'elsewhere' });
    expect(codeOf(await stranger.post('{ viewer { role } }'))).toBe('FORBIDDEN');
  });
});
