/** Looking after executions through GraphQL: finding, naming and deleting them. */
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { itemId } from '../../src/domain/ids.ts';
import type { Db } from '../../src/store/database.ts';
import { describeDatabases } from '../support/databases.ts';
import { addItems, type ExecutionColumns, makeExecutionWith } from '../support/execution-rows.ts';
import { type ExecutionServer, startExecutionServer } from '../support/execution-server.ts';
import { makeProject, type ProjectRows } from '../support/rows.ts';
import { type Answer, codeOf, dig, openEvents, post } from '../support/server.ts';

const LIST = `query ($filter: BatchExecutionFilter, $order: BatchExecutionOrder, $first: Int, $after: String) {
  batchExecutions(filter: $filter, orderBy: $order, first: $first, after: $after) {
    totalCount nodes { id } pageInfo { hasNextPage endCursor } } }`;
const UPDATE = `mutation ($input: UpdateBatchExecutionInput!) { updateBatchExecution(input: $input) { __typename
  ... on UpdateBatchExecutionSuccess { batchExecution { id name metadata revision status } }
  ... on UserError { code message } ... on ValidationError { issues { loc type } } } }`;
const DELETE = `mutation ($id: ID!) { deleteBatchExecution(input: { batchExecutionId: $id }) { __typename
  ... on DeleteBatchExecutionSuccess { deletedId } ... on UserError { code message } } }`;
const ENDED = { status: 'FAILED', endedAt: new Date(), startedAt: new Date() } as const;

