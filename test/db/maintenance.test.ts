/** The embedded database's stand-in for autovacuum. */
import { sql } from 'kysely';
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest';
import { createMaintenance } from '../../src/store/maintenance.ts';
import { type FreshDatabase, freshEmbedded } from '../support/databases.ts';
import { makeExecution, makeItems, makeProject } from '../support/rows.ts';
import { until } from '../support/until.ts';

let database: FreshDatabase;
let executionId: string;
beforeAll(async () => {
  database = await freshEmbedded();
  executionId = await makeExecution(database.db, (await makeProject(database.db)).projectId);
  await makeItems(database.db, executionId, 2_000);
});
afterAll(() => database.close());

const change = () =>
  database.db
    .updateTable('batchItem')
    .set((eb) => ({ revision: eb('revision', '+', 1) }))
    .execute();
const fail = (error: unknown) => {
  throw error;
};

test('tables that changed are vacuumed and analysed in a quiet moment, then left alone', async () => {
  const { round } = createMaintenance(database.db, () => true, fail);
  await change();
  expect(await round(false)).toBeNull();
  const treated = new Set<string>();
  await until(async () => {
    const table = await round(true);
    if (table !== null) treated.add(table);
    return table === null;
  });
  expect(treated).toEqual(new Set(['batch_item', 'batch_item_input']));
  const { rows } = await sql<{ rows: number; dead: number }>`
    select c.reltuples::int as rows, s.n_dead_tup as dead
    from pg_class c join pg_stat_user_tables s on s.relid = c.oid where c.relname = 'batch_item'`.execute(database.db);
  expect(rows).toEqual([{ rows: 2_000, dead: 0 }]);
});

test('a table that is far overdue is treated in the middle of the work', async () => {
  const { round } = createMaintenance(database.db, () => false, fail);
  for (let times = 0; times < 7; times += 1) await change();
  expect(await round(false)).toBe('batch_item');
});

/** What a start would have to apply after a kill, in bytes. */
const logBytes = async (): Promise<number> => {
  const { rows } = await sql<{ bytes: number }>`
    select (pg_current_wal_insert_lsn() - redo_lsn)::float8 as bytes from pg_control_checkpoint()`.execute(database.db);
  return rows[0]?.bytes ?? 0;
};
const MEGABYTE = 1_024 * 1_024;

test('the log is cut short by a checkpoint once it has grown, not before', async () => {
  const { shortenLog } = createMaintenance(database.db, () => true, fail);
  const write = (bytes: number) =>
    sql`select pg_logical_emit_message(false, 'test', repeat('x', ${bytes}::int))`.execute(database.db);
  await sql`checkpoint`.execute(database.db);
  await write(10 * MEGABYTE);
  await shortenLog();
  expect(await logBytes()).toBeGreaterThan(10 * MEGABYTE);
  await write(10 * MEGABYTE);
  await shortenLog();
  expect(await logBytes()).toBeLessThan(MEGABYTE);
});

test('it works by itself from start to stop, however often either is called', async () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
  onTestFinished(() => {
    vi.useRealTimers();
  });
  const maintenance = createMaintenance(database.db, () => true, fail);
  maintenance.start();
  maintenance.start();
  await change();
  await change();
  await sql`select pg_logical_emit_message(false, 'test', repeat('x', ${20 * MEGABYTE}::int))`.execute(database.db);
  vi.advanceTimersByTime(5_000);
  await maintenance.stop();
  await maintenance.stop();
  expect(await maintenance.round(true)).toBeNull();
  expect(await logBytes()).toBeLessThan(10 * MEGABYTE);
  await change();
  await change();
  vi.advanceTimersByTime(60_000);
  await maintenance.stop();
  expect(await maintenance.round(true)).toBe('batch_item');
});
