/** A retry of unsuccessful items: what it would take, the new round, and its chunks. */
import { type RawBuilder, sql } from 'kysely';
import { LIMITS } from '../domain/limits.ts';
import { RETRYABLE_STATUSES, type RetrySelection, type SkipReason } from '../domain/retry-selection.ts';
import type { PinnedSpec } from '../domain/spec.ts';
import { executionMoveFrom } from '../domain/states.ts';
import { COUNT_CHANGES, closing, countMove } from './count-moves.ts';
import type { Db, Tx } from './database.ts';
import { TIER_CHANGES } from './tier-moves.ts';

/** Ordinals that one statement of counting or moving looks at, so that none takes long on a large execution. */
const SPAN = LIMITS.sweepChunk * 10;

/** How many items a selection takes, and how many it leaves for each reason. */
export interface RetryTally {
  readonly retried: number;
  readonly skipped: ReadonlyMap<SkipReason, number>;
}

/**
 * Counts what a selection takes of the unsuccessful items, span by span.
 *
 * Items named by ordinal count even where they succeeded (as OTHER_STATUS); others that succeeded are nobody's
 * business. The execution should be at rest: the caller checks its round again before it opens the next.
 */
export async function tallyRetry(
  db: Db,
  executionId: string,
  total: number,
  selection: RetrySelection,
): Promise<RetryTally> {
  let retried = 0;
  const skipped = new Map<SkipReason, number>();
  for (let from = 0; from < total; from += SPAN) {
    // Raw: one CASE that gives each item its first reason.
    const { rows } = await sql<{ reason: SkipReason | null; n: number }>`/* tallyRetry */
      select ${reasonOf(selection)} as reason, count(*)::int as n from batch_item i
      where i.execution_id = ${executionId} and i.ordinal >= ${from} and i.ordinal < ${from + SPAN}
        and (i.status = any(${[...RETRYABLE_STATUSES]}::text[]) or i.ordinal = any(${ordinalsOf(selection)}::int[]))
      group by 1`.execute(db);
    for (const { reason, n } of rows) {
      if (reason === null) retried += n;
      else skipped.set(reason, (skipped.get(reason) ?? 0) + n);
    }
  }
  return { retried, skipped };
}

export interface NewRound {
  readonly expectedRound: number;
  readonly selection: RetrySelection;
  readonly spec: PinnedSpec;
  /** The round's deadline; absent: the one there is. */
  readonly deadlineAt?: Date;
  readonly now: Date;
}

/**
 * Opens the next round and moves its first chunk of items, in one transaction; null when the execution is not
 * at rest in the expected round. What is left to move goes on with `moveRetryChunk`, also after a restart.
 */
export async function openRound(
  db: Db,
  projectId: string,
  executionId: string,
  round: NewRound,
): Promise<{ round: number; revision: number } | null> {
  const { now, spec, selection } = round;
  return await db.transaction().execute(async (tx) => {
    const opened = await tx
      .updateTable('batchExecution')
      .set((eb) => ({
        status: 'QUEUED' as const,
        round: eb('round', '+', 1),
        revision: eb('revision', '+', 1),
        spec: JSON.stringify(spec),
        endedAt: null,
        error: null,
        cancelRequestedAt: null,
        cancelMode: null,
        cancelReason: null,
        pauseReason: null,
        stopReason: null,
        sampleSize: null,
        ...(round.deadlineAt === undefined ? {} : { deadlineAt: round.deadlineAt }),
        poolCursor: 0,
        retryCursor: 0,
        roundOpenedAt: now,
        roundClosedBase: eb.ref('total'),
        lastActivityAt: now,
      }))
      .where('id', '=', executionId)
      .where('projectId', '=', projectId)
      .where('round', '=', round.expectedRound)
      .where('status', 'in', executionMoveFrom('retry'))
      .returning(['round', 'revision'])
      .executeTakeFirst();
    if (opened === undefined) return null;
    await tx
      .updateTable('executionLane')
      .set((eb) => ({ epoch: eb('epoch', '+', 1), owner: null, claim: [] }))
      .where('executionId', '=', executionId)
      .execute();
    await tx
      .insertInto('executionRound')
      .values({
        executionId,
        round: opened.round,
        openedAt: now,
        agentVersionIds: spec.tiers.map((tier) => tier.agentVersionId),
        selection: JSON.stringify(selection),
      })
      .execute();
    const chunk = await moveChunk(tx, executionId, selection, now);
    return { round: opened.round, revision: chunk.revision ?? opened.revision };
  });
}

