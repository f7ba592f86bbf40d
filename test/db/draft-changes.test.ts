/** Taking items out of a draft, replacing them, and adding elements of a datasource. */
import { beforeAll, beforeEach, expect, test } from 'vitest';
import { createSources } from '../../src/datasources/sources.ts';
import { newId } from '../../src/domain/ids.ts';
import type { Actor, Datasource } from '../../src/domain/model.ts';
import { InvalidStateError, NotFoundError, ValidationError } from '../../src/domain/user-error.ts';
import { type AddBatchElementsInput, addBatchElements } from '../../src/services/add-batch-elements.ts';
import { type AddBatchItemsInput, addBatchItems } from '../../src/services/add-batch-items.ts';
import { addDataElements } from '../../src/services/add-data-elements.ts';
import { createBatchExecution } from '../../src/services/create-batch-execution.ts';
import { createStoredDatasource } from '../../src/services/create-datasource.ts';
import { createItemInputs } from '../../src/services/item-inputs.ts';
import type { ServiceDeps } from '../../src/services/ports.ts';
import { prepareExecution } from '../../src/services/prepare-execution.ts';
import { readDrafts } from '../../src/services/read-drafts.ts';
import { type RemoveBatchItemsInput, removeBatchItems } from '../../src/services/remove-batch-items.ts';
import { submitBatchExecution } from '../../src/services/submit-batch-execution.ts';
import type { Db } from '../../src/store/database.ts';
import { namedAgents } from '../support/agent-catalog.ts';
import { describeDatabases } from '../support/databases.ts';
import { makeProject } from '../support/rows.ts';

