/** What the code above the store may take for granted of either database. */
import { sql } from 'kysely';
import { beforeAll, expect, test } from 'vitest';
import type { Db } from '../../src/store/database.ts';
import { named } from '../../src/store/statement-name.ts';
import { describeDatabases } from '../support/databases.ts';
import { makeExecution, makeItems, makeProject } from '../support/rows.ts';

describeDatabases('either database', (open) => {
  let db: Db;
  let executionId: string;
  beforeAll(async () => {
    db = await open();
    executionId = await makeExecution(db, (await makeProject(db)).projectId);
    await makeItems(db, executionId, 3);
  });

  test('the keys of user JSON come back as they came, at every depth and in their order', async () => {
    const metadata = {
      snake_case: { a_b: [{ c_d_e: 1 }] },
      camelCase: 1,
      PascalCase: { 'x-y': null },
      b: 1,
      a: 2,
      _x: '',
    };
    await db
      .updateTable('batchExecution')
      .set({ metadata: JSON.stringify(metadata) })
      .where('id', '=', executionId)
      .execute();
    const row = await db
      .selectFrom('batchExecution')
      .select('metadata')
      .where('id', '=', executionId)
      .executeTakeFirstOrThrow();
    expect(JSON.stringify(row.metadata)).toBe(JSON.stringify(metadata));
  });

  test('JSON scalars stay what they are', async () => {
    for (const value of ['text', 1.5, true, null, [], {}]) {
      const { rows } = await sql<{ value: unknown }>`select ${JSON.stringify(value)}::json as value`.execute(db);
      expect(rows).toEqual([{ value }]);
    }
  });

  test('a raw statement is parsed once, and answers anew each time, also after an error', async () => {
    await db.connection().execute(async (connection) => {
      const halve = async (dividend: number | null, divisor: number) => {
        const { rows } = await sql<{ half: number | null; list: string[]; at: Date }>`/* halve */
          select ${dividend}::int / ${divisor}::int as half, ${['a', 'b"']}::text[] as list, ${at}::timestamptz as at`.execute(
          connection,
        );
        return rows;
      };
      const at = new Date('2026-02-28T23:59:59.987Z');
      expect(await halve(6, 2)).toEqual([{ half: 3, list: ['a', 'b"'], at }]);
      await expect(halve(6, 0)).rejects.toMatchObject({ code: '22012' });
      expect(await halve(null, 2)).toEqual([{ half: null, list: ['a', 'b"'], at }]);
      const { rows } = await sql<{ known: number }>`
        select count(*)::int as known from pg_prepared_statements where name like 'halve%'`.execute(connection);
      expect(rows).toEqual([{ known: 1 }]);
    });
  });

  test('counts and other int8 values are numbers', async () => {
    const row = await db
      .selectFrom('everyItem')
      .select((eb) => [eb.fn.countAll().as('items'), eb.fn.sum('ordinal').as('ordinals')])
      .where('executionId', '=', executionId)
      .executeTakeFirstOrThrow();
    expect(row).toEqual({ items: 3, ordinals: 3 });
  });

  test('instants come back as Dates of the same millisecond', async () => {
    const deadlineAt = new Date('2026-02-28T23:59:59.987Z');
    await db.updateTable('batchExecution').set({ deadlineAt }).where('id', '=', executionId).execute();
    const row = await db
      .selectFrom('batchExecution')
      .select('deadlineAt')
      .where('id', '=', executionId)
      .executeTakeFirstOrThrow();
    expect(row.deadlineAt).toEqual(deadlineAt);
  });

  test('a transaction that fails leaves nothing, and the next statement works', async () => {
    const failing = db.transaction().execute(async (tx) => {
      await tx.updateTable('batchExecution').set({ error: 'never' }).where('id', '=', executionId).execute();
      await sql`select 1 / 0`.execute(tx);
    });
    await expect(failing).rejects.toMatchObject({ code: '22012' });
    const row = await db
      .selectFrom('batchExecution')
      .select('error')
      .where('id', '=', executionId)
      .executeTakeFirstOrThrow();
    expect(row.error).toBeNull();
  });

  test('named statements carry their name and answer the same', async () => {
    const counting = named(db, 'countItems').selectFrom('everyItem').select('ordinal').where('ordinal', '=', 1);
    expect(counting.compile().sql).toMatch(/ \/\* countItems \*\/$/);
    expect(await counting.execute()).toEqual([{ ordinal: 1 }]);
    const raw = await sql<{ n: number }>`select ${1}::int + 1 as n`.execute(named(db, 'addOne'));
    expect(raw.rows).toEqual([{ n: 2 }]);
    await db.transaction().execute(async (tx) => {
      const update = named(tx, 'touch')
        .updateTable('batchExecution')
        .set({ error: null })
        .where('id', '=', executionId);
      expect((await update.executeTakeFirst()).numUpdatedRows).toBe(1n);
    });
    expect(() => named(db, 'a */ drop')).toThrow('named by a function');
  });
});
