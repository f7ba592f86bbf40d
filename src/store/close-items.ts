/** Closing open items chunk by chunk: the sweep of a cancel, of a deadline, and of an execution that cannot go on. */
import { sql } from 'kysely';
import { LIMITS } from '../domain/limits.ts';
import { type ExecutionStatus, type ItemStatus, itemMoveFrom } from '../domain/states.ts';
import type { CloseChunk, SweepAnswer } from '../engine/ports.ts';
import { COUNT_CHANGES, closing, countMove } from './count-moves.ts';
import type { Db } from './database.ts';
import { TIER_CHANGES } from './tier-moves.ts';

/** Ordinals that one chunk looks at; bounds a chunk in which few items are open. */
const SPAN = LIMITS.sweepChunk * 10;

/**
 * Closes up to `LIMITS.sweepChunk` open items, in a transaction of its own.
 *
 * The chunk that finds nothing open any more also ends the execution. Applies only while the execution is being
 * closed for this reason; else the answer says where it stands and nothing is written.
 */
export async function closeItems(db: Db, executionId: string, close: CloseChunk, now: Date): Promise<SweepAnswer> {
  const verb = close.closing === 'EXPIRE' ? 'expire' : 'cancel';
  const to: ItemStatus = close.closing === 'EXPIRE' ? 'EXPIRED' : 'CANCELLED';
  const statuses = itemMoveFrom(verb).filter((status) => close.running || status !== 'RUNNING');
  return await db.transaction().execute(async (tx) => {
    const execution = await tx
      .selectFrom('batchExecution as x')
      .select(['status', 'revision', 'total', 'running', closing(now).as('closing')])
      .where('id', '=', executionId)
      .forNoKeyUpdate()
      .executeTakeFirst();
    if (execution === undefined) return { cursor: null, status: 'CANCELLED', running: 0, revision: null };
    const { status, running, total } = execution;
    if (execution.closing !== close.closing) return { cursor: null, status, running, revision: null };
    // Raw: an UPDATE that feeds counts and the change log in one round trip.
    const { rows } = await sql<{
      picked: number;
      last: number | null;
      status: ExecutionStatus | null;
      revision: number | null;
      running: number | null;
    }>`/* closeItems */
with pick as materialized (
  select ordinal, status as was from batch_item
  where execution_id = ${executionId} and ordinal >= ${close.cursor} and ordinal < ${close.cursor + SPAN}
    and status = any(${statuses}::text[])
  order by ordinal limit ${LIMITS.sweepChunk}
), moved as (
  update batch_item i
  set status = ${to}, ended_at = ${now}, run_after = null,
    error_category = null, error_code = null, error_transient = null, revision = ${execution.revision + 1}
  from pick where i.execution_id = ${executionId} and i.ordinal = pick.ordinal
  returning i.ordinal, pick.was, i.status, i.tier as was_tier, i.tier, false as flawed
), d as (select ${COUNT_CHANGES} from moved
), ${TIER_CHANGES}, x as (
  update batch_execution x set ${countMove({ now, tiers: true })}
  from d where x.id = ${executionId}
    and (d.n > 0 or x.queued + x.running + x.retrying = 0)
  returning x.status, x.revision, x.running
), logged as (
  insert into execution_change (execution_id, revision, ordinals)
  select ${executionId}, x.revision, (select array_agg(ordinal) from moved) from x, d where d.n > 0
)
select (select count(*)::int from pick) as picked, (select max(ordinal) from pick) as last,
  (select status from x) as status, (select revision from x) as revision, (select running from x) as running`.execute(
      tx,
    );
    const row = rows[0];
    const next = row?.picked === LIMITS.sweepChunk && row.last !== null ? row.last + 1 : close.cursor + SPAN;
    const ended = row?.status != null && row.status !== status;
    return {
      cursor: ended || next >= total ? null : next,
      status: row?.status ?? status,
      running: row?.running ?? running,
      revision: row?.revision ?? null,
    };
  });
}
