import { afterEach, beforeAll, expect, test } from 'vitest';
import { newId } from '../../src/domain/ids.ts';
import type { Db } from '../../src/store/database.ts';
import { appendItems } from '../../src/store/freeze.ts';
import { appendStoredItems } from '../../src/store/freeze-stored.ts';
import { describeDatabases } from '../support/databases.ts';
import { checkWhole, type Harness, startEngine } from '../support/engine-harness.ts';

describeDatabases('an element that was removed and added again while it was frozen', (open) => {
  let db: Db;
  let harness: Harness;
  beforeAll(async () => {
    db = await open();
  });
  afterEach(() => harness.engine.stop());

  test('is one item, and the rest is frozen as well', async () => {
    harness = await startEngine(db, { prepare: () => Promise.resolve({ more: false, revision: null }) });
    const id = await harness.create(0, () => 1);
    // Nothing runs while it is counted.
    await harness.engine.stop();
    const element = (name: string) => ({
      ...{ id: name, datasourceId: newId('Datasource'), filename: name, mediaType: 'text/plain', metadata: null },
      ...{ documentNames: null, sizeBytes: 1, contentHash: 'hash', createdAt: null, updatedAt: null },
    });
    const at = new Date();
    const chunk = (total: number, cursor: string | null, names: string[], next: string, dedupe: boolean) =>
      appendItems(db, id, { from: { total, cursor }, elements: names.map(element), cursor: next, dedupe }, at);
    expect(await chunk(0, null, ['a', 'b'], '1', false)).not.toBeNull();
    await expect(chunk(2, '1', ['b', 'c'], '2', false)).rejects.toMatchObject({ code: '23505' });
    expect(await chunk(2, '1', ['b', 'c'], '2', true)).not.toBeNull();
    // Nothing new at all still moves the cursor.
    expect(await chunk(3, '2', ['a', 'c'], '3', true)).not.toBeNull();
    const frozen = await db
      .selectFrom('batchItemInput')
      .select(['ordinal', 'elementId'])
      .where('executionId', '=', id)
      .orderBy('ordinal')
      .execute();
    expect(frozen.map(({ ordinal, elementId }) => [ordinal, elementId])).toEqual([
      [0, 'a'],
      [1, 'b'],
      [2, 'c'],
    ]);
    await checkWhole(db, id);
  });

  test('also where it is copied inside the database', async () => {
    harness = await startEngine(db, { prepare: () => Promise.resolve({ more: false, revision: null }) });
    const id = await harness.create(0, () => 1);
    // Nothing runs while it is counted.
    await harness.engine.stop();
    const { inputDatasourceId: datasourceId } = await db
      .selectFrom('batchExecution')
      .select('inputDatasourceId')
      .where('id', '=', id)
      .executeTakeFirstOrThrow();
    const add = (name: string) =>
      db
        .insertInto('dataElement')
        .values({
          datasourceId,
          id: name,
          filename: name,
          mediaType: 'text/plain',
          documents: '[]',
          sizeBytes: 0,
          contentHash: 'hash',
        })
        .execute();
    for (const name of ['a', 'b']) await add(name);
    const step = async (dedupe: boolean) => {
      const { total, freezeCursor } = await db
        .selectFrom('batchExecution')
        .select(['total', 'freezeCursor'])
        .where('id', '=', id)
        .executeTakeFirstOrThrow();
      return await appendStoredItems(
        db,
        id,
        { from: { total, cursor: freezeCursor }, datasourceId, elementIds: undefined, limit: 2, dedupe },
        new Date(),
      );
    };
    expect(await step(false)).toMatchObject({ found: 2 });
    await db.deleteFrom('dataElement').where('datasourceId', '=', datasourceId).where('id', '=', 'a').execute();
    await add('a');
    await add('c');
    await expect(step(false)).rejects.toMatchObject({ code: '23505' });
    expect(await step(true)).toMatchObject({ found: 2 });
    const frozen = await db
      .selectFrom('batchItemInput')
      .select('elementId')
      .where('executionId', '=', id)
      .orderBy('ordinal')
      .execute();
    expect(frozen.map(({ elementId }) => elementId)).toEqual(['a', 'b', 'c']);
    await checkWhole(db, id);
  });
});
