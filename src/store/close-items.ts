/** Closing open items chunk by chunk: the sweep of a cancel, of a deadline, and of an execution that cannot go on. */
import { sql } from 'kysely';
import { LIMITS } from '../domain/limits.ts';
import { type ExecutionStatus, type ItemStatus, type ItemVerb, itemMoveFrom } from '../domain/states.ts';
import type { CloseChunk, SweepAnswer } from '../engine/ports.ts';
import { COUNT_CHANGES, closing, countMove } from './count-moves.ts';
import type { Db, OpenDatabase } from './database.ts';
import { TIER_CHANGES } from './tier-moves.ts';

/** Most items that one chunk closes: on the embedded database all others wait for it. */
const CHUNK = { embedded: LIMITS.sweepChunk, postgres: 2 * LIMITS.sweepChunk } as const;
/** Ordinals that one chunk looks at, in chunks, once few items are open. */
const SPANS = 10;

/**
 * Closes a chunk of open items, in a transaction of its own.
 *
 * The chunk that finds nothing open any more also ends the execution. Applies only while the execution is being
 * closed for this reason; else the answer says where it stands and nothing is written.
 */
export async function closeItems(
  db: Db,
  executionId: string,
  close: CloseChunk,
  now: Date,
  kind: OpenDatabase['kind'] = 'embedded',
): Promise<SweepAnswer> {
  return await db.transaction().execute(async (tx) => {
    const execution = await tx
      .selectFrom('batchExecution as x')
      .select(['status', 'revision', 'total', 'queued', 'running', 'retrying', closing(now).as('closing')])
      .where('id', '=', executionId)
      .forNoKeyUpdate()
      .executeTakeFirst();
    if (execution === undefined) return { cursor: null, status: 'CANCELLED', running: 0, revision: null };
    const { status, running, total } = execution;
    if (execution.closing !== close.closing) return { cursor: null, status, running, revision: null };
    const isSparse = (execution.queued + running + execution.retrying) * SPANS < total;
    const end = close.cursor + CHUNK[kind] * (isSparse ? SPANS : 1);
    const { rows } = await closeStatement(executionId, { ...close, end }, execution.revision, now, kind).execute(
      // It has no names in camel case to look for.
      tx.withoutPlugins(),
    );
    const row = rows[0];
    const next = row?.picked === CHUNK[kind] && row.last !== null ? row.last + 1 : end;
    const ended = row?.status != null && row.status !== status;
    return {
      cursor: ended || next >= total ? null : next,
      status: row?.status ?? status,
      running: row?.running ?? running,
      revision: row?.revision ?? null,
    };
  });
}

interface CloseRow {
  picked: number;
  last: number | null;
  status: ExecutionStatus | null;
  revision: number | null;
  running: number | null;
}

/**
 * The statement of `closeItems` at a revision of the locked execution, apart so that a test can EXPLAIN it; raw,
 * because it is an UPDATE that feeds counts and the change log in one round trip.
 *
 * Nobody else moves items meanwhile: whoever does holds the execution's row, so the items that are picked are those
 * that the update finds, and the others of them have no rows. It goes by a range of ordinals: a join with the picked ones is
 * planned as a hash join with the whole execution (measured with 100,000 items: 43 ms a chunk to read them), and costs a
 * third more where it is not.
 */
export function closeStatement(
  executionId: string,
  close: CloseChunk & { readonly end: number },
  revision: number,
  now: Date,
  kind: OpenDatabase['kind'] = 'embedded',
) {
  const { cursor, end } = close;
  const [verb, to]: [ItemVerb, ItemStatus] =
    close.closing === 'EXPIRE' ? ['expire', 'EXPIRED'] : ['cancel', 'CANCELLED'];
  const statuses = itemMoveFrom(verb).filter((status) => close.running || status !== 'RUNNING');
  return sql<CloseRow>`/* closeItems */
with pick as materialized (
  select * from (
    select ordinal, status as was, tier, true as has_row from batch_item
    where execution_id = ${executionId} and ordinal >= ${cursor} and ordinal < ${end} and status = any(${statuses}::text[])
    union all
    select ordinal, 'QUEUED', 0, false from untouched_between(${executionId}, ${cursor}, ${end}) as ordinal
  ) as open order by ordinal limit ${CHUNK[kind]}
), closed as (
  update batch_item
  set status = ${to}, ended_at = ${now}, run_after = null,
    error_category = null, error_code = null, error_transient = null, revision = ${revision + 1}
  where execution_id = ${executionId} and ordinal >= ${cursor} and ordinal < ${end}
    and ordinal <= (select max(ordinal) from pick) and status = any(${statuses}::text[])
), made as (
  insert into batch_item (execution_id, ordinal, status, ended_at, revision)
  select ${executionId}, ordinal, ${to}, ${now}, ${revision + 1} from pick where not has_row
), moved as (select ordinal, was, ${to} as status, tier as was_tier, tier, false as flawed from pick
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
  (select status from x) as status, (select revision from x) as revision, (select running from x) as running`;
}
