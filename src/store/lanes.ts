/** Taking, filling and giving back lanes. */
import type { ClaimAnswer, ClaimedItem, HeldLane, TakenLane } from '../engine/ports.ts';
import { claimableStatuses, isClaimable, openItemStatuses } from '../domain/states.ts';
import type { Db, Tx } from './database.ts';

/** Whether the process with this node id is alive, as far as the database can tell. */
export type IsAlive = (node: string) => Promise<boolean>;

/** Most ordinals that one look into the pool covers. */
const MAX_SPAN = 20_000;

const CLAIMED = ['ordinal', 'status', 'tier', 'attempt', 'charged', 'deaths', 'startedAt'] as const;

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
    const execution = await lockExecution(tx, executionId);
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

/**
 * Adds up to `want` items to the lane's claim, in a transaction of its own.
 *
 * The claim becomes `keep` and the new ones. Items whose backoff has passed come first, then the pool in order
 * from its cursor. Nothing is taken while the execution is not claimable.
 */
export async function claim(
  db: Db,
  lane: HeldLane,
  keep: readonly number[],
  want: number,
  now: Date,
): Promise<ClaimAnswer> {
  return await db.transaction().execute(async (tx) => {
    const execution = await lockExecution(tx, lane.executionId);
    const held = execution !== undefined && execution.endedAt === null && (await lockLane(tx, lane));
    const status = execution?.status ?? 'CANCELLED';
    if (!held || !isClaimable(status)) return { held, status, items: [], nextDueAt: null, revision: null };
    const due = execution.retrying > 0 ? await dueItems(tx, lane, keep, want, now) : [];
    const pool = await pooledItems(tx, lane.executionId, execution, want - due.length);
    const items = [...due, ...pool.items];
    const nextDueAt = execution.retrying > due.length ? await earliestDue(tx, lane.executionId, now) : null;
    if (items.length > 0) {
      await tx
        .updateTable('executionLane')
        .set({ claim: [...keep, ...items.map((item) => item.ordinal)] })
        .where('executionId', '=', lane.executionId)
        .where('no', '=', lane.no)
        .execute();
    }
    const starts = items.length > 0 && (status === 'QUEUED' || execution.startedAt === null);
    if (starts || pool.cursor !== execution.poolCursor) {
      await tx
        .updateTable('batchExecution')
        .set({
          poolCursor: pool.cursor,
          ...(starts && status === 'QUEUED' ? { status: 'RUNNING' as const } : {}),
          ...(starts ? { startedAt: execution.startedAt ?? now, revision: execution.revision + 1, lastActivityAt: now } : {}),
        })
        .where('id', '=', lane.executionId)
        .execute();
    }
    const answered = starts && status === 'QUEUED' ? ('RUNNING' as const) : status;
    return { held, status: answered, items, nextDueAt, revision: starts ? execution.revision + 1 : null };
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

async function lockExecution(tx: Tx, executionId: string) {
  return await tx
    .selectFrom('batchExecution')
    .select([
      ...['status', 'revision', 'round', 'spec', 'retryLimit', 'startedAt', 'endedAt'] as const,
      ...['total', 'queued', 'retrying', 'poolCursor', 'retryCursor'] as const,
    ])
    .where('id', '=', executionId)
    .forNoKeyUpdate()
    .executeTakeFirst();
}

async function lockLane(tx: Tx, lane: HeldLane): Promise<boolean> {
  const row = await tx
    .selectFrom('executionLane')
    .select('epoch')
    .where('executionId', '=', lane.executionId)
    .where('no', '=', lane.no)
    .forNoKeyUpdate()
    .executeTakeFirst();
  return row?.epoch === lane.epoch;
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

/** Items whose backoff has passed and that no lane has claimed. */
async function dueItems(tx: Tx, lane: HeldLane, keep: readonly number[], want: number, now: Date) {
  const others = await tx
    .selectFrom('executionLane')
    .select('claim')
    .where('executionId', '=', lane.executionId)
    .where('no', '<>', lane.no)
    .execute();
  const taken = [...keep, ...others.flatMap((other) => other.claim)];
  return await tx
    .selectFrom('batchItem')
    .select(CLAIMED)
    .where('executionId', '=', lane.executionId)
    .where('runAfter', '<=', now)
    .$if(taken.length > 0, (query) => query.where('ordinal', 'not in', taken))
    .orderBy('runAfter')
    .limit(want)
    .execute();
}

/**
 * The next QUEUED items from the pool's cursor on, and where the cursor then stands.
 *
 * Looks at bounded spans of ordinals: an open-ended `order by … limit` was planned as a sort of the whole
 * execution on tables without statistics. The first span is what a fresh execution needs; in a round of few
 * retried items they grow. The cursor never passes what a retry under way has yet to move.
 */
async function pooledItems(
  tx: Tx,
  executionId: string,
  pool: { queued: number; poolCursor: number; retryCursor: number | null; total: number },
  want: number,
): Promise<{ items: ClaimedItem[]; cursor: number }> {
  const items: ClaimedItem[] = [];
  const end = pool.retryCursor ?? pool.total;
  let cursor = pool.poolCursor;
  for (let span = want; pool.queued > 0 && items.length < want && cursor < end; span = Math.min(span * 4, MAX_SPAN)) {
    const rows = await tx
      .selectFrom('batchItem')
      .select(CLAIMED)
      .where('executionId', '=', executionId)
      .where('ordinal', '>=', cursor)
      .where('ordinal', '<', Math.min(cursor + span, end))
      .where('status', '=', 'QUEUED')
      .orderBy('ordinal')
      .limit(want - items.length)
      .execute();
    items.push(...rows);
    const last = items.at(-1);
    cursor = items.length === want && last !== undefined ? last.ordinal + 1 : Math.min(cursor + span, end);
  }
  return { items, cursor };
}

async function earliestDue(tx: Tx, executionId: string, now: Date): Promise<Date | null> {
  const row = await tx
    .selectFrom('batchItem')
    .select('runAfter')
    .where('executionId', '=', executionId)
    .where('runAfter', '>', now)
    .orderBy('runAfter')
    .limit(1)
    .executeTakeFirst();
  return row?.runAfter ?? null;
}

/** The ids of executions that are neither final nor drafts, oldest first, with what the engine needs to begin. */
export async function openExecutions(db: Db, id?: string) {
  return await db
    .selectFrom('batchExecution as x')
    .innerJoin('executionLane as l', 'l.executionId', 'x.id')
    .select((eb) => [
      'x.id',
      'x.status',
      'x.cancelMode',
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
