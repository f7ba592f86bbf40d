/** A new round of an execution: its opening, and its items chunk by chunk. */
import { sql } from 'kysely';
import { LIMITS } from '../domain/limits.ts';
import type { RoundParameters, RoundSelection } from '../domain/retry-selection.ts';
import type { PinnedSpec } from '../domain/spec.ts';
import { executionMoveFrom } from '../domain/states.ts';
import { COUNT_CHANGES, closing, countChanges, countMove, NO_CHANGE } from './count-moves.ts';
import type { Db, Tx } from './database.ts';
import { dissolveStretches } from './item-stretches.ts';
import { isResubmit, itemsOf, mayTake, reasonOf, SPAN } from './round-selection.ts';
import { TIER_CHANGES } from './tier-moves.ts';

export interface NewRound {
  readonly expectedRound: number;
  readonly selection: RoundSelection;
  readonly spec: PinnedSpec;
  /** What it changes of how the execution runs. */
  readonly parameters: RoundParameters;
  /** The round's deadline; absent: the one there is. */
  readonly deadlineAt?: Date;
  readonly now: Date;
}

/**
 * Opens the next round and moves its first chunk of items, in one transaction; null when the execution is not
 * at rest in the expected round. What is left to move goes on with `moveRoundChunk`, also after a restart.
 */
export async function openRound(
  db: Db,
  projectId: string,
  executionId: string,
  round: NewRound,
): Promise<{ round: number; revision: number } | null> {
  const { now, spec, selection, parameters } = round;
  const { concurrency, retryLimit, priority } = parameters;
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
        ...(concurrency !== undefined && { concurrency }),
        ...(retryLimit !== undefined && { retryLimit }),
        ...(priority !== undefined && { priority }),
        poolCursor: 0,
        retryCursor: 0,
        roundOpenedAt: now,
        roundClosedBase: eb.ref('total'),
        lastActivityAt: now,
      }))
      .where('id', '=', executionId)
      .where('projectId', '=', projectId)
      .where('round', '=', round.expectedRound)
      .where('status', 'in', executionMoveFrom(isResubmit(selection) ? 'resubmit' : 'retry'))
      .returning(['round', 'revision'])
      .executeTakeFirst();
    if (opened === undefined) return null;
    await tx
      .updateTable('executionLane')
      .set((eb) => ({
        ...{ epoch: eb('epoch', '+', 1), owner: null, claim: [] },
        ...(concurrency !== undefined && { share: concurrency }),
      }))
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
        parameters: Object.keys(parameters).length === 0 ? null : JSON.stringify(parameters),
      })
      .execute();
    const chunk = await moveChunk(tx, executionId, selection, now);
    return { round: opened.round, revision: chunk.revision ?? opened.revision };
  });
}

/** Moves the next chunk of a round that is not whole yet; null when none is. */
export async function moveRoundChunk(
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
    const selection = (row?.selection ?? null) as RoundSelection | null;
    return selection === null ? null : await moveChunk(tx, executionId, selection, now);
  });
}

/** Moves one chunk; the execution's row is locked by the caller. */
async function moveChunk(tx: Tx, executionId: string, selection: RoundSelection, now: Date) {
  const { total, retryCursor, revision, flawed } = await tx
    .selectFrom('batchExecution')
    .select(['total', 'retryCursor', 'revision', 'flawed'])
    .where('id', '=', executionId)
    .forNoKeyUpdate()
    .executeTakeFirstOrThrow();
  const from = retryCursor ?? total;
  const resubmits = isResubmit(selection);
  // Of those that succeeded there are many, and they may need rows first.
  const span = resubmits ? LIMITS.sweepChunk : SPAN;
  if (resubmits) await dissolveStretches(tx, executionId, from, from + span);
  // Raw: an UPDATE that feeds counts and the change log in one round trip.
  const { rows } = await sql<{ picked: number; last: number | null; revision: number | null }>`/* moveRoundChunk */
with pick as materialized (
  select i.ordinal, i.status as was, i.tier as was_tier, ${resubmits && flawed > 0 ? WAS_FLAWED : sql`false`} as was_flawed
  from ${itemsOf(executionId, selection, from, from + span)}
  where ${mayTake(selection)} and ${reasonOf(selection)} is null
  order by i.ordinal limit ${LIMITS.sweepChunk}
), moved as (
  update batch_item i
  set status = 'QUEUED', tier = ${resubmits ? sql`${selection.fromTier}::int` : sql`i.tier`},
    attempt = 0, charged = 0, deaths = 0, run_after = null, started_at = null, ended_at = null,
    error_category = null, error_code = null, error_transient = null,
    retry_count = i.retry_count + ${resubmits ? 0 : 1}::int, revision = ${revision + 1}
  from pick where i.execution_id = ${executionId} and i.ordinal = pick.ordinal
  returning i.ordinal, pick.was, pick.was_tier, i.status, i.tier, pick.was_flawed
), d as (
  select ${resubmits ? countChanges(sql`-(count(*) filter (where was_flawed))`) : COUNT_CHANGES} from (
    select was, status, false as flawed, was_flawed from moved) moved
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
  const next = row?.picked === LIMITS.sweepChunk && row.last !== null ? row.last + 1 : from + span;
  const more = next < total;
  const ended = more ? null : await endMove(tx, executionId, now);
  if (more) await tx.updateTable('batchExecution').set({ retryCursor: next }).where('id', '=', executionId).execute();
  return { more, revision: ended ?? row?.revision ?? null };
}

/** Whether item `i` succeeded with field errors: its newest result of its tier, the last, has some. */
const WAS_FLAWED = sql`i.status = 'SUCCEEDED' and coalesce((
    select r.field_errors is not null from item_result r
    where r.execution_id = i.execution_id and r.ordinal = i.ordinal and r.tier = i.tier
    order by r.round desc limit 1), false)`;

/** Marks a round as whole; if everything it moved has ended meanwhile, so does the execution. */
async function endMove(tx: Tx, executionId: string, now: Date): Promise<number | null> {
  await tx.updateTable('batchExecution').set({ retryCursor: null }).where('id', '=', executionId).execute();
  const { rows } = await sql<{ revision: number }>`/* endMove */
    update batch_execution x set ${countMove({ now })} from ${NO_CHANGE}
    where x.id = ${executionId} and x.queued + x.running + x.retrying = 0 returning x.revision`.execute(tx);
  return rows[0]?.revision ?? null;
}
