/** Executions and items through the schema: what is asked for comes back, at a constant number of statements. */
import type { KyselyPlugin } from 'kysely';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { itemId, newId } from '../../src/domain/ids.ts';
import type { Db } from '../../src/store/database.ts';
import { describeDatabases } from '../support/databases.ts';
import {
  addChange,
  addFailures,
  addItems,
  addResults,
  type ExecutionColumns,
  makeExecutionWith,
  makeTieredExecution,
} from '../support/execution-rows.ts';
import { type ExecutionServer, startExecutionServer } from '../support/execution-server.ts';
import { makeProject, type ProjectRows } from '../support/rows.ts';
import { type Answer, codeOf, post } from '../support/server.ts';
import { setTierCounts } from '../support/tier-recount.ts';

const EVERYTHING = `id batchExecutionId ordinal inputDataElementId filename mediaType metadata status tier attempts
  retryCount nextAttemptAt startedAt endedAt durationMs revision data fieldErrors { path code message }
  outputArtifacts { id filename mediaType sizeBytes content url }
  error { category transient code message details attempt tier round at } failures { code attempt }
  tierResults { tier round attempt data contentHash at }`;

interface OneExecution {
  readonly batchExecution: Readonly<Record<string, unknown>>;
}
interface OnePage {
  readonly batchExecution: { readonly items: ItemPage };
}
interface ItemPage {
  readonly nodes: readonly { readonly ordinal: number }[];
  readonly edges: readonly unknown[];
  readonly pageInfo: Readonly<Record<string, unknown>>;
}
interface Nodes {
  readonly nodes: readonly { readonly id: string }[];
}
interface ExecutionPage {
  readonly batchExecutions: Nodes & { readonly pageInfo: Readonly<Record<string, unknown>> };
}

