/** Taking lanes and giving them back, and what there is to take. */

import { sql } from 'kysely';
import type { PinnedSpec } from '../domain/spec.ts';
import { claimableStatuses, executionMoveFrom, openItemStatuses } from '../domain/states.ts';
import type { ClaimedItem, Closing, HeldLane, TakenLane } from '../engine/ports.ts';
import { CLAIMED } from './claim.ts';
import { closing } from './count-moves.ts';
import type { Db } from './database.ts';
import { lockExecution } from './lock-execution.ts';
import { SPENT } from './settle-usage.ts';
import { named } from './statement-name.ts';

/** Whether the process with this node id is alive, as far as the database can tell. */
export type IsAlive = (node: string) => Promise<boolean>;

/**
 * Takes a lane for a node and raises its epoch, in a transaction of its own.
 *
 * null when the lane's owner lives, or the execution has ended. What the last holder left unsettled comes with
 * it; an item of its claim that still waits out a backoff goes back to those that any lane may take when due.
 * `foresee` is told the spec before a lane is taken that was used before: that takes a while, and may come to nothing.
 */
export async function takeLane(
  db: Db,
  executionId: string,
  no: number,
  node: string,
  isAlive: IsAlive,
  now: Date,
  foresee: (spec: PinnedSpec) => void = () => undefined,
): Promise<TakenLane | null> {
  const fresh = await takeFresh(db, executionId, no, node);
  return fresh ?? (await takeUsed(db, executionId, no, node, isAlive, now, foresee));
}

/** Takes a lane that nobody has and that claims nothing, as that of a new execution, in one statement; null where it is none. */
async function takeFresh(db: Db, executionId: string, no: number, node: string): Promise<TakenLane | null> {
  const row = await named(db, 'takeFreshLane')
    .with('x', (query) =>
      query
        .selectFrom('batchExecution')
        .select(['id', 'status', 'round', 'retryLimit', 'spec'])
        .where('id', '=', executionId)
        .where('endedAt', 'is', null)
        .forNoKeyUpdate(),
    )
    .updateTable('executionLane as l')
    .from('x')
    .set((eb) => ({ epoch: eb('l.epoch', '+', 1), owner: node }))
    .whereRef('l.executionId', '=', 'x.id')
    .where('l.no', '=', no)
    .where('l.owner', 'is', null)
    .where('l.claim', '=', sql<number[]>`'{}'`)
    .where('l.suspects', '=', false)
    .returning(['l.epoch', 'l.share', 'x.status', 'x.round', 'x.retryLimit', 'x.spec'])
    .executeTakeFirst();
  if (row === undefined) return null;
  const { epoch, ...rest } = row;
  return { ...rest, lane: { executionId, no, epoch }, items: [], afterDeath: false };
}

/** Takes any lane that no living node has, with what its last holder left. */
async function takeUsed(
  db: Db,
  executionId: string,
  no: number,
  node: string,
  isAlive: IsAlive,
  now: Date,
  foresee: (spec: PinnedSpec) => void,
): Promise<TakenLane | null> {
  const seen = await db
    .selectFrom('executionLane')
    .select('owner')
    .where('executionId', '=', executionId)
    .where('no', '=', no)
    .executeTakeFirst();
  const owner = seen?.owner ?? null;
  // Asked outside the transaction: on one connection the answer could not come while it is open.
  if (seen === undefined || (owner !== null && owner !== node && (await isAlive(owner)))) return null;
  // Before the transaction, too: what the caller then reads comes first.
  const seenSpec = await specOf(db, executionId);
  if (seenSpec !== undefined) foresee(seenSpec);
  return await db.transaction().execute(async (tx) => {
    const execution = await lockExecution(tx, executionId, now);
    if (execution === undefined || execution.endedAt !== null) return null;
    const lane = await tx
      .selectFrom('executionLane')
      .select(['share', 'epoch', 'owner', 'suspects'])
      .where('executionId', '=', executionId)
      .where('no', '=', no)
      .forNoKeyUpdate()
      .executeTakeFirst();
    if (lane === undefined || lane.owner !== owner) return null;
    // Not with the lock: a claim takes the same lock and has no use for a document of any size.
    const spec = await specOf(tx, executionId);
    if (spec === undefined) return null;
    const items = await claimedItems(tx, executionId, no, now);
    const isTakeover = owner !== null && owner !== node;
    const afterDeath = lane.suspects || isTakeover;
    await tx
      .updateTable('executionLane')
      .set((eb) => ({
        ...{ epoch: lane.epoch + 1, owner: node, claim: items.map((item) => item.ordinal), suspects: afterDeath },
        ...(isTakeover && { takeovers: eb('takeovers', '+', 1), takenOverAt: now }),
      }))
      .where('executionId', '=', executionId)
      .where('no', '=', no)
      .execute();
    return {
      lane: { executionId, no, epoch: lane.epoch + 1 },
      share: lane.share,
      round: execution.round,
      spec,
      retryLimit: execution.retryLimit,
      status: execution.status,
      items,
      afterDeath,
    };
  });
}

