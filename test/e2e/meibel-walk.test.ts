/**
 * What clients of Meibel's batches do, done here through GraphQL: `batch-definitions` (create, list, get by id and by
 * catalog URN, update as a fork, versions, execute, delete) and `batch-executions` (create from a spec, list, get,
 * realtime-progress, retry-failed, cancel), with the header `Meibel-API-Key`. Their PUT of a status from outside is refused
 * here. What they would read is made of our
 * answers by the two functions below, field by field.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { dig } from '../support/server.ts';
import { until } from '../support/until.ts';
import { startWalk, type Walk } from '../support/walk.ts';

const READER = `export default async function run({ item, userMessage, attempt, round, signal }) {
  const { fails } = item.metadata ?? {};
  if (fails === 'once' && attempt === 1) throw Object.assign(new Error('Busy.'), { code: 'busy', category: 'NETWORK' });
  if (fails === 'at-first' && round === 0) throw Object.assign(new Error('No letterhead.'), { category: 'VALIDATION' });
  if (fails === 'never-ends') await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
  return { data: { told: userMessage, text: await item.text() }, artifacts: [{ id: 'copy', filename: 'copy.txt', text: 'copy' }] };
}`;
const ELEMENTS = [
  { filename: 'letter-1.txt', text: 'one' },
  { filename: 'letter-2.txt', text: 'two', metadata: { fails: 'once' } },
  { filename: 'letter-3.md', text: 'three', metadata: { fails: 'at-first' } },
  { filename: 'photo.png', base64: 'iVBORw0KGgo=' },
  { filename: 'slow.txt', text: 'slow', metadata: { fails: 'never-ends' } },
];
const FILTERS = { regex: '^letter', mediaTypes: ['text/*'] };

const DEFINITION = 'id urn projectId name version parent { version } description spec createdAt createdBy deletedAt';
const EXECUTION = `id customerId projectId definition { id } startedAt status agents { id name version } spec inputOverrides
  inputDatasource { id } outputDatasource { id } counts { total succeeded failed } endedAt error round
  items { nodes { inputDataElementId filename status error { message } outputArtifacts { id filename mediaType sizeBytes content url } attempts } }`;

/** A BatchDefinition of theirs. */
const theirDefinition = (ours: unknown) => ({
  ...{
    id: dig(ours, 'id'),
    catalog_urn: dig(ours, 'urn'),
    project_id: dig(ours, 'projectId'),
    name: dig(ours, 'name'),
  },
  ...{ version: dig(ours, 'version'), parent_version: dig(ours, 'parent', 'version') },
  ...{ agent_urn: dig(ours, 'spec', 'tiers', 0, 'agent'), user_message: dig(ours, 'spec', 'tiers', 0, 'userMessage') },
  input_datasource_id: dig(ours, 'spec', 'input', 'datasourceId'),
  filters: dig(ours, 'spec', 'input', 'filters'),
  output_datasource_id: dig(ours, 'spec', 'output', 'datasourceId'),
  concurrency: dig(ours, 'spec', 'execution', 'concurrency'),
  retry_limit: dig(ours, 'spec', 'execution', 'retryLimit'),
  ...{ description: dig(ours, 'description'), created_by: dig(ours, 'createdBy'), deleted_at: dig(ours, 'deletedAt') },
});

