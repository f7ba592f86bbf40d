/** Deleting executions: at once for everybody, then row by row. */
import { randomBytes } from 'node:crypto';
import { sql } from 'kysely';
import { beforeAll, beforeEach, expect, test } from 'vitest';
import { newId } from '../../src/domain/ids.ts';
import { InvalidStateError, NotFoundError } from '../../src/domain/user-error.ts';
import { deleteBatchExecution } from '../../src/services/delete-batch-execution.ts';
import { createDeletionSweep, deleteOutlived, sweepDeleted } from '../../src/services/sweep-deleted.ts';
import type { Db } from '../../src/store/database.ts';
import { findExecution } from '../../src/store/execution-rows.ts';
import { setImplicit } from '../../src/store/implicit-definitions.ts';
import { SWEPT, sweepChunk } from '../../src/store/sweep-deleted.ts';
import { describeDatabases } from '../support/databases.ts';
import { addChange, addFailures, addItems, addResults, makeExecutionWith } from '../support/execution-rows.ts';
import { makeProject, type ProjectRows } from '../support/rows.ts';
import { databaseDeps } from '../support/server.ts';
import { until } from '../support/until.ts';

const ENDED = { status: 'COMPLETED', endedAt: new Date(), startedAt: new Date() } as const;
const DAY_MS = 86_400_000;

