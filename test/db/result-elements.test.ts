/** Results as elements, below the schema: what is read of them, by whom, and what it costs. */
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createSources } from '../../src/datasources/sources.ts';
import { itemId, newId } from '../../src/domain/ids.ts';
import type { Datasource } from '../../src/domain/model.ts';
import { prepareExecution } from '../../src/services/prepare-execution.ts';
import type { Db } from '../../src/store/database.ts';
import { openPostgres } from '../../src/store/postgres.ts';
import { describeDatabases, type FreshDatabase, freshPostgres } from '../support/databases.ts';
import { makeExecution, makeItems, makeProject } from '../support/rows.ts';

/** An execution of whose items all but the `open` ones have succeeded, with results in `output`, made at that second. */
async function makeResults(
  db: Db,
  projectId: string,
  output: string,
  total: number,
  second: number,
  open: { readonly from: number; readonly to: number } = { from: 0, to: 0 },
): Promise<string> {
  const id = await makeExecution(db, projectId);
  await makeItems(db, id, total);
  const createdAt = new Date(Date.UTC(2020, 0, 1, 0, 0, second));
  await sql`update batch_execution set output_datasource_id = ${output}, created_at = ${createdAt},
    queued = ${open.to - open.from}::int, succeeded = ${total - open.to + open.from}::int where id = ${id}`.execute(db);
  await sql`update batch_item set status = 'SUCCEEDED', ended_at = now() where execution_id = ${id}
    and not (ordinal >= ${open.from} and ordinal < ${open.to})`.execute(db);
  await addRound(db, id, 0, 'first');
  return id;
}

const addRound = (db: Db, id: string, round: number, text: string) =>
  sql`insert into item_result (execution_id, ordinal, tier, round, attempt, data)
    select execution_id, ordinal, 0, ${round}::int, 1, to_json(${text}::text || ' ' || ordinal) from batch_item
    where execution_id = ${id}`.execute(db);

async function makeOutput(db: Db, projectId: string): Promise<Datasource> {
  const datasource = { id: newId('Datasource'), projectId, kind: 'RESULTS' as const, name: newId('Datasource') };
  await db.insertInto('datasource').values(datasource).execute();
  return { ...datasource, description: null, folder: null, createdAt: new Date() };
}

/** An execution that is to read a datasource, made at the given second. */
async function makeReader(db: Db, projectId: string, datasourceId: string, second: number): Promise<string> {
  const id = await makeExecution(db, projectId, { status: 'PREPARING' });
  await db.updateTable('batchExecution').set({ inputDatasourceId: datasourceId }).where('id', '=', id).execute();
  await sql`update batch_execution set created_at = ${new Date(Date.UTC(2020, 0, 1, 0, 0, second))} where id = ${id}`.execute(
    db,
  );
  return id;
}

async function freezeAll(db: Db, id: string): Promise<void> {
  const deps = { db, sources: createSources(db, null), now: () => new Date() };
  while ((await prepareExecution(deps, id)).more);
}

const frozenOf = async (db: Db, id: string): Promise<string[]> => {
  const rows = await db
    .selectFrom('everyInput')
    .select('elementId')
    .where('executionId', '=', id)
    .orderBy('ordinal')
    .execute();
  return rows.map(({ elementId }) => elementId);
};

