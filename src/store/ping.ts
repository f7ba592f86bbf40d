import { setTimeout as delay } from 'node:timers/promises';
import { sql } from 'kysely';
import type { Db } from './database.ts';

/** Whoever probes does not wait longer than this. */
const PATIENCE_MS = 2_000;

/** Whether the database answers, and soon. */
export async function ping(db: Db): Promise<boolean> {
  const over = new AbortController();
  const answered = sql`/* ping */ select 1`.execute(db).then(
    () => true,
    () => false,
  );
  const late = delay(PATIENCE_MS, false, { signal: over.signal, ref: false }).catch(() => false);
  const answer = await Promise.race([answered, late]);
  over.abort();
  return answer;
}
