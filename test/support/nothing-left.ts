/** What must hold once an engine has stopped, whatever happened to it before. */
import { sql } from 'kysely';
import type { Db } from '../../src/store/database.ts';
import type { Harness } from './engine-harness.ts';
import { until } from './until.ts';

const DEADLINE_MS = 5_000;

/** Stops the engines and takes them off the list; throws where a timer, a slot or a statement is left. */
export async function stopAll(db: Db, harnesses: Harness[]): Promise<void> {
  for (const { engine, timers } of harnesses.splice(0)) {
    await engine.stop();
    if (engine.busy > 0) throw new Error(`${engine.busy} executions are left`);
    if (timers() > 0) throw new Error(`${timers()} timers are left`);
    // A call that was aborted may end a turn later.
    await until(() => engine.running === 0, DEADLINE_MS);
  }
  // Of those that were killed some may have been under way.
  await until(async () => {
    const { rows } = await sql`select pid from pg_stat_activity
      where datname = current_database() and backend_type = 'client backend'
        and pid <> pg_backend_pid() and state <> 'idle'`.execute(db);
    return rows.length === 0;
  }, DEADLINE_MS);
}
