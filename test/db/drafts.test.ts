/** What a draft takes, refuses, and comes to. */
import { beforeAll, beforeEach, expect, test } from 'vitest';
import { createSources } from '../../src/datasources/sources.ts';
import { newId } from '../../src/domain/ids.ts';
import { LIMITS } from '../../src/domain/limits.ts';
import type { Actor } from '../../src/domain/model.ts';
import { InvalidStateError, NotFoundError, ValidationError } from '../../src/domain/user-error.ts';
import { type AddBatchItemsInput, addBatchItems } from '../../src/services/add-batch-items.ts';
import { cancelBatchExecution } from '../../src/services/cancel-batch-execution.ts';
import { createBatchExecution } from '../../src/services/create-batch-execution.ts';
import { endStaleDrafts } from '../../src/services/end-stale-drafts.ts';
import type { ServiceDeps } from '../../src/services/ports.ts';
import { prepareExecution } from '../../src/services/prepare-execution.ts';
import { readDrafts } from '../../src/services/read-drafts.ts';
import { submitBatchExecution } from '../../src/services/submit-batch-execution.ts';
import type { Db } from '../../src/store/database.ts';
import { findExecution } from '../../src/store/execution-rows.ts';
import { namedAgents } from '../support/agent-catalog.ts';
import { describeDatabases } from '../support/databases.ts';
import { makeProject } from '../support/rows.ts';

const HOUR_MS = 3_600_000;

