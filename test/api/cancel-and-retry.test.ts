/** The mutations that cancel and retry an execution, as a client sees them; the engine is absent. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { itemId, newId } from '../../src/domain/ids.ts';
import type { Db } from '../../src/store/database.ts';
import { type FreshDatabase, freshEmbedded } from '../support/databases.ts';
import { addFailures, addItems, type ItemColumns, makeExecutionWith } from '../support/execution-rows.ts';
import { type ExecutionServer, startExecutionServer } from '../support/execution-server.ts';
import { makeProject, type ProjectRows } from '../support/rows.ts';
import { type Answer, codeOf, post } from '../support/server.ts';

let database: FreshDatabase;
let db: Db;
let server: ExecutionServer;
let tenant: ProjectRows;
let woken: string[];

beforeAll(async () => {
  database = await freshEmbedded();
  ({ db } = database);
  const wake = (executionId: string) => void woken.push(executionId);
  server = await startExecutionServer(db, { engine: { wake, hold: () => undefined } });
});
afterAll(async () => {
  await server.stop();
  await server.feed.stop();
  await database.close();
});
beforeEach(async () => {
  woken = [];
  tenant = await makeProject(db, 'MEMBER');
});

interface Outcome {
  readonly __typename: string;
  readonly retriedCount?: number;
  readonly issues?: readonly { readonly loc: readonly string[] }[];
}

/** The answer of a mutation with this input: the fields of its success, or the error with its type. */
async function mutate(name: 'cancelBatchExecution' | 'retryFailedItems', success: string, input: object) {
  const type = `${name.charAt(0).toUpperCase()}${name.slice(1)}`;
  const answer: Answer = await post(
    server,
    tenant.key,
    `mutation ($input: ${type}Input!) { ${name}(input: $input) { __typename ... on ${type}Success { ${success} }
      ... on UserError { code message } ... on ValidationError { issues { loc type } }
      ... on InvalidStateError { status } } }`,
    { input },
  );
  expect(answer.errors).toBeUndefined();
  return answer.data?.[name] as Outcome;
}

const running = () =>
  makeExecutionWith(db, tenant.projectId, { status: 'RUNNING', startedAt: new Date(), total: 1, queued: 1 });

describe('cancelBatchExecution', () => {
  const cancel = (input: object) =>
    mutate('cancelBatchExecution', 'batchExecution { id status cancelReason cancelRequestedAt }', input);

  test('answers the execution as CANCELLING, and again when it is called again', async () => {
    const id = await running();
    for (const reason of ['enough', 'once more']) {
      expect(await cancel({ batchExecutionId: id, reason })).toMatchObject({
        __typename: 'CancelBatchExecutionSuccess',
        batchExecution: { id, status: 'CANCELLING', cancelReason: 'enough', cancelRequestedAt: expect.any(String) },
      });
    }
    expect(woken).toContain(id);
  });

  test('answers typed errors for what has ended, what is not there, and what is no reason', async () => {
    const ended = await makeExecutionWith(db, tenant.projectId, { status: 'COMPLETED', endedAt: new Date() });
    expect(await cancel({ batchExecutionId: ended })).toMatchObject({
      ...{ __typename: 'InvalidStateError', code: 'INVALID_STATE', status: 'COMPLETED' },
    });
    const foreign = await makeExecutionWith(db, (await makeProject(db)).projectId, {});
    for (const batchExecutionId of [foreign, newId('BatchExecution'), 'x']) {
      expect(await cancel({ batchExecutionId })).toMatchObject({ __typename: 'NotFoundError', code: 'NOT_FOUND' });
    }
    expect(await cancel({ batchExecutionId: ended, reason: 'x'.repeat(1_001) })).toMatchObject({
      ...{ __typename: 'ValidationError', issues: [{ loc: ['input', 'reason'] }] },
    });
    expect(woken).toEqual([]);
  });

  test('needs a key that may change things', async () => {
    const reader = await makeProject(db, 'READER');
    const query = 'mutation { cancelBatchExecution(input: {batchExecutionId: "x"}) { __typename } }';
    expect(codeOf(await post(server, reader.key, query))).toBe('FORBIDDEN');
  });
});