async function specOf(db: Db, executionId: string): Promise<PinnedSpec | undefined> {
  const query = named(db, 'specOf').selectFrom('batchExecution').select('spec').where('id', '=', executionId);
  return (await query.executeTakeFirst())?.spec;
}

/**
 * Gives a lane back; what it still claims stays with it for the next holder. `suspects`: some of it may have been
 * running in a process that died, and has not been started since.
 */
export async function releaseLane(db: Db, lane: HeldLane, keep: readonly number[], suspects: boolean): Promise<void> {
  await db
    .updateTable('executionLane')
    .set({ owner: null, claim: [...keep], suspects })
    .where('executionId', '=', lane.executionId)
    .where('no', '=', lane.no)
    .where('epoch', '=', lane.epoch)
    .execute();
}

/**
 * Raises the epoch of every lane of an execution that is still being closed for this reason: running holders can
 * write no more. `false`: it is not, and nothing was done; its lanes may be in a new round.
 *
 * The claims stay. Where the deadline moves before the last item is closed, the execution goes on, and what was
 * claimed is behind the pool's cursor: nobody else would ever find it.
 */
export async function fenceLanes(db: Db, executionId: string, reason: Closing, now: Date): Promise<boolean> {
  return await db.transaction().execute(async (tx) => {
    const execution = await lockExecution(tx, executionId, now);
    if (execution?.closing !== reason) return false;
    await tx
      .updateTable('executionLane')
      .set((eb) => ({ epoch: eb('epoch', '+', 1), owner: null }))
      .where('executionId', '=', executionId)
      .execute();
    return true;
  });
}

/** The open items of a lane's claim as the database has it; null when the lane has a newer epoch. */
export async function heldItems(db: Db, lane: HeldLane, now: Date): Promise<ClaimedItem[] | null> {
  const items = await claimedItems(db, lane.executionId, lane.no, now);
  // Asked last: whoever has taken the lane before the claim was read has raised it.
  const row = await named(db, 'heldItems')
    .selectFrom('executionLane')
    .select('epoch')
    .where('executionId', '=', lane.executionId)
    .where('no', '=', lane.no)
    .executeTakeFirst();
  return row?.epoch === lane.epoch ? items : null;
}

/**
 * The open items of a lane's claim that do not wait out a backoff, by their ordinals.
 *
 * Raw, for the claim need not leave the database. Each is looked up by itself: a list of a thousand ordinals had all
 * items of an execution read that was not analysed yet, as after a kill while it was prepared (measured: 1.7 s for half
 * a million).
 */
async function claimedItems(db: Db, executionId: string, no: number, now: Date): Promise<ClaimedItem[]> {
  const columns = sql.join(CLAIMED.map((name) => sql.ref(`i.${name}`)));
  const { rows } = await sql<ClaimedItem>`/* claimedItems */
with l as materialized (
  select execution_id, claim from execution_lane where execution_id = ${executionId} and no = ${no}
)
select ${columns} from l cross join unnest(l.claim) as u(ordinal)
cross join lateral item_at(l.execution_id, u.ordinal) as i
where i.status = any(${openItemStatuses()}::text[])
  and (i.run_after is null or i.run_after <= ${now}::timestamptz)
order by i.ordinal`.execute(db);
  return rows;
}

/** The ids of executions that are neither final nor drafts, oldest first, with what the engine needs to begin. */
export async function openExecutions(db: Db, now: Date, id?: string) {
  return await named(db, 'openExecutions')
    .selectFrom('batchExecution as x')
    .innerJoin('executionLane as l', 'l.executionId', 'x.id')
    .select((eb) => [
      'x.id',
      'x.status',
      'x.deadlineAt',
      'x.retryLimit',
      'x.priority',
      'x.itemCancels',
      'l.share',
      closing(now).as('closing'),
      eb('x.cancelMode', '=', 'DRAIN').as('drains'),
      eb
        .and([
          eb('x.status', 'in', executionMoveFrom('pause')),
          eb('x.sampleSize', 'is not', null),
          eb(
            sql<number>`x.total - x.queued - x.running - x.retrying`,
            '>=',
            sql<number>`least(x.sample_size, x.total)`,
          ),
        ])
        .as('sampled'),
      SPENT.as('spent'),
      eb(eb('x.queued', '+', eb.ref('x.retrying')), '>', 0).as('waiting'),
      eb
        .or([
          eb.and([eb('x.sealedAt', 'is', null), eb('x.status', '=', 'PREPARING')]),
          eb.and([eb('x.retryCursor', 'is not', null), eb('x.status', 'in', claimableStatuses())]),
        ])
        .as('unprepared'),
      'l.no',
    ])
    .where('x.endedAt', 'is', null)
    .where('x.status', '<>', 'DRAFT')
    .$if(id !== undefined, (query) => query.where('x.id', '=', id ?? ''))
    .orderBy('x.createdAt')
    .orderBy('l.no')
    .execute();
}