describeDatabases('a draft', (open) => {
  let db: Db;
  let actor: Actor;
  let deps: ServiceDeps;
  let now: Date;
  const woken: string[] = [];
  const published: number[] = [];

  beforeAll(async () => {
    db = await open();
  });
  beforeEach(async () => {
    ({ actor } = await makeProject(db));
    now = new Date();
    woken.length = 0;
    published.length = 0;
    deps = {
      ...{ db, newId, now: () => now, agents: namedAgents({ echo: null }), sources: createSources(db, null) },
      engine: { hold: () => undefined, wake: (id: string) => void woken.push(id) },
      publish: (_id: string, revision: number) => void published.push(revision),
    } as unknown as ServiceDeps;
  });

  const create = async (input: object = {}) =>
    (
      await createBatchExecution(deps, actor, {
        draft: true,
        source: { spec: { name: 'a-draft', agent: 'echo', input } },
      })
    ).execution;
  const item = (name: string, values: object = {}) => ({ filename: name, text: `text of ${name}`, ...values });
  const add = (batchExecutionId: string, items: AddBatchItemsInput['items'], firstIndex?: number) =>
    addBatchItems(deps, actor, { batchExecutionId, items, firstIndex });
  const submit = (batchExecutionId: string) => submitBatchExecution(deps, actor, { batchExecutionId });
  const draftOf = async (id: string) => (await readDrafts(deps, actor, [id]))[0];
  const read = async (id: string) => await findExecution(db, actor.projectId, id);
  /** Prepares it whole; the items as they were frozen. */
  async function frozen(id: string) {
    while ((await prepareExecution(deps, id)).more);
    return await db
      .selectFrom('everyInput')
      .select(['ordinal', 'elementId', 'filename'])
      .where('executionId', '=', id)
      .orderBy('ordinal')
      .execute();
  }
  const issuesOf = async (call: Promise<unknown>) => {
    const error = await call.then(
      () => null,
      (thrown: unknown) => thrown,
    );
    expect(error).toBeInstanceOf(ValidationError);
    return error instanceof ValidationError ? error.issues : [];
  };

  test('takes items in order over several calls, and runs with exactly these once it is submitted', async () => {
    const { id, status } = await create({ items: [item('first')] });
    expect(status).toBe('DRAFT');
    expect(woken).toEqual([]);
    expect(await add(id, [item('b', { dataElementId: 'own' }), item('c')])).toMatchObject({
      ...{ addedCount: 2, repeatedCount: 0 },
      execution: { status: 'DRAFT', total: 0 },
    });
    await add(id, [item('d')]);
    expect(await draftOf(id)).toMatchObject({ itemCount: 4, nextIndex: 4 });
    expect(await submit(id)).toMatchObject({ status: 'PREPARING' });
    expect(woken).toEqual([id]);
    expect(published).toEqual([...published].sort((a, b) => a - b));
    expect(await frozen(id)).toEqual([
      { ordinal: 0, elementId: 'item-0', filename: 'first' },
      { ordinal: 1, elementId: 'own', filename: 'b' },
      { ordinal: 2, elementId: 'item-2', filename: 'c' },
      { ordinal: 3, elementId: 'item-3', filename: 'd' },
    ]);
    expect(await read(id)).toMatchObject({ status: 'QUEUED', total: 4, queued: 4 });
  });

  test('takes more items than fit in one statement', async () => {
    const { id } = await create();
    const items = Array.from({ length: 5_000 }, (_, n) => item(`f${n}`));
    await add(id, items);
    await submit(id);
    expect((await frozen(id)).map((row) => row.filename)).toEqual(items.map((one) => one.filename));
  });

  test('takes the same item once: by its id, or by the index it is sent with', async () => {
    const { id } = await create();
    const named = [item('a', { dataElementId: 'a' }), item('b', { dataElementId: 'b', metadata: { z: 1, a: [null] } })];
    await add(id, named);
    const more = item('c', { dataElementId: 'c' });
    expect(await add(id, [...named.toReversed(), more])).toMatchObject({ addedCount: 1, repeatedCount: 2 });
    const unnamed = [item('d'), item('e')];
    await add(id, unnamed, 3);
    expect(await add(id, unnamed, 3)).toMatchObject({ addedCount: 0, repeatedCount: 2 });
    const { revision = 0 } = (await read(id)) ?? {};
    expect(published.at(-1)).toBe(revision);
    expect(await draftOf(id)).toMatchObject({ itemCount: 5, nextIndex: 5 });
  });

  test('refuses an item whose id or index has other content, names each, and stores none of the call', async () => {
    const { id } = await create();
    await add(id, [item('a', { dataElementId: 'a' }), item('b')]);
    const changed = [
      item('new', { dataElementId: 'new' }),
      item('a', { dataElementId: 'a', text: 'other' }),
      item('a', { dataElementId: 'item-1', metadata: { other: 1 } }),
    ];
    expect(await issuesOf(add(id, changed))).toEqual([
      expect.objectContaining({ loc: ['input', 'items', '1'], type: 'conflict', ctx: { index: 0 } }),
      expect.objectContaining({ loc: ['input', 'items', '2'], type: 'conflict', ctx: { index: 1 } }),
    ]);
    const elsewhere = [item('a', { dataElementId: 'a' }), item('z'), item('y')];
    expect((await issuesOf(add(id, elsewhere, 1))).map(({ loc }) => loc.at(-1))).toEqual(['0']);
    expect(await draftOf(id)).toMatchObject({ itemCount: 2, nextIndex: 2 });
  });

  test('is not submitted while an index is missing, and the first that is missing is named', async () => {
    const { id } = await create();
    await add(id, [item('c'), item('d')], 2);
    await add(id, [item('a')], 0);
    expect(await issuesOf(submit(id))).toEqual([
      expect.objectContaining({ loc: ['input', 'batchExecutionId'], type: 'missing_index', ctx: { index: 1 } }),
    ]);
    await add(id, [item('b')], 1);
    expect(await submit(id)).toMatchObject({ status: 'PREPARING' });
    expect((await frozen(id)).map((row) => row.filename)).toEqual(['a', 'b', 'c', 'd']);
  });

  test('finds the first missing index behind tens of thousands of items that came out of order', async () => {
    const { id } = await create();
    const items = (from: number, to: number) => Array.from({ length: to - from }, (_, n) => item(`f${from + n}`));
    for (const from of [14_000, 7_000, 1]) await add(id, items(from, from + 7_000 - (from === 1 ? 1 : 0)), from);
    expect((await issuesOf(submit(id)))[0]?.ctx).toEqual({ index: 0 });
    await add(id, items(0, 1), 0);
    await add(id, items(22_000, 22_001), 22_000);
    expect((await issuesOf(submit(id)))[0]?.ctx).toEqual({ index: 21_000 });
  });

  test('submitted twice starts once; without items it completes at once', async () => {
    const { id } = await create();
    await submit(id);
    await frozen(id);
    expect(await submit(id)).toMatchObject({ status: 'COMPLETED', total: 0 });
    expect(woken).toEqual([id]);
  });

  test('takes nothing once it is submitted or cancelled, and a cancelled one cannot be submitted', async () => {
    const [submitted, cancelled] = [(await create()).id, (await create()).id];
    await submit(submitted);
    await cancelBatchExecution(deps, actor, { batchExecutionId: cancelled });
    for (const id of [submitted, cancelled]) await expect(add(id, [item('a')])).rejects.toThrow(InvalidStateError);
    await expect(submit(cancelled)).rejects.toThrow(InvalidStateError);
    const other = (await makeProject(db)).actor;
    await expect(addBatchItems(deps, other, { batchExecutionId: submitted, items: [] })).rejects.toThrow(NotFoundError);
    await expect(submitBatchExecution(deps, other, { batchExecutionId: submitted })).rejects.toThrow(NotFoundError);
  });

  test('has no datasource but its own, also when it is made from a definition', async () => {
    expect(await issuesOf(create({ datasourceId: newId('Datasource') }))).toEqual([
      expect.objectContaining({ loc: ['input', 'source', 'spec', 'input', 'datasourceId'], type: 'conflict' }),
    ]);
    const first = await create({ items: [item('of the definition')] });
    const { execution } = await createBatchExecution(deps, actor, {
      ...{ draft: true, source: { definitionId: first.definitionId } },
    });
    expect(execution.inputDatasourceId).not.toBe(first.inputDatasourceId);
    await add(execution.id, [item('own')]);
    await submit(execution.id);
    expect((await frozen(execution.id)).map((row) => row.filename)).toEqual(['own']);
  });

  test('is cancelled with a reason when nothing was added to it for its time, and not before', async () => {
    const [stale, busy] = [(await create()).id, (await create()).id];
    const submitted = (await create()).id;
    await submit(submitted);
    now = new Date(now.getTime() + LIMITS.draftHours * HOUR_MS - 1_000);
    await add(busy, [item('a')]);
    await endStaleDrafts(deps);
    expect(await read(stale)).toMatchObject({ status: 'DRAFT' });
    now = new Date(now.getTime() + 2_000);
    await endStaleDrafts(deps);
    expect(woken).toContain(stale);
    expect(await read(stale)).toMatchObject({
      ...{ status: 'CANCELLING', cancelReason: expect.stringContaining(`${LIMITS.draftHours} hours`) },
    });
    expect(await read(busy)).toMatchObject({ status: 'DRAFT' });
    expect(await read(submitted)).toMatchObject({ status: 'PREPARING' });
  });

  test('never loses or doubles an item when calls race each other and the submit', async () => {
    const { id } = await create();
    const stretch = (from: number) => Array.from({ length: 50 }, (_, n) => item(`f${from + n}`));
    const calls = [0, 50, 100, 150, 50, 100].map((from) => add(id, stretch(from), from));
    const submits = [submit(id).catch(() => null), submit(id).catch(() => null)];
    const answers = await Promise.allSettled(calls);
    await Promise.all(submits);
    const late = answers.filter((answer) => answer.status === 'rejected');
    expect(late.every((answer) => answer.reason instanceof InvalidStateError)).toBe(true);
    await submit(id);
    const rows = await frozen(id);
    expect(rows.map((row) => row.filename)).toEqual(rows.map((_, n) => `f${n}`));
    expect(rows.length % 50).toBe(0);
    if (late.length === 0) expect(rows).toHaveLength(200);
  });
});
