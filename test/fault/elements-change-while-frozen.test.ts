import { type Kysely, sql } from 'kysely';
import { afterEach, beforeAll, expect, test } from 'vitest';
import { up as fixSets } from '../../migrations/0010_fixed_sets.ts';
import { createStoredSource } from '../../src/datasources/stored-source.ts';
import { newId } from '../../src/domain/ids.ts';
import type { InputFilters } from '../../src/domain/spec.ts';
import { prepareExecution } from '../../src/services/prepare-execution.ts';
import { insertExecution } from '../../src/store/create-execution.ts';
import type { Db } from '../../src/store/database.ts';
import { describeDatabases } from '../support/databases.ts';
import { checkWhole, type Harness, startEngine } from '../support/engine-harness.ts';

/** More than a first chunk. */
const ELEMENTS = 250;

describeDatabases('a datasource that changes while an execution takes its elements', (open) => {
  let db: Db;
  let harness: Harness;
  beforeAll(async () => {
    db = await open();
  });
  afterEach(() => harness.engine.stop());

  /** An execution of a STORED datasource of `ELEMENTS` elements, of which nothing is frozen yet. */
  async function unfrozen(filters: InputFilters) {
    harness = await startEngine(db, { prepare: () => Promise.resolve({ more: false, revision: null }) });
    const model = await harness.create(0, () => 1);
    await harness.engine.stop();
    const { spec, definitionId, projectId } = await db
      .selectFrom('batchExecution')
      .select(['spec', 'definitionId', 'projectId'])
      .where('id', '=', model)
      .executeTakeFirstOrThrow();
    const [id, datasourceId] = [newId('BatchExecution'), newId('Datasource')];
    await db
      .insertInto('datasource')
      .values({ id: datasourceId, projectId, kind: 'STORED', name: datasourceId })
      .execute();
    const add = (...names: readonly string[]) =>
      db
        .insertInto('dataElement')
        .values(
          names.map((name) => ({
            ...{ datasourceId, id: name, filename: name, mediaType: 'text/plain' },
            ...{ documents: '[]', sizeBytes: 0, contentHash: 'hash' },
          })),
        )
        .execute();
    const remove = (name: string) =>
      db.deleteFrom('dataElement').where('datasourceId', '=', datasourceId).where('id', '=', name).execute();
    await add(...Array.from({ length: ELEMENTS }, (_, index) => `e${index}`));
    await db.transaction().execute((tx) =>
      insertExecution(tx, {
        ...{ id, projectId, definitionId, name: 'a-batch', metadata: null, inputOverrides: null },
        spec: { ...spec, input: { datasourceId, filters } },
        ...{ idempotencyKey: null, requestHash: null, createdBy: harness.actor.keyId, createdAt: new Date() },
        ...{ deadlineAt: null, priority: 0, sampleSize: null, toleratedFailures: null, toleratedFailurePercent: null },
      }),
    );
    const sources = createStoredSource(db, () => Promise.reject(new Error('not part of this test')));
    const step = () => prepareExecution({ db, sources, now: () => new Date() }, id);
    return { id, add, remove, step };
  }

  const frozen = async (id: string): Promise<string[]> => {
    const query = db.selectFrom('everyInput').select('elementId').where('executionId', '=', id).orderBy('ordinal');
    return (await query.execute()).map(({ elementId }) => elementId);
  };

  test.each<[string, InputFilters]>([
    ['copied inside the database', {}],
    ['looked through by a filter', { regex: '^e' }],
  ])('is taken as it was when the execution was created: %s', async (_, filters) => {
    const { id, add, remove, step } = await unfrozen(filters);
    await add('later');
    expect(await step()).toMatchObject({ more: true });
    // One that is an item already, and one that is not yet: both come again behind what the execution takes.
    await remove('e0');
    await remove(`e${ELEMENTS - 1}`);
    await add('e0', `e${ELEMENTS - 1}`);
    while ((await step()).more);
    expect(await frozen(id)).toEqual(Array.from({ length: ELEMENTS - 1 }, (_element, index) => `e${index}`));
    await checkWhole(db, id);
  });

  test('is taken once, too, when the execution was being prepared before sets were fixed', async () => {
    const { id, add, remove, step } = await unfrozen({});
    await step();
    await remove('e0');
    await add('later', 'e0', 'latest');
    await sql`alter table batch_execution drop column freeze_until`.execute(db);
    await sql`alter table batch_item_input add unique (execution_id, element_id)`.execute(db);
    await fixSets(db as Kysely<unknown>);
    while ((await step()).more);
    expect(await frozen(id)).toEqual([...Array.from({ length: ELEMENTS }, (_, index) => `e${index}`), 'later']);
    await checkWhole(db, id);
  });
});