/** A BatchExecution of theirs, as it is once it has ended. */
const theirExecution = (ours: unknown) => ({
  ...{ id: dig(ours, 'id'), customer_id: dig(ours, 'customerId'), project_id: dig(ours, 'projectId') },
  batch_definition_id: dig(ours, 'definition', 'id'),
  ...{ start_time: dig(ours, 'startedAt'), end_time: dig(ours, 'endedAt'), status: dig(ours, 'status') },
  ...{ agent_urn: dig(ours, 'agents', 0, 'id'), batch_spec_json: dig(ours, 'spec') },
  input_datasource_id: dig(ours, 'inputDatasource', 'id'),
  output_datasource_id: dig(ours, 'outputDatasource', 'id'),
  input_overrides: dig(ours, 'inputOverrides'),
  total_items: dig(ours, 'counts', 'total'),
  ...{ succeeded: dig(ours, 'counts', 'succeeded'), failed: dig(ours, 'counts', 'failed'), error: dig(ours, 'error') },
  items: (dig(ours, 'items', 'nodes') as unknown[]).map((item) => ({
    input_data_element_id: dig(item, 'inputDataElementId'),
    ...{ filename: dig(item, 'filename'), status: dig(item, 'status'), attempts: dig(item, 'attempts') },
    error: dig(item, 'error', 'message'),
    output_artifacts: dig(item, 'outputArtifacts'),
  })),
});

let walk: Walk;
let datasourceId: unknown;
beforeAll(async () => {
  const operator = await startWalk('embedded', { 'reader.mjs': READER });
  walk = operator.as({ 'Meibel-API-Key': operator.service.key });
  const made = await walk.mutate('createStoredDatasource', 'datasource { id }', { name: 'mail' });
  datasourceId = dig(made, 'datasource', 'id');
  await walk.mutate('addDataElements', 'added { id }', { datasourceId, elements: ELEMENTS });
}, 120_000);
afterAll(() => walk?.stop());

const execute = async (definitionId: unknown, more: Record<string, unknown> = {}): Promise<unknown> => {
  const made = await walk.mutate('createBatchExecution', 'batchExecution { id }', {
    source: { definitionId },
    ...more,
  });
  return dig(made, 'batchExecution', 'id');
};