describe('retryFailedItems', () => {
  const retry = (input: object) =>
    mutate('retryFailedItems', 'batchExecution { id status round } retriedCount skipped { reason count }', input);

  const transient = { status: 'FAILED', errorCategory: 'TIMEOUT', errorCode: 'timeout', errorTransient: true } as const;

  async function failed(items: readonly ItemColumns[]) {
    const counts = { total: items.length, failed: items.filter((item) => item.status === 'FAILED').length };
    const cancelled = counts.total - counts.failed;
    const id = await makeExecutionWith(db, tenant.projectId, {
      status: 'FAILED',
      endedAt: new Date(),
      ...counts,
      cancelled,
    });
    await addItems(db, id, items);
    await addFailures(
      db,
      id,
      items.map((_, ordinal) => ({ ordinal, attempt: 1 })),
    );
    return id;
  }

  test('takes transient errors by default and says why it left others out', async () => {
    const id = await failed([
      transient,
      { status: 'FAILED' },
      { ...transient, retryCount: 3 },
      { ...transient, retryCount: 2 },
      { status: 'CANCELLED' },
    ]);
    expect(await retry({ batchExecutionId: id })).toEqual({
      __typename: 'RetryFailedItemsSuccess',
      batchExecution: { id, status: 'QUEUED', round: 1 },
      retriedCount: 2,
      skipped: [
        { reason: 'OTHER_STATUS', count: 1 },
        { reason: 'PERMANENT_ERROR', count: 1 },
        { reason: 'RETRY_COUNT_REACHED', count: 1 },
      ],
    });
    expect(woken).toEqual([id]);
  });

  test('passes every choice on: mode, no cap, statuses, codes and items', async () => {
    const id = await failed([{ ...transient, retryCount: 9 }, { status: 'FAILED' }, { status: 'CANCELLED' }]);
    const dry = { batchExecutionId: id, dryRun: true, mode: 'ALL' };
    const count = async (input: object) => (await retry({ ...dry, ...input })).retriedCount;
    expect(await count({ maxRetryCount: null })).toBe(2);
    expect(await count({})).toBe(1);
    expect(await count({ maxRetryCount: null, mode: 'TRANSIENT_ONLY' })).toBe(1);
    expect(await count({ statuses: ['FAILED', 'CANCELLED'], maxRetryCount: null })).toBe(3);
    expect(await count({ errorCodes: ['timeout'], maxRetryCount: null })).toBe(1);
    expect(await count({ itemIds: [itemId(id, 1)] })).toBe(1);
    expect(await count({ tierNums: [0], maxRetryCount: null, agentVersion: 'PINNED' })).toBe(2);
    expect(await retry(dry)).toMatchObject({ batchExecution: { status: 'FAILED', round: 0 } });
    expect(woken).toEqual([]);
  });

  test('refuses a round that is past, so that a repeated call runs nothing twice', async () => {
    const id = await failed([transient]);
    const input = { batchExecutionId: id, expectedRound: 0 };
    expect(await retry(input)).toMatchObject({ retriedCount: 1 });
    expect(await retry(input)).toMatchObject({ __typename: 'InvalidStateError', status: 'QUEUED' });
    // The round has failed as well: only its number says now that the call is an old one.
    await db
      .updateTable('batchItem')
      .set({ ...transient, endedAt: new Date() })
      .where('executionId', '=', id)
      .execute();
    const again = { status: 'FAILED', endedAt: new Date(), queued: 0, failed: 1 } as const;
    await db.updateTable('batchExecution').set(again).where('id', '=', id).execute();
    expect(await retry(input)).toMatchObject({ __typename: 'InvalidStateError', status: 'FAILED' });
    expect(await retry({ ...input, expectedRound: 1 })).toMatchObject({
      retriedCount: 1,
      batchExecution: { round: 2 },
    });
  });

  test('names every problem of its input at once', async () => {
    const id = await failed([transient]);
    const answer = await retry({ batchExecutionId: id, tierNums: [7], itemIds: ['x'], statuses: ['SUCCEEDED'] });
    expect(answer.__typename).toBe('ValidationError');
    const places = answer.issues?.map((issue) => issue.loc.join('.'));
    expect(places?.sort()).toEqual(['input.itemIds.0', 'input.statuses.0', 'input.tierNums.0']);
    expect(await retry({ batchExecutionId: id, maxRetryCount: 11 })).toMatchObject({ __typename: 'ValidationError' });
  });
});
