/** Filling a lane's claim from the execution's pool. */
import { sql } from 'kysely';
import { claimableStatuses, type ExecutionStatus, isClaimable } from '../domain/states.ts';
import type { ClaimAnswer, ClaimedItem, HeldLane } from '../engine/ports.ts';
import { closing } from './count-moves.ts';
import type { Db, Tx } from './database.ts';
import { itemsBetween, LONGEST_STRETCH } from './item-stretches.ts';
import { lockExecution } from './lock-execution.ts';
import { intArray } from './pg-array.ts';

/** The columns of a claimed item. */
export const CLAIMED = ['ordinal', 'status', 'tier', 'attempt', 'charged', 'deaths', 'startedAt'] as const;

/** Most ordinals that one look into the pool covers. */
const MAX_SPAN = 20_000;

/**
 * Adds up to `want` items to the lane's claim.
 *
 * The claim becomes `keep` and the new ones. Items whose backoff has passed come first, then the pool in order
 * from its cursor. Nothing is taken while the execution is not claimable. While nothing waits out a backoff and
 * the next stretch of the pool is whole, as on a fresh execution, this is one statement; else a transaction.
 */
export async function claim(
  db: Db,
  lane: HeldLane,
  keep: readonly number[],
  want: number,
  now: Date,
): Promise<ClaimAnswer> {
  let answer = await claimStretch(db, lane, keep, want, now);
  // Waiting for a chunk that was just appended, or sealed, it counted that chunk's items and did not see them: now it will.
  if (answer === 'not whole yet') answer = await claimStretch(db, lane, keep, want, now);
  return typeof answer === 'string' ? await claimScattered(db, lane, keep, want, now) : answer;
}

interface StretchRow {
  held: boolean;
  status: ExecutionStatus | null;
  closing: boolean | null;
  first: number;
  take: number;
  /** The claimed items that have a history; all others are as they were made. */
  used: [ordinal: number, tier: number, attempt: number, charged: number, deaths: number][] | null;
  whole: boolean;
  /** Whether this is the first claim of the execution's round. */
  starts: boolean;
  revision: number | null;
}

/**
 * Claims the next ordinals of the pool, up to `want`, if every one of them is QUEUED, in one autocommit statement;
 * else a word, and nothing was claimed.
 *
 * Raw: the locks, the pick and both updates must be one round trip, since this process's own work would otherwise
 * hold the execution's row locked between them. The items are looked up for `e`, and only for it (`offset 0`):
 * statistics that do not know the execution yet promise a single row of it, and all of them were read.
 */
