/** Asking whether something has happened to items must not read the whole execution, whatever the statistics say. */
import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { openPostgres } from '../../src/store/postgres.ts';
import { settle } from '../../src/store/settle.ts';
import { freshPostgres } from '../support/databases.ts';
import { firstCalls } from '../support/first-calls.ts';
import { makeExecution, makeInputs, makeItems, makeProject } from '../support/rows.ts';

const ROWS = 20_000;
const FLUSH = 200;

test.each(['force_custom_plan', 'force_generic_plan'])('of a flush (%s)', async (mode) => {
  const fresh = await freshPostgres();
  const url = new URL(fresh.url ?? '');
  url.searchParams.set('options', `-c plan_cache_mode=${mode}`);
  // One connection, whose statistics the test can see.
  const { db, close } = await openPostgres({ url: url.href, poolSize: 1, onIdleError: () => undefined });
  try {
    const { projectId } = await makeProject(db);
    await makeItems(db, await makeExecution(db, projectId), ROWS);
    await sql`analyze`.execute(db);
    // Of an execution that the statistics do not know, much has happened already.
    const id = await makeExecution(db, projectId);
    await makeInputs(db, id, FLUSH * 2 + ROWS);
    await sql`insert into batch_item (execution_id, ordinal, status, started_at, ended_at, revision)
      select ${id}, n, 'SUCCEEDED', now(), now(), 1 from generate_series(${FLUSH * 2}::int, ${FLUSH * 2 + ROWS - 1}::int) n`.execute(
      db,
    );
    const lane = { executionId: id, no: 0, epoch: 1 };
    await db
      .insertInto('executionLane')
      .values({ ...lane, share: 10, owner: 'a-node' })
      .execute();
    const read = async (): Promise<number> => {
      await sql`select pg_stat_force_next_flush()`.execute(db);
      const { rows } = await sql<{ read: number }>`select (seq_tup_read + coalesce(idx_tup_fetch, 0))::int as read
        from pg_stat_user_tables where relname = 'batch_item'`.execute(db);
      return rows[0]?.read ?? 0;
    };
    const before = await read();
    // None beside another: each needs a row.
    const ordinals = Array.from({ length: FLUSH }, (_, index) => index * 2);
    expect(await settle(db, lane, firstCalls(ordinals), new Date())).toMatchObject({ held: true, refused: [] });
    expect((await read()) - before).toBeLessThan(FLUSH * 4);
  } finally {
    await close();
    await fresh.close();
  }
});
