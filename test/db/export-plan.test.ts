/** An export must not read a page's stretches again for each of its items, whatever the statistics say. */
import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { openPostgres } from '../../src/store/postgres.ts';
import { readResultRows } from '../../src/store/result-rows.ts';
import { settle } from '../../src/store/settle.ts';
import { freshPostgres } from '../support/databases.ts';
import { firstCalls } from '../support/first-calls.ts';
import { makeExecution, makeInputs, makeItems, makeProject } from '../support/rows.ts';

const ITEMS = 1_000;

test('reads each stretch a few times', async () => {
  const fresh = await freshPostgres();
  // One connection, whose statistics the test can see.
  const { db, close } = await openPostgres({ url: fresh.url ?? '', poolSize: 1, onIdleError: () => undefined });
  try {
    const { projectId } = await makeProject(db);
    const finish = async (id: string): Promise<string> => {
      const lane = { executionId: id, no: 0, epoch: 1 };
      await db
        .insertInto('executionLane')
        .values({ ...lane, share: 10, owner: 'a-node' })
        .execute();
      // Eight side by side, and one that is missing.
      for (let first = 0; first < ITEMS; first += 90) {
        const ordinals = Array.from({ length: 90 }, (_, index) => first + index).filter((n) => n % 9 < 8 && n < ITEMS);
        await settle(db, lane, firstCalls(ordinals), new Date());
      }
      return id;
    };
    const known = await makeExecution(db, projectId);
    await makeInputs(db, known, ITEMS);
    await finish(known);
    const rows = await makeExecution(db, projectId);
    await makeItems(db, rows, 20_000);
    await sql`analyze`.execute(db);
    const id = await makeExecution(db, projectId);
    await makeInputs(db, id, ITEMS);
    await finish(id);
    const read = async (): Promise<number> => {
      await sql`select pg_stat_force_next_flush()`.execute(db);
      const { rows: counts } = await sql<{
        read: number;
      }>`select (seq_tup_read + coalesce(idx_tup_fetch, 0))::int as read
        from pg_stat_user_tables where relname = 'item_stretch'`.execute(db);
      return counts[0]?.read ?? 0;
    };
    const { stretches } = await db
      .selectFrom('itemStretch')
      .select(({ fn }) => fn.countAll<number>().as('stretches'))
      .executeTakeFirstOrThrow();
    expect(stretches).toBeGreaterThan(200);
    const before = await read();
    const page = await readResultRows(db, projectId, id, -1);
    expect(page.filter(({ data }) => data !== null)).toHaveLength(
      page.filter(({ status }) => status === 'SUCCEEDED').length,
    );
    expect(page).toHaveLength(ITEMS);
    expect((await read()) - before).toBeLessThan(stretches * 5);
  } finally {
    await close();
    await fresh.close();
  }
});