describeDatabases('changing a draft', (open) => {
  let db: Db;
  let actor: Actor;
  let deps: ServiceDeps;
  const published: number[] = [];

  beforeAll(async () => {
    db = await open();
  });
  beforeEach(async () => {
    ({ actor } = await makeProject(db));
    published.length = 0;
    deps = {
      ...{ db, newId, now: () => new Date(), agents: namedAgents({ echo: null }), sources: createSources(db, null) },
      engine: { hold: () => undefined, wake: () => undefined },
      publish: (_id: string, revision: number) => void published.push(revision),
    } as unknown as ServiceDeps;
  });

  async function draft(...names: readonly string[]): Promise<string> {
    const spec = { name: 'a-draft', agent: 'echo', input: { items: names.map((name) => item(name)) } };
    return (await createBatchExecution(deps, actor, { draft: true, source: { spec } })).execution.id;
  }
  const item = (name: string, values: object = {}) => ({ filename: name, text: `text of ${name}`, ...values });
  const add = (batchExecutionId: string, items: AddBatchItemsInput['items'], more: Partial<AddBatchItemsInput> = {}) =>
    addBatchItems(deps, actor, { batchExecutionId, items, ...more });
  const remove = (batchExecutionId: string, what: Partial<RemoveBatchItemsInput>) =>
    removeBatchItems(deps, actor, { batchExecutionId, ...what });
  const draftOf = async (id: string) => (await readDrafts(deps, actor, [id]))[0];

  /** Submits and prepares it; each item's filename and text as an agent would read them. */
  async function whatRuns(id: string): Promise<readonly (readonly [string, string])[]> {
    await submitBatchExecution(deps, actor, { batchExecutionId: id });
    while ((await prepareExecution(deps, id)).more);
    const { total } = await db
      .selectFrom('batchExecution')
      .select('total')
      .where('id', '=', id)
      .executeTakeFirstOrThrow();
    const ordinals = Array.from({ length: total }, (_, ordinal) => ordinal);
    const inputs = await createItemInputs(db, {
      sources: deps.sources,
      fetchDocument: () => Promise.reject(new Error('nothing to fetch')),
    }).load(id, ordinals);
    return await Promise.all(
      ordinals.map(async (ordinal) => {
        const input = inputs.get(ordinal)?.item;
        const text = await input?.text().catch((error: unknown) => String(Reflect.get(Object(error), 'code')));
        return [input?.filename ?? '', text ?? ''] as const;
      }),
    );
  }

  test('what is taken out, by index or by id, does not run, and leaves no hole in what runs', async () => {
    const id = await draft('a', 'b', 'c', 'd', 'e');
    expect(await remove(id, { indexes: [1, 4, 99], dataElementIds: ['item-2', 'item-1', 'nothing'] })).toMatchObject({
      removedCount: 3,
      execution: { id, status: 'DRAFT' },
    });
    expect(await draftOf(id)).toMatchObject({ itemCount: 2, nextIndex: 5 });
    expect(await remove(id, { indexes: [1] })).toMatchObject({ removedCount: 0 });
    expect(published).toHaveLength(1);
    expect(await whatRuns(id)).toEqual([
      ['a', 'text of a'],
      ['d', 'text of d'],
    ]);
  });

  test('a free index takes another item; one that nobody gave is still missing at the submit', async () => {
    const id = await draft('a', 'b', 'c');
    await remove(id, { indexes: [1] });
    await add(id, [item('B')], { firstIndex: 1 });
    expect(await draftOf(id)).toMatchObject({ itemCount: 3, nextIndex: 3 });
    await add(id, [item('e')], { firstIndex: 4 });
    await remove(id, { indexes: [0] });
    await expect(submitBatchExecution(deps, actor, { batchExecutionId: id })).rejects.toThrow('none at index 3');
    await add(id, [item('d')], { firstIndex: 3 });
    expect((await whatRuns(id)).map(([name]) => name)).toEqual(['B', 'c', 'd', 'e']);
  });

  test('items behind a removed one are found in order, also when they came before those in front', async () => {
    const id = await draft();
    await add(id, [item('c'), item('d')], { firstIndex: 2 });
    await remove(id, { indexes: [2] });
    await add(id, [item('a'), item('b')], { firstIndex: 0 });
    expect((await whatRuns(id)).map(([name]) => name)).toEqual(['a', 'b', 'd']);
  });

  test('everything may be taken out, and an empty draft completes', async () => {
    const id = await draft('a', 'b');
    await remove(id, { indexes: [0, 1] });
    expect(await draftOf(id)).toMatchObject({ itemCount: 0 });
    expect(await whatRuns(id)).toEqual([]);
  });

  test('a wrong item is replaced in its place, by its index or by its id, and only when that is asked for', async () => {
    const id = await draft('a', 'b', 'c');
    await add(id, [item('d', { dataElementId: 'own' })]);
    const fixed = [item('D', { dataElementId: 'own' })];
    await expect(add(id, fixed)).rejects.toThrow(ValidationError);
    expect(await add(id, fixed, { replace: true })).toMatchObject({ addedCount: 0, replacedCount: 1 });
    expect(await add(id, fixed, { replace: true })).toMatchObject({ replacedCount: 0, repeatedCount: 1 });
    expect(await add(id, [item('B'), item('c')], { firstIndex: 1, replace: true })).toMatchObject({
      ...{ addedCount: 0, replacedCount: 1, repeatedCount: 1 },
    });
    expect(await draftOf(id)).toMatchObject({ itemCount: 4, nextIndex: 4 });
    // An id that moves to another index leaves its own free.
    await add(id, [item('first', { dataElementId: 'own' })], { firstIndex: 0, replace: true });
    expect(await draftOf(id)).toMatchObject({ itemCount: 3, nextIndex: 4 });
    expect(await whatRuns(id)).toEqual([
      ['first', 'text of first'],
      ['B', 'text of B'],
      ['c', 'text of c'],
    ]);
  });

  test('nothing is taken out of what was submitted, of nothing, or by name of nothing', async () => {
    const id = await draft('a');
    await expect(remove(id, {})).rejects.toThrow(ValidationError);
    await expect(remove(id, { indexes: [-1] })).rejects.toThrow(ValidationError);
    await expect(remove(newId('BatchExecution'), { indexes: [0] })).rejects.toThrow(NotFoundError);
    await submitBatchExecution(deps, actor, { batchExecutionId: id });
    await expect(remove(id, { indexes: [0] })).rejects.toThrow(InvalidStateError);
  });

  async function stored(...names: readonly string[]): Promise<Datasource> {
    const datasource = await createStoredDatasource(deps, actor, { name: `files ${newId('Datasource')}` });
    await addDataElements(deps, actor, { datasourceId: datasource.id, elements: names.map((name) => item(name)) });
    return datasource;
  }
  const addElements = (batchExecutionId: string, datasourceId: string, input: Partial<AddBatchElementsInput>) =>
    addBatchElements(deps, actor, { batchExecutionId, datasourceId, elementIds: [], ...input });

  test('elements are added as far as they are there, the others are reported by their place', async () => {
    const id = await draft('own.txt');
    const { id: from } = await stored('x.txt', 'y.txt', 'z.txt');
    const elementIds = ['z.txt', 'gone.txt', 'x.txt', 'z.txt'];
    expect(await addElements(id, from, { elementIds })).toMatchObject({
      ...{ addedCount: 2, repeatedCount: 1 },
      rejected: [{ place: 1, elementId: 'gone.txt', code: 'element_not_found' }],
    });
    expect(await addElements(id, from, { elementIds })).toMatchObject({ addedCount: 0, repeatedCount: 3 });
    const { id: other } = await stored('x.txt', 'w.txt');
    expect(await addElements(id, other, { elementIds: ['w.txt', 'x.txt'] })).toMatchObject({
      ...{ addedCount: 1, rejected: [{ place: 1, elementId: 'x.txt', code: 'conflict' }] },
    });
    // Read when it runs, not when it was added.
    await addDataElements(deps, actor, { datasourceId: from, elements: [item('x.txt', { text: 'newer' })] });
    expect(await whatRuns(id)).toEqual([
      ['own.txt', 'text of own.txt'],
      ['z.txt', 'text of z.txt'],
      ['x.txt', 'newer'],
      ['w.txt', 'text of w.txt'],
    ]);
  });

  test('without validation everything is added, and what is not there fails when it is read', async () => {
    const id = await draft();
    const { id: from } = await stored('x.txt');
    const elementIds = ['gone.pdf', 'x.txt'];
    expect(await addElements(id, from, { elementIds, skipValidation: true })).toMatchObject({
      ...{ addedCount: 2, rejected: [] },
    });
    expect(await whatRuns(id)).toEqual([
      ['gone.pdf', 'element_not_found'],
      ['x.txt', 'text of x.txt'],
    ]);
  });

  test('elements come from a datasource of the project only, and not from the items of an execution', async () => {
    const id = await draft('a');
    const other = (await makeProject(db)).actor;
    const foreign = await createStoredDatasource(deps, other, { name: 'theirs' });
    await expect(addElements(id, foreign.id, { elementIds: ['x'] })).rejects.toThrow(NotFoundError);
    const own = await draftOf(id);
    await expect(addElements(id, own?.datasourceId ?? '', { elementIds: ['item-0'] })).rejects.toThrow(ValidationError);
    const { id: from } = await stored('x.txt');
    await expect(addElements(id, from, {})).rejects.toThrow(ValidationError);
    await submitBatchExecution(deps, actor, { batchExecutionId: id });
    await expect(addElements(id, from, { elementIds: ['x.txt'] })).rejects.toThrow(InvalidStateError);
  });
});