test("a definition is made, forked, run, followed, cancelled and retried as Meibel's clients do", async () => {
  const viewer = await walk.ask('{ viewer { apiKey { id } project { id } customer { id } } }');
  const [projectId, customerId] = [dig(viewer, 'project', 'id'), dig(viewer, 'customer', 'id')];
  const agent = dig(await walk.ask('{ agent(name: "reader") { id } }'), 'id');

  // POST /batch-definitions, and its three ways to be found
  const spec = { name: 'daily-mail', agent, userMessage: 'Read.', input: { datasourceId, filters: FILTERS } };
  const backoff = { baseMs: 1 };
  const made = await walk.mutate('createBatchDefinition', `batchDefinition { ${DEFINITION} }`, {
    spec: { ...spec, execution: { backoff } },
    description: 'What came today.',
  });
  const first = theirDefinition(dig(made, 'batchDefinition'));
  expect(first).toEqual({
    ...{ id: expect.stringMatching(/^def_/), catalog_urn: expect.stringMatching(/^urn:/), project_id: projectId },
    ...{ name: 'daily-mail', version: 1, parent_version: undefined, agent_urn: agent, user_message: 'Read.' },
    ...{ input_datasource_id: datasourceId, filters: FILTERS, output_datasource_id: undefined },
    ...{ concurrency: 10, retry_limit: 2, description: 'What came today.', deleted_at: null },
    created_by: dig(viewer, 'apiKey', 'id'),
  });
  for (const by of [{ id: first.id }, { urn: first.catalog_urn }, { name: 'daily-mail', version: 1 }]) {
    const query = `query ($id: ID, $urn: String, $name: String, $version: Int) {
      batchDefinition(id: $id, urn: $urn, name: $name, version: $version) { ${DEFINITION} } }`;
    expect(theirDefinition(await walk.ask(query, by))).toEqual(first);
  }

  // PUT /batch-definitions/id/{id}: a fork with its own id, URN and version
  const forked = await walk.mutate('updateBatchDefinition', `batchDefinition { ${DEFINITION} }`, {
    batchDefinitionId: first.id,
    changes: { userMessage: 'Read well.', execution: { concurrency: 3 } },
  });
  const second = theirDefinition(dig(forked, 'batchDefinition'));
  expect(second).toMatchObject({
    version: 2,
    parent_version: 1,
    user_message: 'Read well.',
    concurrency: 3,
    retry_limit: 2,
  });
  expect([second.id, second.catalog_urn]).not.toEqual(expect.arrayContaining([first.id, first.catalog_urn]));
  const lists = `{ batchDefinitions(name: "daily-mail") { nodes { version versions { nodes { version } } } } }`;
  expect(dig(await walk.ask(lists), 'nodes', 1)).toEqual({
    version: 1,
    versions: { nodes: [{ version: 2 }, { version: 1 }] },
  });

  // POST …/execute, realtime-progress (here as events), GET /batch-executions/id/{id}
  const id = await execute(second.id);
  const progress = await walk.events(
    `subscription ($id: ID!) { batchExecutionUpdated(id: $id) { batchExecution { status counts { total succeeded failed } progress { percent } } } }`,
    { id },
  );
  expect(progress.at(-1)).toEqual({
    batchExecution: {
      ...{ status: 'COMPLETED_WITH_ERRORS', counts: { total: 3, succeeded: 2, failed: 1 }, progress: { percent: 100 } },
    },
  });
  const copy = [
    { id: 'copy', filename: 'copy.txt', mediaType: 'text/plain', sizeBytes: 4, content: 'Y29weQ==', url: null },
  ];
  const get = (executionId: unknown) => walk.ended(executionId, EXECUTION);
  const ran = theirExecution(await get(id));
  expect(ran).toEqual({
    ...{ id, customer_id: customerId, project_id: projectId, batch_definition_id: second.id },
    ...{ start_time: expect.any(String), end_time: expect.any(String), status: 'COMPLETED_WITH_ERRORS' },
    agent_urn: expect.stringMatching(/^agv_/),
    batch_spec_json: expect.objectContaining({ input: { datasourceId, filters: FILTERS } }),
    ...{
      input_datasource_id: datasourceId,
      output_datasource_id: expect.stringMatching(/^ds_/),
      input_overrides: null,
    },
    ...{ total_items: 3, succeeded: 2, failed: 1, error: null },
    items: [
      {
        input_data_element_id: 'letter-1.txt',
        filename: 'letter-1.txt',
        status: 'SUCCEEDED',
        attempts: 1,
        output_artifacts: copy,
      },
      {
        input_data_element_id: 'letter-2.txt',
        filename: 'letter-2.txt',
        status: 'SUCCEEDED',
        attempts: 2,
        output_artifacts: copy,
      },
      {
        input_data_element_id: 'letter-3.md',
        filename: 'letter-3.md',
        status: 'FAILED',
        attempts: 1,
        output_artifacts: [],
      },
    ].map((item) => ({ ...item, error: item.status === 'FAILED' ? 'No letterhead.' : undefined })),
  });

  // POST …/retry-failed has no arguments: all that failed, in the same execution
  const retried = await walk.mutate('retryFailedItems', 'retriedCount batchExecution { id round }', {
    ...{ batchExecutionId: id, mode: 'ALL', maxRetryCount: null },
  });
  expect(retried).toMatchObject({ retriedCount: 1, batchExecution: { id, round: 1 } });
  const healed = theirExecution(
    await until(async () => {
      const execution = await get(id);
      return dig(execution, 'status') === 'COMPLETED' && execution;
    }),
  );
  expect(healed).toMatchObject({ id, succeeded: 3, failed: 0, start_time: ran.start_time });
  expect(healed.items[2]).toMatchObject({ status: 'SUCCEEDED', error: undefined, output_artifacts: copy });

  // POST …/execute with the overrides that their model has, and POST …/cancel
  const inputOverrides = { filters: { elementIds: ['letter-1.txt', 'slow.txt'] }, userMessage: 'Read this.' };
  const slow = await execute(second.id, { inputOverrides });
  const counts = 'query ($id: ID!) { batchExecution(id: $id) { counts { succeeded running } } }';
  await until(
    async () => JSON.stringify(await walk.ask(counts, { id: slow })) === '{"counts":{"succeeded":1,"running":1}}',
  );
  const cancel = () => walk.mutate('cancelBatchExecution', 'batchExecution { status }', { batchExecutionId: slow });
  expect(await cancel()).toMatchObject({ batchExecution: { status: expect.stringMatching(/^CANCELL/) } });
  const cancelled = theirExecution(await get(slow));
  expect(cancelled).toMatchObject({ status: 'CANCELLED', input_overrides: inputOverrides, succeeded: 1 });
  expect(cancelled.items.map(({ status }) => status)).toEqual(['SUCCEEDED', 'CANCELLED']);
  expect(await cancel()).toMatchObject({ batchExecution: { status: 'CANCELLED' } });

  // POST /batch-executions with a spec in the body, GET /batch-executions by datasource, newest first or by status
  const inline = await walk.mutate('createBatchExecution', 'batchExecution { id }', {
    source: {
      spec: {
        ...spec,
        name: 'at-once',
        additionalProperties: { batch_key: [1] },
        execution: { concurrency: 1, backoff },
      },
    },
  });
  const adHoc = theirExecution(await get(dig(inline, 'batchExecution', 'id')));
  expect(adHoc).toMatchObject({ total_items: 3, batch_spec_json: { additionalProperties: { batch_key: [1] } } });
  const list = `query ($of: ID, $orderBy: BatchExecutionOrder) {
    batchExecutions(filter: { datasourceId: $of }, orderBy: $orderBy) { totalCount nodes { id } } }`;
  const ids = async (field: string, direction: string) =>
    dig(await walk.ask(list, { of: datasourceId, orderBy: { field, direction } }), 'nodes');
  expect(await ids('STARTED_AT', 'DESC')).toEqual([adHoc, cancelled, ran].map((one) => ({ id: one.id })));
  // CANCELLED, COMPLETED, COMPLETED_WITH_ERRORS
  expect(await ids('STATUS', 'ASC')).toEqual([cancelled, ran, adHoc].map((one) => ({ id: one.id })));

  // DELETE /batch-definitions/id/{id}
  await walk.mutate('deleteBatchDefinition', 'deletedCount', { batchDefinitionId: second.id });
  expect(await walk.ask(lists)).toEqual({ nodes: [] });
  expect(theirExecution(await get(id))).toEqual(healed);
  expect(await walk.mutate('createBatchExecution', 'created', { source: { definitionId: second.id } })).toMatchObject({
    ...{ code: 'INVALID_STATE', status: 'DELETED' },
  });
});