/** Moves the next chunk of a retry that is under way; null when none is. */
export async function moveRetryChunk(
  db: Db,
  executionId: string,
  now: Date,
): Promise<{ more: boolean; revision: number | null } | null> {
  return await db.transaction().execute(async (tx) => {
    const row = await tx
      .selectFrom('batchExecution as x')
      .innerJoin('executionRound as r', (join) =>
        join.onRef('r.executionId', '=', 'x.id').onRef('r.round', '=', 'x.round'),
      )
      .select('r.selection')
      .where('x.id', '=', executionId)
      .where('x.retryCursor', 'is not', null)
      .where('x.status', 'in', ['QUEUED', 'RUNNING', 'PAUSED'])
      .where(closing(now), 'is', null)
      .forNoKeyUpdate('x')
      .executeTakeFirst();
    // A row's selection is what `openRound` wrote.
    const selection = (row?.selection ?? null) as RetrySelection | null;
    return selection === null ? null : await moveChunk(tx, executionId, selection, now);
  });
}

/** Moves one chunk; the execution's row is locked by the caller. */
async function moveChunk(tx: Tx, executionId: string, selection: RetrySelection, now: Date) {
  const { total, retryCursor, revision } = await tx
    .selectFrom('batchExecution')
    .select(['total', 'retryCursor', 'revision'])
    .where('id', '=', executionId)
    .forNoKeyUpdate()
    .executeTakeFirstOrThrow();
  const from = retryCursor ?? total;
  // Raw: an UPDATE that feeds counts and the change log in one round trip.
  const { rows } = await sql<{ picked: number; last: number | null; revision: number | null }>`/* moveRetryChunk */
with pick as materialized (
  select i.ordinal, i.status as was from batch_item i
  where i.execution_id = ${executionId} and i.ordinal >= ${from} and i.ordinal < ${from + SPAN}
    and i.status = any(${[...RETRYABLE_STATUSES]}::text[]) and ${reasonOf(selection)} is null
  order by i.ordinal limit ${LIMITS.sweepChunk}
), moved as (
  update batch_item i
  set status = 'QUEUED', attempt = 0, charged = 0, deaths = 0, run_after = null, started_at = null, ended_at = null,
    error_category = null, error_code = null, error_transient = null, retry_count = i.retry_count + 1,
    revision = ${revision + 1}
  from pick where i.execution_id = ${executionId} and i.ordinal = pick.ordinal
  returning i.ordinal, pick.was, i.status, i.tier as was_tier, i.tier, false as flawed
), d as (select ${COUNT_CHANGES} from moved
), ${TIER_CHANGES}, x as (
  update batch_execution x set ${countMove({ now, tiers: true })}, round_closed_base = x.round_closed_base - d.n
  from d where x.id = ${executionId} and d.n > 0
  returning x.revision
), logged as (
  insert into execution_change (execution_id, revision, ordinals)
  select ${executionId}, x.revision, (select array_agg(ordinal) from moved) from x
)
select (select count(*)::int from pick) as picked, (select max(ordinal) from pick) as last,
  (select revision from x) as revision`.execute(tx);
  const row = rows[0];
  const next = row?.picked === LIMITS.sweepChunk && row.last !== null ? row.last + 1 : from + SPAN;
  const more = next < total;
  const ended = more ? null : await endMove(tx, executionId, now);
  if (more) await tx.updateTable('batchExecution').set({ retryCursor: next }).where('id', '=', executionId).execute();
  return { more, revision: ended ?? row?.revision ?? null };
}

/** Marks a retry as whole; if everything it moved has ended meanwhile, so does the execution. */
async function endMove(tx: Tx, executionId: string, now: Date): Promise<number | null> {
  await tx.updateTable('batchExecution').set({ retryCursor: null }).where('id', '=', executionId).execute();
  const { rows } = await sql<{ revision: number }>`/* endMove */
    update batch_execution x set ${countMove({ now })}
    from (select 0 as total, 0 as queued, 0 as running, 0 as retrying, 0 as succeeded, 0 as failed, 0 as cancelled,
      0 as expired, 0 as flawed) d
    where x.id = ${executionId} and x.queued + x.running + x.retrying = 0 returning x.revision`.execute(tx);
  return rows[0]?.revision ?? null;
}

const ordinalsOf = (selection: RetrySelection): number[] => [...(selection.ordinals ?? [])];

/** The first reason, in the order of SKIP_REASONS, why item `i` is left out; null when it is taken. */
function reasonOf(selection: RetrySelection): RawBuilder<SkipReason | null> {
  const { mode, statuses, tiers, errorCodes, ordinals, maxRetryCount } = selection;
  return sql`case
    when ${ordinals !== null}::bool and i.ordinal <> all(${ordinalsOf(selection)}::int[]) then 'NOT_SELECTED'
    when i.status <> all(${[...statuses]}::text[]) then 'OTHER_STATUS'
    when ${tiers !== null}::bool and i.tier <> all(${[...(tiers ?? [])]}::int[]) then 'OTHER_TIER'
    when ${errorCodes !== null}::bool
      and (i.error_code is null or i.error_code <> all(${[...(errorCodes ?? [])]}::text[])) then 'OTHER_CODE'
    when ${mode === 'TRANSIENT_ONLY'}::bool and i.status = 'FAILED' and not i.error_transient then 'PERMANENT_ERROR'
    when ${maxRetryCount !== null}::bool and i.retry_count >= ${maxRetryCount}::int then 'RETRY_COUNT_REACHED'
  end`;
}
