import { sql } from 'kysely';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { RetrySelection } from '../../src/domain/retry-selection.ts';
import { prepareExecution } from '../../src/services/prepare-execution.ts';
import type { Db } from '../../src/store/database.ts';
import { appendStoredItems } from '../../src/store/freeze-stored.ts';
import { findItemOfElement } from '../../src/store/item-of-element.ts';
import { listItems } from '../../src/store/item-reads.ts';
import { takeLane } from '../../src/store/lanes.ts';
import { openPostgres } from '../../src/store/postgres.ts';
import { itemsOf, mayTake, tallyRound } from '../../src/store/round-selection.ts';
import { type FreshDatabase, freshPostgres } from '../support/databases.ts';
import { type Harness, startEngine } from '../support/engine-harness.ts';
import { makeExecution, makeItems, makeProject } from '../support/rows.ts';

const ITEMS = 10_000;
/** Each item is fetched once by a claim and once by a flush; starts that were flushed alone come on top. */
const FETCHES = 5;
/** Those of one tier share rows, those of two have a row each. */
const TIERS = [1, 2];
const COUNTED = ['batch_item', 'item_stretch', 'batch_item_input'];

const isFew = (read: number): boolean => read < ITEMS * FETCHES;

/** Whether the server plans each statement anew for its parameters, or keeps one plan for any: it does both by itself. */
describe.each(['force_custom_plan', 'force_generic_plan'])('the statements of a run (%s)', (mode) => {
  let fresh: FreshDatabase;
  let db: Db;
  let close: () => Promise<void>;
  let harness: Harness;
  beforeEach(async () => {
    fresh = await freshPostgres();
    const url = new URL(fresh.url ?? '');
    url.searchParams.set('options', `-c plan_cache_mode=${mode}`);
    // One connection, whose statistics the test can see.
    ({ db, close } = await openPostgres({ url: url.href, poolSize: 1, onIdleError: () => undefined }));
    harness = await startEngine(db);
  });
  afterEach(async () => {
    await harness.engine.stop();
    await close();
    await fresh.close();
  });

  const run = async (total: number, tiers = 1, data: unknown = { ok: true }): Promise<string> => {
    const agents = Array.from({ length: tiers }, () => () => Promise.resolve(data));
    const id = await harness.create(total, agents, { concurrency: 100 });
    expect((await harness.ended(id, 60_000)).status).toBe('COMPLETED');
    return id;
  };

  /** Rows of these tables that were read since `forget`. */
  const readOf = async (...tables: readonly string[]): Promise<number> => {
    await sql`select pg_stat_force_next_flush()`.execute(db);
    const { rows } = await sql<{ read: number }>`select sum(seq_tup_read + coalesce(idx_tup_fetch, 0))::int as read
      from pg_stat_user_tables where relname = any(${[...tables]}::text[])`.execute(db);
    return rows[0]?.read ?? 0;
  };

  test.each(TIERS)('look items of %i tiers up by key where there are no statistics', async (tiers) => {
    await run(ITEMS, tiers);
    for (const table of COUNTED) expect([table, await readOf(table)]).toEqual([table, expect.toSatisfy(isFew)]);
  });

  test.each(TIERS)('and of %i where they know only an execution that has ended', async (tiers) => {
    await run(2_000, tiers);
    await sql`analyze`.execute(db);
    const before = new Map<string, number>();
    for (const table of COUNTED) before.set(table, await readOf(table));
    await run(ITEMS, tiers);
    for (const table of COUNTED) {
      const read = (await readOf(table)) - (before.get(table) ?? 0);
      expect([table, read]).toEqual([table, expect.toSatisfy(isFew)]);
    }
  });

  test('and of one with large results where they know that hardly any item has a row', async () => {
    await run(2_000);
    await sql`analyze`.execute(db);
    // Their plans are made while there are few rows, and are kept.
    for (let times = 0; times < 8; times += 1) await run(2, 1, 'x'.repeat(3_000));
    const before = await readOf('batch_item');
    await run(ITEMS, 1, 'x'.repeat(3_000));
    expect((await readOf('batch_item')) - before).toBeLessThan(ITEMS * FETCHES);
  });

  test.each(['none', 'those of an execution that has ended'])(
    'look up what a dead node held and nothing else (statistics: %s)',
    async (statistics) => {
      const { projectId } = await makeProject(db);
      if (statistics !== 'none') {
        await run(2_000);
        await sql`analyze`.execute(db);
      }
      const id = await makeExecution(db, projectId);
      await makeItems(db, id, ITEMS);
      const claim = Array.from({ length: 1_000 }, (_, index) => index * 3);
      const lane = { executionId: id, no: 0, share: 10, owner: 'dead', claim };
      await db.insertInto('executionLane').values(lane).execute();
      const before = await readOf('batch_item');
      const taken = await takeLane(db, id, 0, 'alive', () => Promise.resolve(false), new Date());
      expect(taken?.items.map(({ ordinal }) => ordinal)).toEqual(claim);
      // Each by its key: for itself, and to see that it is not one of those without a row.
      expect((await readOf('batch_item')) - before).toBe(2 * claim.length);
    },
  );

  test('copy the elements of a datasource that the statistics do not know chunk by chunk', async () => {
    const known = await datasourceOf(await run(0));
    await addElements(known, 2_000);
    await sql`analyze`.execute(db);
    const id = await unprepared();
    const datasourceId = await datasourceOf(id);
    await addElements(datasourceId, ITEMS);
    const before = await readOf('data_element');
    let cursor: string | null = null;
    for (let total = 0; total < ITEMS; total += 500) {
      const chunk = { from: { total, cursor }, datasourceId, elementIds: undefined, limit: 500 };
      expect((await appendStoredItems(db, id, chunk, new Date())).revision).not.toBeNull();
      const row = await db.selectFrom('batchExecution').select('freezeCursor').where('id', '=', id).executeTakeFirst();
      cursor = row?.freezeCursor ?? null;
    }
    expect((await readOf('data_element')) - before).toBeLessThan(ITEMS * 2);
  });

  test('look inputs up one by one for the filename of a retry, instead of comparing all with all', async () => {
    await run(200);
    await sql`analyze`.execute(db);
    const id = await unprepared();
    const datasourceId = await datasourceOf(id);
    await addElements(datasourceId, ITEMS);
    const chunk = { from: { total: 0, cursor: null }, datasourceId, elementIds: undefined, limit: ITEMS };
    await appendStoredItems(db, id, chunk, new Date());
    await sql`insert into batch_item (execution_id, ordinal, status, revision, ended_at, error_category, error_code, error_transient)
      select ${id}, n, 'FAILED', 2, now(), 'TIMEOUT', 'timeout', true from generate_series(0, ${ITEMS - 1}::int) n`.execute(
      db,
    );
    const selection: RetrySelection = {
      ...{ mode: 'ALL', statuses: ['FAILED'], tiers: null, errorCodes: null, ordinals: null, maxRetryCount: null },
      ...{ errorCategories: null, filter: { filename: '9999' } },
    };
    expect((await tallyRound(db, id, ITEMS, selection)).taken).toBe(1);
    const filter = { filename: '9999', tier: [0] };
    const page = { limit: 10, backward: false, after: null };
    expect(await listItems(db, harness.actor.projectId, id, filter, page)).toHaveLength(1);
    const before = await readOf('data_element');
    await sql`select count(*) from ${itemsOf(id, selection, 0, ITEMS)}
      where ${mayTake(selection)} and strpos(n.filename, '9999') > 0`.execute(db);
    expect((await readOf('data_element')) - before).toBeLessThan(ITEMS * 2);
  });

  test('have new statistics after many inputs were copied, and no others than before where none were', async () => {
    const analyzed = async (): Promise<number> => {
      await sql`select pg_stat_force_next_flush()`.execute(db);
      const { rows } = await sql<{ times: number }>`select analyze_count::int as times from pg_stat_user_tables
        where relname = 'batch_item_input'`.execute(db);
      return rows[0]?.times ?? 0;
    };
    await run(2_000);
    expect(await analyzed()).toBe(1);
    const id = await unprepared();
    const datasourceId = await datasourceOf(id);
    await sql`update datasource set kind = 'STORED', folder_path = null, folder_glob = null where id = ${datasourceId}`.execute(
      db,
    );
    await addElements(datasourceId, 2_000);
    const parts = { db, sources: harness.deps.sources, now: () => new Date(), kind: 'postgres' } as const;
    for (let more = true; more; ) ({ more } = await prepareExecution(parts, id));
    expect(await harness.read(id)).toMatchObject({ status: 'QUEUED', total: 2_000, sealedAt: expect.any(Date) });
    expect(await analyzed()).toBe(1);
  });

  test('find the item of an element by its place, not by looking through all items', async () => {
    const id = await unprepared();
    const datasourceId = await datasourceOf(id);
    await addElements(datasourceId, ITEMS);
    for (let total = 0; total < ITEMS; total += 5_000) {
      const row = await db.selectFrom('batchExecution').select('freezeCursor').where('id', '=', id).executeTakeFirst();
      const from = { total, cursor: row?.freezeCursor ?? null };
      await appendStoredItems(db, id, { from, datasourceId, elementIds: undefined, limit: 5_000 }, new Date());
    }
    const find = (elementId: string) => findItemOfElement(db, harness.actor.projectId, id, elementId);
    const before = await readOf('batch_item_input', 'data_element');
    for (const n of [1, 2, 4_321, ITEMS]) expect(await find(`element-${n}`)).toMatchObject({ ordinal: n - 1 });
    expect((await readOf('batch_item_input', 'data_element')) - before).toBeLessThan(ITEMS / 10);
    // Where elements on the way are gone, or the element itself is, all of them are looked through.
    await sql`delete from data_element where datasource_id = ${datasourceId} and position % 2 = 0`.execute(db);
    for (const n of [1, 2, 3, 4_321, 4_322]) expect(await find(`element-${n}`)).toMatchObject({ ordinal: n - 1 });
    expect(await find('element-0')).toBeUndefined();
  });

  const datasourceOf = async (id: string): Promise<string> => {
    const query = db.selectFrom('batchExecution').select('inputDatasourceId').where('id', '=', id);
    return (await query.executeTakeFirstOrThrow()).inputDatasourceId;
  };

  /** An execution that nobody prepares. */
  const unprepared = async (): Promise<string> => {
    await harness.engine.stop();
    harness = await startEngine(db, { prepare: () => Promise.resolve({ more: false, revision: null }) });
    const id = await harness.create(0, () => 1);
    await harness.engine.stop();
    return id;
  };

  const addElements = (datasourceId: string, count: number) =>
    sql`insert into data_element (datasource_id, id, filename, media_type, documents, size_bytes, content_hash)
      select ${datasourceId}, 'element-' || n, n || '.txt', 'text/plain', '[]', 0, n::text
      from generate_series(1, ${count}::int) n`.execute(db);
});