async function claimStretch(
  db: Db,
  lane: HeldLane,
  keep: readonly number[],
  want: number,
  now: Date,
): Promise<ClaimAnswer | 'not whole' | 'not whole yet'> {
  const { rows } = await sql<StretchRow>`/* claimStretch */
with e as materialized (
  select x.id, x.status, x.pool_cursor, x.status = 'QUEUED' or x.started_at is null as starts,
    ${closing(now)} is not null as closing,
    x.retrying = 0 and x.status = any(${claimableStatuses()}::text[]) and ${closing(now)} is null as claimable,
    greatest(least(${want}::int, least(x.retry_cursor, x.total, x.sample_size) - x.pool_cursor), 0) as take
  from batch_execution x where x.id = ${lane.executionId} and x.ended_at is null for no key update
), l as materialized (
  select lane.no from execution_lane lane join e on e.id = lane.execution_id
  where lane.no = ${lane.no} and lane.epoch = ${lane.epoch} for no key update of lane
), pick as materialized (
  select coalesce(bool_and(i.status = 'QUEUED'), true) as queued,
    json_agg(json_build_array(i.ordinal, i.tier, i.attempt, i.charged, i.deaths))
      filter (where i.tier + i.attempt + i.charged + i.deaths > 0) as used
  from e, l, lateral (
    select ordinal, status, tier, attempt, charged, deaths from batch_item
    where execution_id = e.id and ordinal >= e.pool_cursor and ordinal < e.pool_cursor + e.take offset 0
  ) i where e.claimable
), whole as materialized (
  select e.claimable and pick.queued and not exists (
      select from item_stretch s
      where s.execution_id = e.id and s.last >= e.pool_cursor and s.first < e.pool_cursor + e.take
        and s.first > e.pool_cursor - ${LONGEST_STRETCH}) as yes, e.take > 0 as fills from e, l, pick
), filled as (
  update execution_lane lane
  set claim = ${intArray(keep)}::int[] || array(select generate_series(e.pool_cursor, e.pool_cursor + e.take - 1))
  from e, whole where whole.yes and whole.fills and lane.execution_id = ${lane.executionId} and lane.no = ${lane.no}
), x as (
  update batch_execution x set pool_cursor = e.pool_cursor + e.take,
    status = case when x.status = 'QUEUED' then 'RUNNING' else x.status end,
    started_at = coalesce(x.started_at, ${now}::timestamptz),
    last_activity_at = case when e.starts then ${now}::timestamptz else x.last_activity_at end,
    revision = x.revision + e.starts::int
  from e, whole where whole.yes and whole.fills and x.id = e.id
  returning x.status, x.revision
)
select exists (select 1 from l) as held, coalesce((select status from x), (select status from e)) as status,
  (select closing from e) as closing, (select yes from whole) as whole, (select starts from e) as starts, (select x.revision from x, e where e.starts) as revision,
  (select pool_cursor from e) as first, (select take from e) as take, (select used from pick) as used`.execute(
    db.withoutPlugins(),
  );
  const row = rows[0];
  const status = row?.status ?? 'CANCELLED';
  const isClosing = row?.closing ?? true;
  if (row === undefined || !row.held || isClosing || !isClaimable(status)) {
    return { held: row?.held ?? false, status, closing: isClosing, items: [], nextDueAt: null, revision: null };
  }
  if (!row.whole) return status === 'PREPARING' || row.starts ? 'not whole yet' : 'not whole';
  const items = Array.from({ length: row.take }, (_, index): ClaimedItem => unused(row.first + index));
  for (const [ordinal, tier, attempt, charged, deaths] of row.used ?? []) {
    items[ordinal - row.first] = { ...unused(ordinal), tier, attempt, charged, deaths };
  }
  return { held: true, status, closing: false, items, nextDueAt: null, revision: row.revision };
}

const unused = (ordinal: number): ClaimedItem => ({
  ordinal,
  status: 'QUEUED',
  tier: 0,
  attempt: 0,
  charged: 0,
  deaths: 0,
  startedAt: null,
});

/** Claims due items, then what the pool has from its cursor on, with gaps or without. */
async function claimScattered(
  db: Db,
  lane: HeldLane,
  keep: readonly number[],
  want: number,
  now: Date,
): Promise<ClaimAnswer> {
  return await db.transaction().execute(async (tx) => {
    const execution = await lockExecution(tx, lane.executionId, now);
    const held = execution !== undefined && execution.endedAt === null && (await lockLane(tx, lane));
    const status = execution?.status ?? 'CANCELLED';
    if (!held || execution.closing !== null || !isClaimable(status)) {
      return { held, status, closing: execution?.closing !== null, items: [], nextDueAt: null, revision: null };
    }
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
          ...(starts
            ? { startedAt: execution.startedAt ?? now, revision: execution.revision + 1, lastActivityAt: now }
            : {}),
        })
        .where('id', '=', lane.executionId)
        .execute();
    }
    const answered = starts && status === 'QUEUED' ? ('RUNNING' as const) : status;
    return {
      held,
      status: answered,
      closing: false,
      items,
      nextDueAt,
      revision: starts ? execution.revision + 1 : null,
    };
  });
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
 * retried items they grow. The cursor never passes what a retry under way has yet to move,
 * nor the end of a sample.
 */
async function pooledItems(
  tx: Tx,
  executionId: string,
  pool: { queued: number; poolCursor: number; retryCursor: number | null; sampleSize: number | null; total: number },
  want: number,
): Promise<{ items: ClaimedItem[]; cursor: number }> {
  const items: ClaimedItem[] = [];
  const end = Math.min(pool.retryCursor ?? pool.total, pool.sampleSize ?? pool.total);
  let cursor = pool.poolCursor;
  for (let span = want; pool.queued > 0 && items.length < want && cursor < end; span = Math.min(span * 4, MAX_SPAN)) {
    const rows = await tx
      .selectFrom(itemsBetween(executionId, cursor, Math.min(cursor + span, end)).as('i'))
      .select(CLAIMED)
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