describeDatabases('upkeep of executions', (open) => {
  let db: Db;
  let server: ExecutionServer;
  let tenant: ProjectRows;
  beforeAll(async () => {
    db = await open();
    server = await startExecutionServer(db, { engine: { wake: () => undefined, hold: () => undefined } });
  });
  afterAll(async () => {
    await server.stop();
    await server.feed.stop();
  });
  beforeEach(async () => {
    tenant = await makeProject(db);
  });

  const ask = (query: string, variables: Record<string, unknown> = {}): Promise<Answer> =>
    post(server, tenant.key, query, variables);
  const make = (columns: ExecutionColumns = {}) => makeExecutionWith(db, tenant.projectId, columns);
  const list = async (variables: Record<string, unknown>) => {
    const answer = await ask(LIST, variables);
    expect(answer.errors).toBeUndefined();
    return dig(answer, 'data', 'batchExecutions') as {
      totalCount: number;
      nodes: { id: string }[];
      pageInfo: { hasNextPage: boolean; endCursor: string };
    };
  };

  test('a list counts what its filter takes, whatever the page', async () => {
    for (let n = 0; n < 3; n += 1) await make(ENDED);
    await make();
    const page = await list({ filter: { status: ['FAILED'] }, first: 2, order: { field: 'STATUS', direction: 'ASC' } });
    expect(page).toMatchObject({ totalCount: 3, nodes: [{}, {}], pageInfo: { hasNextPage: true } });
    const { endCursor } = page.pageInfo;
    const rest = await list({
      filter: { status: ['FAILED'] },
      order: { field: 'STATUS', direction: 'ASC' },
      after: endCursor,
    });
    expect(rest).toMatchObject({ totalCount: 3, nodes: [{}], pageInfo: { hasNextPage: false } });
    const forged = await ask(LIST, { order: { field: 'CREATED_AT', direction: 'ASC' }, after: endCursor });
    expect(codeOf(forged)).toBe('BAD_USER_INPUT');
  });

  test('metadata is found by what is at a dotted path, and bad filters name their place', async () => {
    const id = await make({ metadata: '{"customer":{"region":"eu"},"n":[1,2]}' });
    await make({ metadata: '{"customer":{"region":"us"}}' });
    const found = async (filter: unknown) => (await list({ filter })).nodes.map((node) => node.id);
    expect(await found({ metadataAt: [{ path: 'customer.region', equals: 'eu' }] })).toEqual([id]);
    expect(await found({ metadataAt: [{ path: 'n.1', equals: 2 }] })).toEqual([id]);
    expect(await found({ metadata: { n: [2] } })).toEqual([id]);
    const bad = await ask(LIST, { filter: { metadata: 'x'.repeat(70_000), metadataAt: [{ path: '' }] } });
    expect(dig(bad, 'errors', 0, 'extensions')).toMatchObject({
      code: 'BAD_USER_INPUT',
      issues: [{ loc: ['filter', 'metadata'] }, { loc: ['filter', 'metadataAt', '0', 'path'] }],
    });
  });

  test('name and metadata change in any status, and nothing else does once it has ended', async () => {
    const id = await make(ENDED);
    const metadata = { z: 1, a: [{ snake_case: null }] };
    const answer = await ask(UPDATE, { input: { batchExecutionId: id, name: 'renamed', metadata } });
    expect(dig(answer, 'data', 'updateBatchExecution')).toMatchObject({
      __typename: 'UpdateBatchExecutionSuccess',
      batchExecution: { id, name: 'renamed', revision: 2, status: 'FAILED' },
    });
    const shown = dig(answer, 'data', 'updateBatchExecution', 'batchExecution', 'metadata');
    expect(JSON.stringify(shown)).toBe(JSON.stringify(metadata));
    expect((await list({ filter: { metadata: { z: 1 } } })).nodes).toEqual([{ id }]);
    const late = await ask(UPDATE, { input: { batchExecutionId: id, name: 'again', concurrency: 3 } });
    expect(dig(late, 'data', 'updateBatchExecution', 'code')).toBe('INVALID_STATE');
    const cleared = await ask(UPDATE, { input: { batchExecutionId: id, metadata: null } });
    expect(dig(cleared, 'data', 'updateBatchExecution', 'batchExecution')).toMatchObject({
      name: 'renamed',
      metadata: null,
    });
    const bad = await ask(UPDATE, { input: { batchExecutionId: id, name: 'a b', metadata: 'x'.repeat(70_000) } });
    expect(dig(bad, 'data', 'updateBatchExecution')).toMatchObject({
      issues: [{ loc: ['input', 'name'] }, { loc: ['input', 'metadata'] }],
    });
  });

  test('a deleted execution is nowhere: not by id, node, list or item, and its stream ends', async () => {
    const id = await make({ status: 'DRAFT', sealedAt: null });
    await addItems(db, id, [{}]);
    const stream = await openEvents(
      server,
      tenant.key,
      `subscription { batchExecutionUpdated(id: "${id}") { revision } }`,
    );
    expect(dig(await ask(DELETE, { id }), 'data', 'deleteBatchExecution')).toEqual({
      __typename: 'DeleteBatchExecutionSuccess',
      deletedId: id,
    });
    await stream.ended;
    expect(stream.text()).toContain('event: complete');
    const ids = [id, itemId(id, 0)];
    const { data } = await ask(
      'query ($id: ID!, $ids: [ID!]!) { batchExecution(id: $id) { id } nodes(ids: $ids) { id } }',
      { id, ids },
    );
    expect(data).toEqual({ batchExecution: null, nodes: [null, null] });
    expect(await list({})).toMatchObject({ totalCount: 0, nodes: [] });
    expect(
      (await fetch(`${server.url}/executions/${id}/results.jsonl`, { headers: { 'x-api-key': tenant.key } })).status,
    ).toBe(404);
    expect(dig(await ask(DELETE, { id }), 'data', 'deleteBatchExecution', 'deletedId')).toBe(id);
  });

  test('an open execution cannot be deleted, and the answer says what to do', async () => {
    const id = await make({ status: 'RUNNING', startedAt: new Date() });
    const answer = dig(await ask(DELETE, { id }), 'data', 'deleteBatchExecution');
    expect(answer).toMatchObject({
      __typename: 'InvalidStateError',
      message: expect.stringContaining('cancelBatchExecution'),
    });
  });

  test('a project says how long its executions are kept, and goes back to the setting by null', async () => {
    const set = (input: object) =>
      ask(
        `mutation ($input: UpdateProjectInput!) { updateProject(input: $input) { __typename
          ... on UpdateProjectSuccess { project { id name retentionDays } } ... on UserError { code } } }`,
        { input: { projectId: tenant.projectId, ...input } },
      );
    expect(dig(await set({ retentionDays: 30 }), 'data', 'updateProject', 'project')).toMatchObject({
      retentionDays: 30,
      name: 'A project',
    });
    expect(dig(await set({ name: 'Other' }), 'data', 'updateProject', 'project')).toMatchObject({
      retentionDays: 30,
      name: 'Other',
    });
    expect(dig(await set({ retentionDays: null }), 'data', 'updateProject', 'project')).toMatchObject({
      retentionDays: null,
    });
    expect(dig(await set({ retentionDays: 0 }), 'data', 'updateProject', 'code')).toBe('VALIDATION_FAILED');
    const foreign = await makeProject(db);
    expect(dig(await set({ projectId: foreign.projectId, retentionDays: 1 }), 'data', 'updateProject', 'code')).toBe(
      'NOT_FOUND',
    );
  });
});