describeDatabases('results as elements', (open) => {
  let db: Db;
  beforeAll(async () => {
    db = await open();
  });

  test('an execution takes nothing of itself or of what was made after it, by copying and by listing', async () => {
    const { projectId } = await makeProject(db);
    const output = await makeOutput(db, projectId);
    const [early, late] = [
      await makeResults(db, projectId, output.id, 3, 1),
      await makeResults(db, projectId, output.id, 2, 5),
    ];
    const expected = [0, 1, 2].map((ordinal) => itemId(early, ordinal));
    const copied = await makeReader(db, projectId, output.id, 3);
    // As if it wrote to what it reads, and had results before it has read all.
    await db.updateTable('batchExecution').set({ outputDatasourceId: output.id }).where('id', '=', copied).execute();
    await freezeAll(db, copied);
    expect(await frozenOf(db, copied)).toEqual(expected);

    const listed = await makeReader(db, projectId, output.id, 3);
    await sql`update batch_execution set spec = jsonb_set(spec::jsonb, '{input,filters}', '{"regex": "."}')::json
      where id = ${listed}`.execute(db);
    await freezeAll(db, listed);
    expect(await frozenOf(db, listed)).toEqual(expected);
    const all = await createSources(db, null).page(output, {}, null, 100);
    expect(all.elements.map(({ id }) => id)).toEqual([...expected, itemId(late, 0), itemId(late, 1)]);
  });

  test('items that have not succeeded are passed over, however many, and the end is found', async () => {
    const { projectId } = await makeProject(db);
    const output = await makeOutput(db, projectId);
    const sources = createSources(db, null);
    const pages = async (limit: number): Promise<string[]> => {
      const ids: string[] = [];
      for (let cursor: string | null = null; ; ) {
        const page = await sources.page(output, {}, cursor, limit);
        ids.push(...page.elements.map(({ id }) => id));
        cursor = page.cursor;
        if (cursor === null) return ids;
      }
    };
    const frozen = async (second: number): Promise<string[]> => {
      const reader = await makeReader(db, projectId, output.id, second);
      await freezeAll(db, reader);
      return await frozenOf(db, reader);
    };
    await makeResults(db, projectId, output.id, 5, 1, { from: 0, to: 5 });
    expect([await frozen(2), await pages(3)]).toEqual([[], []]);
    const id = await makeResults(db, projectId, output.id, 4_000, 3, { from: 3, to: 3_998 });
    await makeResults(db, projectId, output.id, 200, 4, { from: 0, to: 200 });
    const last = await makeResults(db, projectId, output.id, 1, 5);
    const expected = [...[0, 1, 2, 3_998, 3_999].map((ordinal) => itemId(id, ordinal)), itemId(last, 0)];
    expect(await frozen(6)).toEqual(expected);
    for (const limit of [1, 2, 5, 6, 1_000]) expect(await pages(limit), String(limit)).toEqual(expected);
  });

  test('a chunk in which another process found nothing, and this one then does, is not taken for the last', async () => {
    const { projectId } = await makeProject(db);
    const output = await makeOutput(db, projectId);
    // The first chunk looks at 200 items.
    const id = await makeResults(db, projectId, output.id, 300, 1, { from: 0, to: 200 });
    const reader = await makeReader(db, projectId, output.id, 2);
    const deps = { db, sources: createSources(db, null), now: () => new Date() };
    let reads = 0;
    const overtaken = db.withPlugin({
      transformQuery: ({ node }) => node,
      transformResult: async ({ result }) => {
        reads += 1;
        if (reads !== 2) return result;
        // It knows where the execution stands, and has not begun with the chunk.
        expect(await prepareExecution(deps, reader)).toMatchObject({ more: true });
        await sql`update batch_item set status = 'SUCCEEDED', ended_at = now()
          where execution_id = ${id} and ordinal >= 100`.execute(db);
        return result;
      },
    });
    await prepareExecution({ ...deps, db: overtaken }, reader);
    await freezeAll(db, reader);
    expect(await frozenOf(db, reader)).toEqual(Array.from({ length: 100 }, (_, n) => itemId(id, 200 + n)));
  });

  test('an execution that is deleted while it is read takes along what was not read of it, and nothing else', async () => {
    const { projectId } = await makeProject(db);
    const output = await makeOutput(db, projectId);
    const gone = await makeResults(db, projectId, output.id, 300, 1);
    const kept = await makeResults(db, projectId, output.id, 2, 2);
    const [reader, deps] = [
      await makeReader(db, projectId, output.id, 3),
      { db, sources: createSources(db, null), now: () => new Date() },
    ];
    const { sources } = deps;
    const page = await sources.page(output, {}, null, 1);
    expect((await prepareExecution(deps, reader)).more).toBe(true);
    const before = await frozenOf(db, reader);
    expect(before.length).toBeLessThan(300);
    await sql`update batch_execution set output_datasource_id = null where id = ${gone}`.execute(db);
    await sql`delete from batch_execution where id = ${gone}`.execute(db);
    await freezeAll(db, reader);
    expect(await frozenOf(db, reader)).toEqual([...before, itemId(kept, 0), itemId(kept, 1)]);
    const next = await sources.page(output, {}, page.cursor, 10);
    expect(next.elements.map(({ id }) => id)).toEqual([itemId(kept, 0), itemId(kept, 1)]);
  });

  test('an element is what its item has from the newest round, and is read also while the item runs again', async () => {
    const { projectId } = await makeProject(db);
    const output = await makeOutput(db, projectId);
    const id = await makeResults(db, projectId, output.id, 2, 1);
    const sources = createSources(db, null);
    const textOf = async (ordinal: number) =>
      (await sources.read(output, itemId(id, ordinal))).documents.map(({ text, mediaType }) => [text, mediaType]);
    expect(await textOf(1)).toEqual([['first 1', 'text/plain']]);
    await addRound(db, id, 1, 'second');
    expect(await textOf(1)).toEqual([['second 1', 'text/plain']]);
    await sql`update batch_item set status = 'QUEUED', ended_at = null where execution_id = ${id} and ordinal = 1`.execute(
      db,
    );
    expect(await textOf(1)).toEqual([['second 1', 'text/plain']]);
    expect((await sources.page(output, {}, null, 10)).elements.map((element) => element.id)).toEqual([itemId(id, 0)]);
    expect(await sources.find(output, itemId(id, 1))).toBeNull();
  });

  test('nobody reads a result through a datasource that does not gather it', async () => {
    const [mine, theirs] = [await makeProject(db), await makeProject(db)];
    const output = await makeOutput(db, mine.projectId);
    const other = await makeOutput(db, theirs.projectId);
    const id = await makeResults(db, theirs.projectId, other.id, 1, 1);
    const sources = createSources(db, null);
    expect(await sources.find(other, itemId(id, 0))).not.toBeNull();
    expect(await sources.find(output, itemId(id, 0))).toBeNull();
    expect((await sources.page(output, { elementIds: [itemId(id, 0)] }, null, 10)).elements).toEqual([]);
    await expect(sources.read(output, itemId(id, 0))).rejects.toMatchObject({ code: 'element_not_found' });
    for (const elementId of ['', 'x', id, itemId(id, 9), `${itemId(id, 0)}0`]) {
      await expect(sources.read(other, elementId), elementId).rejects.toMatchObject({ code: 'element_not_found' });
    }
  });
});

