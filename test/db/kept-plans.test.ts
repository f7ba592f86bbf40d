import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { openPostgres } from '../../src/store/postgres.ts';
import { freshPostgres } from '../support/databases.ts';
import { startEngine } from '../support/engine-harness.ts';

const ITEMS = 10_000;

test('a statement whose plan is kept for any parameters looks items up by key, on tables that were just loaded', async () => {
  const fresh = await freshPostgres();
  const url = new URL(fresh.url ?? '');
  // The server keeps such a plan when it has seen it do well; here always, and from the first time on.
  url.searchParams.set('options', '-c plan_cache_mode=force_generic_plan');
  // One connection, whose statements and statistics the test can see.
  const { db, close } = await openPostgres({ url: url.href, poolSize: 1, onIdleError: () => undefined });
  const harness = await startEngine(db);
  try {
    const id = await harness.create(ITEMS, () => Promise.resolve({ ok: true }), { concurrency: 100 });
    expect((await harness.ended(id)).status).toBe('COMPLETED');
    await sql`select pg_stat_force_next_flush()`.execute(db);
    const { rows } = await sql<{ prepared: number }>`
      select count(*)::int as prepared from pg_prepared_statements where name like 'settle%' and generic_plans > 0`.execute(
      db,
    );
    const read = await sql<{ table: string; scanned: number; fetched: number }>`
      select relname as table, seq_tup_read::int as scanned, idx_tup_fetch::int as fetched
      from pg_stat_user_tables where relname in ('batch_item', 'batch_item_input')`.execute(db);
    expect(rows[0]?.prepared).toBeGreaterThan(0);
    expect(read.rows).toHaveLength(2);
    for (const { scanned, fetched } of read.rows) {
      expect(scanned).toBe(0);
      // Each item is fetched once by a claim and once by a flush; starts that were flushed alone come on top.
      expect(fetched).toBeLessThan(ITEMS * 5);
    }
  } finally {
    await harness.engine.stop();
    await close();
    await fresh.close();
  }
});
