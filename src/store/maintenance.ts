/**
 * Keeps the embedded database analysed and free of dead rows, as autovacuum does on a server.
 *
 * PGlite has no autovacuum. Without statistics the planner reads whole tables, and dead rows pile up. Every few
 * seconds this asks the counters that PostgreSQL itself keeps and treats one table that needs it. A VACUUM holds
 * the one connection (50 ms for 100,000 rows), so a table waits for a quiet moment; only when it is far overdue
 * is it treated in the middle of the work.
 */
import { type Kysely, sql } from 'kysely';
import type { Database } from './tables.ts';

const ROUND_MS = 5_000;
/** A table is due when this many rows and this share of it have died or changed. */
const DUE_ROWS = 1_000;
const DUE_SHARE = 0.1;
/** So many times over the above, quiet or not. */
const OVERDUE = 10;

/** A part that runs until it is stopped; both calls may be repeated, and `stop` resolves when all is quiet. */
export interface Maintenance {
  start(): void;
  stop(): Promise<void>;
  /** One round now: the table that was treated, or null when none was due. `quiet` allows what is merely due. */
  round(quiet: boolean): Promise<string | null>;
}

/** The maintenance of one embedded database; `isQuiet` says whether nobody waits for the connection. */
export function createMaintenance(
  db: Kysely<Database>,
  isQuiet: () => boolean,
  onError: (error: unknown) => void,
): Maintenance {
  let timer: NodeJS.Timeout | undefined;
  let running: Promise<unknown> = Promise.resolve();
  const round = async (quiet: boolean): Promise<string | null> => {
    const table = await mostOverdue(db, quiet ? 1 : OVERDUE);
    if (table !== null) await sql`vacuum (analyze) ${sql.table(table)}`.execute(db);
    return table;
  };
  return {
    start: () => {
      if (timer !== undefined) return;
      timer = setInterval(() => {
        running = running.then(() => round(isQuiet())).catch(onError);
      }, ROUND_MS);
      timer.unref();
    },
    stop: async () => {
      clearInterval(timer);
      timer = undefined;
      await running;
    },
    round,
  };
}

/** The table that is most times over its threshold, or null when none is over `times` its threshold. */
async function mostOverdue(db: Kysely<Database>, times: number): Promise<string | null> {
  // The counters of a session reach the view at most once a second unless this asks for them.
  await sql`select pg_stat_force_next_flush()`.execute(db);
  const { rows } = await sql<{ name: string }>`
    select relname as name
    from pg_stat_user_tables
    where greatest(n_dead_tup, n_mod_since_analyze)
      >= ${times} * (${DUE_ROWS}::int + ${DUE_SHARE}::float8 * n_live_tup)
    order by greatest(n_dead_tup, n_mod_since_analyze) / (${DUE_ROWS}::int + n_live_tup) desc
    limit 1`.execute(db);
  return rows[0]?.name ?? null;
}