/** Whether the server plans each statement anew for its parameters, or keeps one plan for any: it does both by itself. */
describe.each(['force_custom_plan', 'force_generic_plan'])('freezing results (%s)', (mode) => {
  const ITEMS = 10_000;
  const SMALL = 200;
  let fresh: FreshDatabase;
  let db: Db;
  let close: () => Promise<void>;
  beforeAll(async () => {
    fresh = await freshPostgres();
    const url = new URL(fresh.url ?? '');
    url.searchParams.set('options', `-c plan_cache_mode=${mode}`);
    // One connection, whose statistics the test can see.
    ({ db, close } = await openPostgres({ url: url.href, poolSize: 1, onIdleError: () => undefined }));
  });
  afterAll(async () => {
    await close();
    await fresh.close();
  });

  /** Rows of the item tables that were read until now. */
  const read = async (): Promise<number> => {
    await sql`select pg_stat_force_next_flush()`.execute(db);
    const { rows } = await sql<{ read: number }>`select sum(seq_tup_read + coalesce(idx_tup_fetch, 0))::int as read
      from pg_stat_user_tables where relname in ('batch_item', 'batch_item_input', 'item_result', 'batch_execution')`.execute(
      db,
    );
    return rows[0]?.read ?? 0;
  };

  test.each(['without statistics', 'with those of an execution that has ended'])(
    'reads each result a few times, of one large execution and of many small ones, %s',
    async (when) => {
      const { projectId } = await makeProject(db);
      if (when.startsWith('with those')) {
        await makeResults(db, projectId, (await makeOutput(db, projectId)).id, 2_000, 0);
        await sql`analyze`.execute(db);
      }
      const output = await makeOutput(db, projectId);
      await makeResults(db, projectId, output.id, ITEMS, 1);
      for (let n = 0; n < SMALL; n += 1) await makeResults(db, projectId, output.id, 1, 2);
      const reader = await makeReader(db, projectId, output.id, 3);
      const before = await read();
      await freezeAll(db, reader);
      // The item, its input, its result, and what the new items read of themselves.
      expect((await read()) - before).toBeLessThan((ITEMS + SMALL) * 6);
      expect(await frozenOf(db, reader)).toHaveLength(ITEMS + SMALL);
    },
  );
});
