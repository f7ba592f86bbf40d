/** Taking lanes and giving them back, and what there is to take. */

import { sql } from 'kysely';
import { claimableStatuses, executionMoveFrom, openItemStatuses } from '../domain/states.ts';
import type { ClaimedItem, HeldLane, TakenLane } from '../engine/ports.ts';
import { CLAIMED } from './claim.ts';
import { closing } from './count-moves.ts';
import type { Db, Tx } from './database.ts';
import { lockExecution } from './lock-execution.ts';

/** Whether the process with this node id is alive, as far as the database can tell. */
export type IsAlive = (node: string) => Promise<boolean>;

/**
 * Takes a lane for a node and raises its epoch, in a transaction of its own.
 *
 * null when the lane's owner lives, or the execution has ended. What the last holder left unsettled comes with
 * it; an item of its claim that still waits out a backoff goes back to those that any lane may take when due.
 */
export async function takeLane(
  db: Db,
  executionId: string,
  no: number,
  node: string,
  isAlive: IsAlive,
  now: Date,
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
  return await db.transaction().execute(async (tx) => {
    const execution = await lockExecution(tx, executionId, now);
    if (execution === undefined || execution.endedAt !== null) return null;
    const lane = await tx
      .selectFrom('executionLane')
      .select(['share', 'epoch', 'owner', 'claim'])
      .where('executionId', '=', executionId)
      .where('no', '=', no)
      .forNoKeyUpdate()
      .executeTakeFirst();
    if (lane === undefined || lane.owner !== owner) return null;
    const items = await claimedItems(tx, executionId, lane.claim, now);
    await tx
      .updateTable('executionLane')
      .set({ epoch: lane.epoch + 1, owner: node, claim: items.map((item) => item.ordinal) })
      .where('executionId', '=', executionId)
      .where('no', '=', no)
      .execute();
    return {
      lane: { executionId, no, epoch: lane.epoch + 1 },
      share: lane.share,
      round: execution.round,
      spec: execution.spec,
      retryLimit: execution.retryLimit,
      status: execution.status,
      items,
      afterDeath: owner !== null && owner !== node,
    };
  });
}

/** Gives a lane back; what it still claims stays with it for the next holder. */
export async function releaseLane(db: Db, lane: HeldLane, keep: readonly number[]): Promise<void> {
  await db
    .updateTable('executionLane')
    .set({ owner: null, claim: [...keep] })
    .where('executionId', '=', lane.executionId)
    .where('no', '=', lane.no)
    .where('epoch', '=', lane.epoch)
    .execute();
}

/** Raises the epoch of every lane of an execution and empties the claims; running holders can write no more. */
export async function fenceLanes(db: Db, executionId: string): Promise<void> {
  await db
    .updateTable('executionLane')
    .set((eb) => ({ epoch: eb('epoch', '+', 1), owner: null, claim: [] }))
    .where('executionId', '=', executionId)
    .execute();
}

async function claimedItems(
  tx: Tx,
  executionId: string,
  ordinals: readonly number[],
  now: Date,
): Promise<ClaimedItem[]> {
  if (ordinals.length === 0) return [];
  return await tx
    .selectFrom('batchItem')
    .select(CLAIMED)
    .where('executionId', '=', executionId)
    .where('ordinal', 'in', ordinals)
    .where('status', 'in', openItemStatuses())
    .where((eb) => eb.or([eb('runAfter', 'is', null), eb('runAfter', '<=', now)]))
    .orderBy('ordinal')
    .execute();
}

/** The ids of executions that are neither final nor drafts, oldest first, with what the engine needs to begin. */
export async function openExecutions(db: Db, now: Date, id?: string) {
  return await db
    .selectFrom('batchExecution as x')
    .innerJoin('executionLane as l', 'l.executionId', 'x.id')
    .select((eb) => [
      'x.id',
      'x.status',
      'x.deadlineAt',
      'x.retryLimit',
      'x.priority',
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
