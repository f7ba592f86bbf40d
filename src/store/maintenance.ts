/**
 * Keeps the embedded database analysed, free of dead rows and quick to open after a kill, as a server's own processes do.
 *
 * PGlite has no autovacuum. Without statistics the planner reads whole tables, and dead rows pile up. Every few
 * seconds this asks the counters that PostgreSQL itself keeps and treats one table that needs it. All wait for a VACUUM
 * (50 ms for 100,000 rows), so a table waits for a quiet moment; only when it is far overdue is it treated in the middle
 * of the work.
 *
 * PGlite has no checkpointer either: it would keep its whole log until it is closed, and after a kill apply all of it
 * before it opens (60 MB in 0.4 s). A checkpoint writes the pages that changed; they are few, because the buffers are.
 */
import { type Kysely, sql } from 'kysely';
import type { Database } from './tables.ts';

const LOOK_MS = 1_000;
/** Looks at the log in one round of the tables. */
const LOOKS = 5;
/** The log since the last checkpoint from which another is due; at full speed 25 MB are written in a second. */
const LOG_BYTES = 16 * 1_024 * 1_024;
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
  /** Makes a checkpoint if the log has grown enough since the last one. */
  shortenLog(): Promise<void>;
}

/** The maintenance of one embedded database; `isQuiet` says whether nobody else asks the database anything. */
export function createMaintenance(
  db: Kysely<Database>,
  isQuiet: () => boolean,
  onError: (error: unknown) => void,
): Maintenance {
  let timer: NodeJS.Timeout | undefined;
  let running: Promise<unknown> = Promise.resolve();
  let looks = 0;
  const round = async (quiet: boolean): Promise<string | null> => {
    const table = await mostOverdue(db, quiet ? 1 : OVERDUE);
    if (table !== null) await sql`vacuum (analyze) ${sql.table(table)}`.execute(db);
    return table;
  };
  const shortenLog = async (): Promise<void> => {
    if ((await logBytes(db)) > LOG_BYTES) await sql`checkpoint`.execute(db);
  };
  const look = async (): Promise<void> => {
    looks = (looks + 1) % LOOKS;
    // First, because it is no longer quiet when the log was looked at.
    if (looks === 0) await round(isQuiet());
    await shortenLog();
  };
  return {
    start: () => {
      if (timer !== undefined) return;
      timer = setInterval(() => {
        running = running.then(look).catch(onError);
      }, LOOK_MS);
      timer.unref();
    },
    stop: async () => {
      clearInterval(timer);
      timer = undefined;
      await running;
    },
    round,
    shortenLog,
  };
}

/** How much of the log a start would have to apply if the process were killed now. */
async function logBytes(db: Kysely<Database>): Promise<number> {
  const { rows } = await sql<{ bytes: number }>`
    select (pg_current_wal_insert_lsn() - redo_lsn)::float8 as bytes from pg_control_checkpoint()`.execute(db);
  return rows[0]?.bytes ?? 0;
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