describeDatabases('deleted executions', (open) => {
  let db: Db;
  let tenant: ProjectRows;
  const published: string[] = [];
  const deps = () => ({ ...databaseDeps(db), publish: (id: string) => published.push(id) });
  beforeAll(async () => {
    db = await open();
  });
  beforeEach(async () => {
    tenant = await makeProject(db);
    published.length = 0;
  });

  const remove = (id: string) => deleteBatchExecution(deps(), tenant.actor, { batchExecutionId: id });

  async function filled(columns: Parameters<typeof makeExecutionWith>[2] = ENDED, items = 5): Promise<string> {
    const id = await makeExecutionWith(db, tenant.projectId, columns);
    await addItems(
      db,
      id,
      Array.from({ length: items }, () => ({ status: 'SUCCEEDED' as const })),
    );
    await addResults(
      db,
      id,
      Array.from({ length: items }, (_, ordinal) => ({ ordinal, data: 1 })),
    );
    await addFailures(db, id, [{ ordinal: 0, attempt: 1 }]);
    await addChange(db, id, 2, [0, 1]);
    return id;
  }

  async function rowsOf(ownerId: string): Promise<number> {
    let total = 0;
    for (const { table, owner } of [...SWEPT.EXECUTION, ...SWEPT.DATASOURCE]) {
      const { rows } = await sql<{ n: number }>`
        select count(*)::int as n from ${sql.table(table)} where ${sql.ref(owner)} = ${ownerId}`.execute(db);
      total += rows[0]?.n ?? 0;
    }
    return total;
  }

  async function inlineOf(id: string, implicit = false): Promise<string> {
    const datasourceId = newId('Datasource');
    const about = { id: datasourceId, projectId: tenant.projectId, name: datasourceId };
    await db
      .insertInto('datasource')
      .values({ ...about, kind: 'INLINE', contentHash: datasourceId })
      .execute();
    const element = { filename: 'a.txt', mediaType: 'text/plain', documents: '[]', sizeBytes: 0, contentHash: 'x' };
    await db
      .insertInto('dataElement')
      .values({ ...element, datasourceId, id: 'item-0' })
      .execute();
    const set = { inputDatasourceId: datasourceId };
    await db.updateTable('batchExecution').set(set).where('id', '=', id).execute();
    const { definitionId } = await db
      .selectFrom('batchExecution')
      .select('definitionId')
      .where('id', '=', id)
      .executeTakeFirstOrThrow();
    const spec = JSON.stringify({ input: { datasourceId } });
    await db.updateTable('batchDefinition').set({ spec, implicit }).where('id', '=', definitionId).execute();
    return datasourceId;
  }

  const datasource = (id: string) => db.selectFrom('datasource').select('id').where('id', '=', id).executeTakeFirst();

  test('every table that hangs on an execution goes with its row, or is swept', async () => {
    const { rows } = await sql<{ table: string; cascades: boolean }>`
      select c.relname as table, exists(select 1 from pg_constraint f where f.conrelid = c.oid and f.contype = 'f'
        and f.confrelid = 'batch_execution'::regclass and f.confdeltype = 'c') as cascades
      from pg_class c join pg_attribute a on a.attrelid = c.oid
      where c.relkind = 'r' and c.relnamespace = 'public'::regnamespace and a.attname = 'execution_id'`.execute(db);
    const swept = new Set<string>(SWEPT.EXECUTION.map(({ table }) => table));
    expect(rows.filter(({ table, cascades }) => cascades === swept.has(table))).toEqual([]);
    const { rows: holding } = await sql<{ table: string }>`
      select conrelid::regclass::text as table from pg_constraint
      where contype = 'f' and confrelid = 'batch_execution'::regclass and confdeltype not in ('c', 'n')`.execute(db);
    expect(holding).toEqual([]);
  });

  test('a deleted execution is gone at once, and its rows after the sweep', async () => {
    const [id, other] = [await filled(), await filled()];
    const before = await rowsOf(other);
    expect(await remove(id)).toBe(id);
    expect(await findExecution(db, tenant.projectId, id)).toBeUndefined();
    expect(published).toEqual([id]);
    expect(await rowsOf(id)).toBeGreaterThan(0);
    await sweepDeleted(deps());
    expect(await rowsOf(id)).toBe(0);
    expect(await rowsOf(other)).toBe(before);
  });

  test('deleting again is a success, before and after the sweep, and tells nobody twice', async () => {
    const id = await filled();
    await remove(id);
    await remove(id);
    await sweepDeleted(deps());
    expect(await remove(id)).toBe(id);
    expect(published).toEqual([id]);
  });

  test('an open execution is refused with a word on how to end it; unknown and foreign ids look alike', async () => {
    const id = await filled({ status: 'RUNNING', startedAt: new Date() });
    await expect(remove(id)).rejects.toThrow(
      new InvalidStateError(
        'The execution is RUNNING; only a DRAFT or one that has ended can be deleted. End it with cancelBatchExecution first.',
        'RUNNING',
      ),
    );
    expect(await findExecution(db, tenant.projectId, id)).toBeDefined();
    const foreign = await makeExecutionWith(db, (await makeProject(db)).projectId, ENDED);
    for (const missing of [foreign, newId('BatchExecution'), 'nonsense']) {
      await expect(remove(missing)).rejects.toThrow(NotFoundError);
    }
    const reader = { ...tenant.actor, role: 'READER' as const };
    await expect(deleteBatchExecution(deps(), reader, { batchExecutionId: id })).rejects.toThrow('MEMBER');
  });

  test('a foreign project does not learn that an id was deleted', async () => {
    const id = await filled();
    await remove(id);
    const { actor } = await makeProject(db);
    await expect(deleteBatchExecution(deps(), actor, { batchExecutionId: id })).rejects.toThrow(NotFoundError);
  });

  test('a draft goes with the datasource that was made for it', async () => {
    const id = await filled({ status: 'DRAFT', sealedAt: null });
    const datasourceId = await inlineOf(id, true);
    await remove(id);
    expect(await datasource(datasourceId)).toBeUndefined();
    await sweepDeleted(deps());
    expect(await rowsOf(datasourceId)).toBe(0);
  });

  test('inline items stay as long as another execution or a definition that was asked for has them', async () => {
    const [one, two] = [await filled(), await filled()];
    const datasourceId = await inlineOf(one);
    await db.updateTable('batchExecution').set({ inputDatasourceId: datasourceId }).where('id', '=', two).execute();
    await remove(one);
    expect(await datasource(datasourceId)).toBeDefined();
    const { definitionId } = await db
      .selectFrom('batchExecution')
      .select('definitionId')
      .where('id', '=', two)
      .executeTakeFirstOrThrow();
    const definitions = db.selectFrom('batchDefinition').select('deletedAt').where('id', '=', definitionId);
    // The definition that names them was asked for: it is that of `one`, which is there without an execution.
    await remove(two);
    expect(await datasource(datasourceId)).toBeDefined();
    expect(await definitions.executeTakeFirst()).toEqual({ deletedAt: null });
  });

  test('inline items and the definition that came with them go with the last execution', async () => {
    const id = await filled();
    const datasourceId = await inlineOf(id);
    const { definitionId } = await db
      .selectFrom('batchExecution')
      .select('definitionId')
      .where('id', '=', id)
      .executeTakeFirstOrThrow();
    await db.transaction().execute((tx) => setImplicit(tx, definitionId, true));
    await remove(id);
    expect(await datasource(datasourceId)).toBeUndefined();
    expect(
      await db.selectFrom('batchDefinition').select('deletedAt').where('id', '=', definitionId).executeTakeFirst(),
    ).toEqual({ deletedAt: expect.any(Date) });
  });

  test('a named datasource stays', async () => {
    const id = await filled();
    const execution = await findExecution(db, tenant.projectId, id);
    await remove(id);
    expect(await datasource(execution?.inputDatasourceId ?? '')).toBeDefined();
  });

  test('a sweep that was cut off goes on, and chunks miss nothing where an ordinal has many rows', async () => {
    const id = await filled(ENDED, 30);
    await addFailures(
      db,
      id,
      Array.from({ length: 20 }, (_, attempt) => ({ ordinal: 7, attempt: attempt + 2 })),
    );
    await remove(id);
    const failures = SWEPT.EXECUTION.find(({ table }) => table === 'item_failure');
    if (failures === undefined) throw new Error('item failures are not swept');
    let from: number | null = 0;
    for (let chunks = 0; from !== null && chunks < 3; chunks += 1)
      from = await sweepChunk(db, id, failures, from, { rows: 4, bytes: 1 });
    expect(from).toBe(7);
    await sweepDeleted(deps());
    expect(await rowsOf(id)).toBe(0);
  });

  test('large rows go few at a time, and none is too large to go', async () => {
    const id = await makeExecutionWith(db, tenant.projectId, ENDED);
    // Random, so that it is stored as large as it is.
    const data = () => randomBytes(30_000).toString('base64');
    await addResults(
      db,
      id,
      Array.from({ length: 5 }, (_, ordinal) => ({ ordinal, data: data() })),
    );
    await remove(id);
    const results = SWEPT.EXECUTION.find(({ table }) => table === 'item_result');
    if (results === undefined) throw new Error('results are not swept');
    const left: number[] = [];
    let from: number | null = 0;
    while (from !== null) {
      from = await sweepChunk(db, id, results, from, { rows: 100, bytes: 50_000 });
      left.push(await rowsOf(id));
    }
    expect(left).toEqual([3, 1, 0]);
  });

  test('what was deleted before a start is swept by itself, and a stop waits for the chunk', async () => {
    const id = await filled();
    await remove(id);
    const sweep = createDeletionSweep(deps(), null, (error) => {
      throw error;
    });
    sweep.start();
    sweep.start();
    await until(async () => (await rowsOf(id)) === 0);
    await sweep.stop();
    await sweep.stop();
  });

  test('what has outlived its retention is deleted: the project decides, else the service, else nothing', async () => {
    const at = (days: number) => new Date(Date.now() - days * DAY_MS);
    const end = (days: number) => ({ ...ENDED, createdAt: at(days), endedAt: at(days) });
    const [old, young] = [await filled(end(10)), await filled(end(3))];
    const open = await filled({ status: 'RUNNING', startedAt: at(50), createdAt: at(50) });
    const left = async () =>
      new Set(
        (await db.selectFrom('batchExecution').select('id').where('projectId', '=', tenant.projectId).execute()).map(
          (row) => row.id,
        ),
      );
    await deleteOutlived(deps(), null);
    expect(await left()).toEqual(new Set([old, young, open]));
    await deleteOutlived(deps(), 7);
    expect(await left()).toEqual(new Set([young, open]));
    expect(published).toEqual([old]);
    await db.updateTable('project').set({ retentionDays: 30 }).where('id', '=', tenant.projectId).execute();
    await deleteOutlived(deps(), 1);
    expect(await left()).toEqual(new Set([young, open]));
    await db.updateTable('project').set({ retentionDays: 2 }).where('id', '=', tenant.projectId).execute();
    await deleteOutlived(deps(), null);
    expect(await left()).toEqual(new Set([open]));
  });
});
