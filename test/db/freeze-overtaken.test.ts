import { afterEach, beforeAll, expect, test } from 'vitest';
import { prepareExecution } from '../../src/services/prepare-execution.ts';
import type { Db } from '../../src/store/database.ts';
import { appendStoredItems } from '../../src/store/freeze-stored.ts';
import { requestCancel } from '../../src/store/request-cancel.ts';
import { describeDatabases } from '../support/databases.ts';
import { checkWhole, type Harness, startEngine } from '../support/engine-harness.ts';

describeDatabases('a chunk of stored elements that comes too late', (open) => {
  let db: Db;
  let harness: Harness;
  beforeAll(async () => {
    db = await open();
  });
  afterEach(() => harness.engine.stop());

  /** An execution of three elements of which nothing is frozen yet, and how to freeze two of them. */
  async function unfrozen() {
    harness = await startEngine(db, { prepare: () => Promise.resolve({ more: false, revision: null }) });
    const id = await harness.create(0, () => 1);
    await harness.engine.stop();
    const { inputDatasourceId: datasourceId } = await db
      .selectFrom('batchExecution')
      .select('inputDatasourceId')
      .where('id', '=', id)
      .executeTakeFirstOrThrow();
    for (const name of ['a', 'b', 'c']) {
      const element = {
        datasourceId,
        id: name,
        filename: name,
        mediaType: 'text/plain',
        sizeBytes: 0,
        contentHash: 'hash',
      };
      await db
        .insertInto('dataElement')
        .values({ ...element, documents: '[]' })
        .execute();
    }
    const from = { total: 0, cursor: null };
    const freeze = () => appendStoredItems(db, id, { from, datasourceId, elementIds: undefined, limit: 2 }, new Date());
    return { id, freeze };
  }

  /** How to prepare it by one step: its datasource is then a STORED one. */
  async function stepsOf(id: string, now = () => new Date()) {
    const { inputDatasourceId } = await readRow(id);
    await db
      .updateTable('datasource')
      .set({ kind: 'STORED', folderPath: null, folderGlob: null })
      .where('id', '=', inputDatasourceId)
      .execute();
    return () => prepareExecution({ db, sources: harness.deps.sources, now }, id);
  }

  const readRow = (id: string) =>
    db.selectFrom('batchExecution').selectAll().where('id', '=', id).executeTakeFirstOrThrow();
  const inputsOf = async (id: string) =>
    (await db.selectFrom('everyInput').select('elementId').where('executionId', '=', id).execute()).length;

  test('behind a cancel leaves nothing', async () => {
    const { id, freeze } = await unfrozen();
    const request = { mode: 'ABORT', reason: null, now: new Date() } as const;
    expect(await requestCancel(db, harness.actor.projectId, id, request)).not.toBeNull();
    expect(await freeze()).toMatchObject({ revision: null });
    expect(await inputsOf(id)).toBe(0);
    await checkWhole(db, id);
  });

  test('behind the same chunk of another process leaves that', async () => {
    const { id, freeze } = await unfrozen();
    expect((await freeze()).revision).not.toBeNull();
    expect(await freeze()).toMatchObject({ revision: null });
    expect(await inputsOf(id)).toBe(2);
    await checkWhole(db, id);
  });

  test('is not the last one that is in: that is sealed in the same step, whoever else freezes at once', async () => {
    const { id } = await unfrozen();
    const step = await stepsOf(id);
    const answers = await Promise.all([step(), step()]);
    expect(answers).toContainEqual({ more: false, revision: expect.any(Number), ends: false });
    expect(await readRow(id)).toMatchObject({ status: 'QUEUED', total: 3, sealedAt: expect.any(Date) });
    expect(await inputsOf(id)).toBe(3);
    await checkWhole(db, id);
  });

  test('behind a deadline that then moves is not taken for the end of the datasource', async () => {
    const { id } = await unfrozen();
    const [early, deadlineAt, late] = [1, 2, 3].map((second) => new Date(Date.UTC(2020, 0, 1, 0, 0, second)));
    await db.updateTable('batchExecution').set({ deadlineAt }).where('id', '=', id).execute();
    // The second look at the clock stands for a deadline that was moved between the chunk and the seal.
    const times = [late, early];
    const step = await stepsOf(id, () => times.shift() ?? early ?? new Date());
    expect(await step()).toMatchObject({ more: false, revision: null });
    expect(await readRow(id)).toMatchObject({ status: 'PREPARING', sealedAt: null });
    await step();
    expect(await readRow(id)).toMatchObject({ status: 'QUEUED', total: 3, sealedAt: expect.any(Date) });
    await checkWhole(db, id);
  });
});