describeDatabases('executions and items', (open) => {
  let db: Db;
  let server: ExecutionServer;
  let tenant: ProjectRows;
  let statements = 0;

  beforeAll(async () => {
    db = await open();
    const counting: KyselyPlugin = {
      transformQuery: ({ node }) => {
        statements += 1;
        return node;
      },
      transformResult: async ({ result }) => result,
    };
    server = await startExecutionServer(db, {}, (same) => same.withPlugin(counting));
  });
  afterAll(async () => {
    await server.stop();
    await server.feed.stop();
  });
  beforeEach(async () => {
    tenant = await makeProject(db, 'READER');
  });

  const ask = (query: string, variables: Record<string, unknown> = {}): Promise<Answer> =>
    post(server, tenant.key, query, variables);
  const make = (columns: ExecutionColumns = {}) => makeExecutionWith(db, tenant.projectId, columns);

  async function read<Shape = Record<string, unknown>>(query: string, variables: Record<string, unknown> = {}) {
    const answer = await ask(query, variables);
    expect(answer.errors).toBeUndefined();
    return answer.data as Shape;
  }

  test('an execution shows its row, and its counts add up', async () => {
    const at = new Date(Date.UTC(2026, 0, 31));
    const id = await make({
      ...{ status: 'RUNNING', revision: 7, round: 1, startedAt: at, createdAt: at, roundOpenedAt: at },
      ...{ total: 10, queued: 1, running: 2, retrying: 1, succeeded: 3, failed: 1, cancelled: 1, expired: 1 },
      metadata: '{"z_y":1,"aB":[{"__proto__":2}]}',
    });
    const { batchExecution } = await read<OneExecution>(`{ batchExecution(id: "${id}") {
      id customerId projectId name metadata inputOverrides spec status revision round concurrency retryLimit
      createdAt startedAt endedAt cancelRequestedAt cancelReason error errorSummary { code }
      counts { total queued running retrying succeeded failed cancelled expired }
      progress { percent itemsPerSecond estimatedEndAt lastActivityAt }
      tiers { number startedAt endedAt counts { total succeeded } } } }`);
    expect(batchExecution).toMatchObject({
      ...{ id, customerId: tenant.customerId, projectId: tenant.projectId, name: 'a-batch', status: 'RUNNING' },
      ...{ revision: 7, round: 1, concurrency: 10, retryLimit: 2, inputOverrides: null, endedAt: null, error: null },
      ...{ createdAt: at.toISOString(), startedAt: at.toISOString(), spec: { name: 'a-batch' } },
      counts: { total: 10, queued: 1, running: 2, retrying: 1, succeeded: 3, failed: 1, cancelled: 1, expired: 1 },
      progress: { percent: 60, itemsPerSecond: expect.any(Number), estimatedEndAt: expect.any(String) },
      tiers: [{ number: 0, startedAt: at.toISOString(), endedAt: null, counts: { total: 10, succeeded: 3 } }],
    });
    expect(JSON.stringify(batchExecution['metadata'])).toBe('{"z_y":1,"aB":[{"__proto__":2}]}');
  });

  test('a malformed, an unknown and a foreign id are null alike, for executions and items', async () => {
    const foreign = await makeExecutionWith(db, (await makeProject(db)).projectId, {});
    await addItems(db, foreign, [{}]);
    const own = await make();
    for (const id of ['', 'exec_1', newId('BatchExecution'), newId('Datasource'), foreign, itemId(own, 0)]) {
      expect(await read('query ($id: ID!) { batchExecution(id: $id) { id } }', { id })).toEqual({
        batchExecution: null,
      });
    }
    const ids = [own, itemId(own, 0), foreign, itemId(foreign, 0), 'item_x', newId('BatchExecution')];
    const { nodes } = await read<Nodes>('query ($ids: [ID!]!) { nodes(ids: $ids) { id __typename } }', { ids });
    expect(nodes).toEqual([{ id: own, __typename: 'BatchExecution' }, null, null, null, null, null]);
  });

  test('executions and items are nodes, many of one type in one statement', async () => {
    const id = await make();
    await addItems(
      db,
      id,
      Array.from({ length: 40 }, () => ({})),
    );
    await read('{ viewer { role } }');
    const ids = [id, ...Array.from({ length: 40 }, (_, ordinal) => itemId(id, ordinal))];
    const before = statements;
    const { nodes } = await read<Nodes>(
      'query ($ids: [ID!]!) { nodes(ids: $ids) { id ... on BatchItem { ordinal } } }',
      {
        ids,
      },
    );
    expect(nodes.map((node) => node.id)).toEqual(ids);
    expect(nodes[40]).toMatchObject({ ordinal: 39 });
    // The key, the execution, the items.
    expect(statements - before).toBeLessThanOrEqual(3);
  });

  describe('items', () => {
    const PAGE = `query ($id: ID!, $first: Int, $after: String, $last: Int, $before: String, $filter: BatchItemFilter) {
      batchExecution(id: $id) { items(first: $first, after: $after, last: $last, before: $before, filter: $filter) {
        nodes { ordinal } edges { cursor } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } } }`;

    test.each([
      ['first', 'after', 'endCursor', 'hasNextPage'],
      ['last', 'before', 'startCursor', 'hasPreviousPage'],
    ])('page with %s and %s without gap or duplicate while items change', async (size, from, cursor, more) => {
      const id = await make();
      await addItems(
        db,
        id,
        Array.from({ length: 23 }, () => ({})),
      );
      const seen: number[][] = [];
      let after: unknown = null;
      for (let revision = 2; ; revision += 1) {
        const page: OnePage = await read<OnePage>(PAGE, { id, [size]: 5, [from]: after });
        const { nodes, edges, pageInfo } = page.batchExecution.items;
        expect(edges).toHaveLength(nodes.length);
        seen.push(nodes.map((node) => node.ordinal));
        if (!pageInfo[more]) break;
        after = pageInfo[cursor];
        await addChange(db, id, revision, [0, 5, 10, 22]);
      }
      expect((size === 'first' ? seen : seen.toReversed()).flat()).toEqual(Array.from({ length: 23 }, (_, n) => n));
    });

    test('are filtered by what the filter says', async () => {
      const id = await make();
      await addItems(db, id, [{ status: 'FAILED', filename: 'A.md' }, { status: 'SUCCEEDED' }, { status: 'FAILED' }]);
      await addChange(db, id, 2, [1, 2]);
      const list = async (filter: object) =>
        (await read<OnePage>(PAGE, { id, filter })).batchExecution.items.nodes.map((node) => node.ordinal);
      expect(await list({ status: ['FAILED'] })).toEqual([0, 2]);
      expect(await list({ filename: 'a.MD' })).toEqual([0]);
      expect(await list({ category: ['RUNTIME'], code: ['error'], tier: [0], updatedAfterRevision: 1 })).toEqual([2]);
      expect(await list({ status: null })).toEqual([0, 1, 2]);
      expect(await list({ code: [] })).toEqual([]);
    });

    test.each([
      { first: 1_001 },
      { first: -1 },
      { first: 1, last: 1 },
      { after: 'nonsense' },
      { after: Buffer.from('[1,"items.ordinal",3000000000]').toString('base64url') },
    ])('refuse the paging arguments %o', async (variables) => {
      expect(codeOf(await ask(PAGE, { id: await make(), ...variables }))).toBe('BAD_USER_INPUT');
    });

    test('have their results, failures and errors, at a constant number of statements for 1000 of them', async () => {
      const id = await make();
      const metadata = { first_name: 1, firstName: 2 };
      const items = Array.from({ length: 1_000 }, (_, n) => ({
        metadata,
        status: n % 2 ? ('FAILED' as const) : ('SUCCEEDED' as const),
      }));
      await addItems(db, id, items);
      const data = { b: 1, a_b: { cD: null } };
      const fieldErrors = [{ path: '/b', code: 'c', message: 'm' }];
      const artifacts = [{ id: '0', filename: 'f', mediaType: 't/p', sizeBytes: 1, content: 'YQ==', url: null }];
      await addResults(
        db,
        id,
        items.map((_, ordinal) => ({ ordinal, data, fieldErrors, artifacts })),
      );
      await addFailures(
        db,
        id,
        items.flatMap((_, ordinal) => [1, 2].map((attempt) => ({ ordinal, attempt, details: { n_o: ordinal } }))),
      );
      const query = (first: number) =>
        read<OnePage>(`{ batchExecution(id: "${id}") { items(first: ${first}) { nodes { ${EVERYTHING} } } } }`);

      const before = statements;
      await query(1);
      const forOne = statements - before;
      const { batchExecution } = await query(1_000);
      expect(statements - before - forOne).toBe(forOne);

      const nodes = batchExecution.items.nodes;
      expect(nodes).toHaveLength(1_000);
      expect(nodes[998]).toMatchObject({
        ...{
          id: itemId(id, 998),
          batchExecutionId: id,
          ordinal: 998,
          status: 'SUCCEEDED',
          data,
          fieldErrors,
          metadata,
        },
        ...{ outputArtifacts: artifacts, error: null, durationMs: 0, tierResults: [{ tier: 0, data }] },
      });
      expect(nodes[999]).toMatchObject({
        error: { category: 'RUNTIME', transient: false, code: 'error', attempt: 2, details: { n_o: 999 } },
        failures: [{ attempt: 1 }, { attempt: 2 }],
      });
    });

    test('are refused as too costly where pages nest in pages', async () => {
      const nested = `{ batchExecutions(first: 100) { nodes { items(first: 1000) { nodes { ${EVERYTHING} } } } } }`;
      expect(codeOf(await ask(nested))).toBe('QUERY_TOO_COMPLEX');
      await read('{ batchExecutions { nodes { id name items { nodes { id status data error { message } } } } } }');
    });

    test('show only the last failures that are asked for, oldest first', async () => {
      const id = await make();
      await addItems(db, id, [{ status: 'FAILED' }]);
      await addFailures(
        db,
        id,
        [1, 2, 3].map((attempt) => ({ ordinal: 0, attempt })),
      );
      const { batchExecution } = await read<OneExecution>(`{ batchExecution(id: "${id}") { item(ordinal: 0) {
        two: failures(last: 2) { attempt } none: failures(last: 0) { attempt } all: failures { attempt } } } }`);
      expect(batchExecution['item']).toEqual({
        ...{ two: [{ attempt: 2 }, { attempt: 3 }], none: [] },
        all: [{ attempt: 1 }, { attempt: 2 }, { attempt: 3 }],
      });
      const tooMany = await ask(
        `{ batchExecution(id: "${id}") { item(ordinal: 0) { failures(last: 101) { attempt } } } }`,
      );
      expect(codeOf(tooMany)).toBe('BAD_USER_INPUT');
    });

    test('are found by ordinal or by element, by exactly one of them', async () => {
      const id = await make();
      await addItems(db, id, [{ elementId: 'a' }, { elementId: 'b' }]);
      const { batchExecution } = await read<OneExecution>(`{ batchExecution(id: "${id}") {
        byOrdinal: item(ordinal: 1) { inputDataElementId } byElement: item(dataElementId: "a") { ordinal }
        none: item(ordinal: 7) { id } negative: item(ordinal: -1) { id } } }`);
      expect(batchExecution).toEqual({
        ...{ byOrdinal: { inputDataElementId: 'b' }, byElement: { ordinal: 0 }, none: null, negative: null },
      });
      for (const args of ['', '(ordinal: 0, dataElementId: "a")']) {
        expect(codeOf(await ask(`{ batchExecution(id: "${id}") { item${args} { id } } }`))).toBe('BAD_USER_INPUT');
      }
    });
  });

  test('the errors of failed items are counted, the most frequent first', async () => {
    const id = await make({ total: 6, failed: 4, retrying: 1, succeeded: 1, endedAt: null, status: 'RUNNING' });
    const failed = (errorCode: string) =>
      ({ status: 'FAILED', errorCategory: 'TIMEOUT', errorCode, errorTransient: true }) as const;
    await addItems(db, id, [
      failed('b'),
      failed('a'),
      failed('c'),
      failed('c'),
      { ...failed('c'), status: 'RETRYING' },
      { status: 'SUCCEEDED' },
    ]);
    await addFailures(db, id, [
      { ordinal: 2, attempt: 1, message: 'Before.' },
      { ordinal: 2, attempt: 2, message: 'The first c.' },
      { ordinal: 3, attempt: 1, message: 'The second c.' },
    ]);
    const { batchExecution } = await read<OneExecution>(
      `{ batchExecution(id: "${id}") { errorSummary { category code count sampleItemId sampleMessage } } }`,
    );
    expect(batchExecution['errorSummary']).toEqual([
      { category: 'TIMEOUT', code: 'c', count: 2, sampleItemId: itemId(id, 2), sampleMessage: 'The first c.' },
      { category: 'TIMEOUT', code: 'a', count: 1, sampleItemId: itemId(id, 1), sampleMessage: null },
      { category: 'TIMEOUT', code: 'b', count: 1, sampleItemId: itemId(id, 0), sampleMessage: null },
    ]);
  });

  test('several tiers count what entered each; what went on succeeded there', async () => {
    const at = (second: number) => new Date(Date.UTC(2026, 0, 31, 0, 0, second));
    const id = await makeTieredExecution(db, tenant.projectId, 3, {
      ...{ status: 'RUNNING', startedAt: at(0), total: 5, queued: 1, running: 1, failed: 1, succeeded: 2 },
    });
    await addItems(db, id, [
      { status: 'SUCCEEDED', tier: 2 },
      { status: 'SUCCEEDED', tier: 2 },
      { status: 'RUNNING', tier: 1 },
      { status: 'FAILED', tier: 0 },
      { status: 'QUEUED', tier: 1 },
    ]);
    await addResults(db, id, [
      ...[0, 1, 2, 4].map((ordinal) => ({ ordinal, data: 0, at: at(10 + ordinal) })),
      ...[0, 1].map((ordinal) => ({ ordinal, tier: 1, data: 1, at: at(20 + ordinal) })),
    ]);
    await addFailures(db, id, [{ ordinal: 3, attempt: 1, at: at(15) }]);
    await setTierCounts(db, id, { enteredAt: [null, at(10), at(20)], leftAt: [at(15), at(21), at(22)] });
    const { batchExecution } = await read<OneExecution>(
      `{ batchExecution(id: "${id}") { tiers { number startedAt endedAt counts { total queued running succeeded failed } } } }`,
    );
    expect(batchExecution['tiers']).toEqual([
      {
        number: 0,
        startedAt: at(0).toISOString(),
        endedAt: at(15).toISOString(),
        counts: { total: 5, queued: 0, running: 0, succeeded: 4, failed: 1 },
      },
      {
        number: 1,
        startedAt: at(10).toISOString(),
        endedAt: null,
        counts: { total: 4, queued: 1, running: 1, succeeded: 2, failed: 0 },
      },
      {
        number: 2,
        startedAt: at(20).toISOString(),
        endedAt: null,
        counts: { total: 2, queued: 0, running: 0, succeeded: 2, failed: 0 },
      },
    ]);
  });

  test('executions are listed newest first, filtered and ordered as asked, page by page', async () => {
    const day = (n: number) => new Date(Date.UTC(2026, 0, n));
    const ids: string[] = [];
    for (let n = 1; n <= 5; n += 1) {
      const started = n > 2 ? { status: 'RUNNING' as const, startedAt: day(10 - n) } : {};
      ids.push(await make({ createdAt: day(n), name: `batch ${n}`, ...started }));
    }
    const list = async (args: string) =>
      (await read<ExecutionPage>(`{ batchExecutions${args} { nodes { id } pageInfo { endCursor hasNextPage } } }`))
        .batchExecutions;
    const order = async (args: string) => (await list(args)).nodes.map((node) => 1 + ids.indexOf(node.id));
    expect(await order('')).toEqual([5, 4, 3, 2, 1]);
    expect(await order('(orderBy: {direction: ASC})')).toEqual([1, 2, 3, 4, 5]);
    expect((await order('(orderBy: {field: STARTED_AT})')).slice(2)).toEqual([3, 4, 5]);
    expect(await order('(filter: {status: [RUNNING], name: "BATCH", createdBefore: "2026-01-05T00:00:00Z"})')).toEqual([
      4, 3,
    ]);
    const paged: number[] = [];
    for (let after = ''; ; ) {
      const page = await list(`(first: 2, orderBy: {field: STARTED_AT, direction: ASC}${after})`);
      paged.push(...page.nodes.map((node) => 1 + ids.indexOf(node.id)));
      if (!page.pageInfo['hasNextPage']) break;
      after = `, after: "${page.pageInfo['endCursor']}"`;
    }
    expect(paged.slice(0, 3)).toEqual([5, 4, 3]);
    expect(paged.slice(3).sort()).toEqual([1, 2]);
  });

  test('a cursor of another order, or a forged one, is refused', async () => {
    await make();
    const { batchExecutions } = await read<ExecutionPage>('{ batchExecutions { pageInfo { endCursor } } }');
    const other = await ask(
      `{ batchExecutions(after: "${batchExecutions.pageInfo['endCursor']}", orderBy: {direction: ASC}) { nodes { id } } }`,
    );
    expect(codeOf(other)).toBe('BAD_USER_INPUT');
    const forged = Buffer.from('[1,"executions.CREATED_AT.DESC","1; x","a"]').toString('base64url');
    expect(codeOf(await ask(`{ batchExecutions(after: "${forged}") { nodes { id } } }`))).toBe('BAD_USER_INPUT');
  });
});