test("Meibel's defaults and ranges hold", async () => {
  const limits = await walk.ask('{ limits { concurrency { default min max } retryLimit { default min max } } }');
  expect(limits).toEqual({
    concurrency: { default: 10, min: 1, max: 999 },
    retryLimit: { default: 2, min: 0, max: 999 },
  });
  const define = (name: string, execution: object) =>
    walk.mutate('createBatchDefinition', 'batchDefinition { spec }', {
      spec: { name, agent: 'reader', input: { datasourceId }, execution },
    });
  expect(await define('widest', { concurrency: 999, retryLimit: 999 })).toMatchObject({ batchDefinition: {} });
  expect(await define('narrowest', { concurrency: 1, retryLimit: 0 })).toMatchObject({ batchDefinition: {} });
  const refused = await define('beyond', { concurrency: 1_000, retryLimit: -1 });
  expect((dig(refused, 'issues') as { loc: string[] }[]).map(({ loc }) => loc)).toEqual([
    ['input', 'spec', 'execution', 'concurrency'],
    ['input', 'spec', 'execution', 'retryLimit'],
  ]);
});

test('nobody writes a status or counts from outside', async () => {
  for (const field of ['status', 'counts', 'startedAt', 'endedAt', 'error', 'items']) {
    const query = `mutation { updateBatchExecution(input: { batchExecutionId: "x", ${field}: null }) { __typename } }`;
    expect((await walk.post(query)).errors?.[0]?.message).toContain(`unknown field "${field}"`);
  }
});
