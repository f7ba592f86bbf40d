/** Everyone who touches items without rows of their own, at once: each item stays in one place, and none is lost. */
import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { isFinalExecution } from '../../src/domain/states.ts';
import type { ClaimedItem, HeldLane, LaneStore } from '../../src/engine/ports.ts';
import { cancelItems } from '../../src/store/cancel-items.ts';
import { appendCorrection, findPresentResult } from '../../src/store/corrections.ts';
import type { Db } from '../../src/store/database.ts';
import { listItems } from '../../src/store/item-reads.ts';
import { createLaneStore } from '../../src/store/lane-store.ts';
import { moveRoundChunk, openRound } from '../../src/store/rounds.ts';
import { freshPostgres } from '../support/databases.ts';
import { drawFlush, halves } from '../support/drawn-flush.ts';
import { makeExecution, makeInputs, makeItems, makeProject } from '../support/rows.ts';
import { type Seeded, seeded } from '../support/seeded.ts';

const TOTAL = 600;
const LANES = 2;
const cap = (name: string) => name.charAt(0).toUpperCase() + name.slice(1);
const turns = async (count: number): Promise<void> => {
  for (let turn = 0; turn < count; turn += 1) await new Promise((resolve) => setImmediate(resolve));
};
const range = (first: number, length: number) => Array.from({ length }, (_, index) => first + index);

interface Scene {
  readonly db: Db;
  readonly projectId: string;
  readonly id: string;
  readonly problems: string[];
}

test.each(range(1, 6))('schedule %i', { timeout: 120_000 }, async (seed) => {
  const fresh = await freshPostgres(12);
  try {
    expect(await schedule(fresh.db, seed)).toEqual([]);
  } finally {
    await fresh.close();
  }
});

/** Three rounds of it; what was wrong. */
async function schedule(db: Db, seed: number): Promise<readonly string[]> {
  const draw = seeded(seed);
  const { projectId } = await makeProject(db);
  const id = await makeExecution(db, projectId, { status: 'QUEUED' });
  // Of an older version up to here.
  if (draw.chance(0.4)) await makeRowsUpTo(db, id, draw.between(1, TOTAL));
  else await makeInputs(db, id, TOTAL);
  for (const no of range(0, LANES))
    await db.insertInto('executionLane').values({ executionId: id, no, epoch: 0, share: 10, owner: null }).execute();
  const scene: Scene = { db, projectId, id, problems: [] };
  for (let round = 0; round < 3; round += 1) {
    const flag = { done: false };
    const others = [
      readers(scene, seeded(seed * 7 + round), flag),
      cancels(scene, seeded(seed * 11 + round), flag, round),
      corrects(scene, seeded(seed * 13 + round), flag),
    ];
    const closes = draw.chance(0.3) ? cancelAll(scene, seeded(seed * 17 + round)) : Promise.resolve();
    const moves = round === 0 ? Promise.resolve() : moveAll(scene);
    await Promise.all([
      ...range(0, LANES).map((no) => works(scene, no, round, seeded(seed * 100 + round * 10 + no))),
      closes,
      moves,
    ]);
    flag.done = true;
    await Promise.all(others);
    await snapshot(scene);
    const x = await db.selectFrom('batchExecution').selectAll().where('id', '=', id).executeTakeFirstOrThrow();
    if (!isFinalExecution(x.status)) scene.problems.push(`round ${round}: it is ${x.status} with ${x.queued} queued`);
    if (round === 2 || scene.problems.length > 0) break;
    const spec = x.spec;
    const retry = {
      ...{ mode: 'ALL' as const, statuses: ['FAILED' as const, 'CANCELLED' as const, 'EXPIRED' as const], tiers: null },
      ...{ errorCategories: null, errorCodes: null, ordinals: null, maxRetryCount: null, filter: null },
    };
    const resubmit = x.status === 'COMPLETED' || draw.chance(0.5);
    const opened = await openRound(db, projectId, id, {
      ...{ expectedRound: round, selection: resubmit ? { fromTier: 0 } : retry, spec, parameters: {}, now: new Date() },
    });
    if (opened === null) throw new Error('no round');
  }
  return scene.problems;
}

async function makeRowsUpTo(db: Db, id: string, upTo: number): Promise<void> {
  await makeItems(db, id, upTo);
  for (const ordinal of range(upTo, TOTAL - upTo))
    await db
      .insertInto('batchItemInput')
      .values({
        executionId: id,
        ordinal,
        elementId: `e-${ordinal}`,
        filename: `e-${ordinal}`,
        mediaType: 'text/plain',
      })
      .execute();
  await db
    .updateTable('batchExecution')
    .set((eb) => ({ total: TOTAL, queued: eb('queued', '+', TOTAL - upTo) }))
    .where('id', '=', id)
    .execute();
}

async function moveAll({ db, id }: Scene): Promise<void> {
  for (;;) {
    const chunk = await moveRoundChunk(db, id, new Date());
    if (chunk === null || !chunk.more) return;
  }
}

/** A node that runs a lane, dies now and then, and goes on writing after it was taken over. */
async function works(scene: Scene, no: number, round: number, draw: Seeded): Promise<void> {
  const { db, id } = scene;
  let generation = 0;
  /** What former holders do once they have lost the lane. */
  const late: (() => Promise<unknown>)[] = [];
  for (let idle = 0; ; ) {
    generation += 1;
    const store = createLaneStore(
      db,
      `node-${no}-${round}-${generation}`,
      () => Promise.resolve(false),
      () => new Date(),
      'postgres',
    );
    const taken = await store.takeLane(id, no, () => undefined);
    if (taken === null || taken.round !== round) return;
    const held = new Map<number, ClaimedItem>(taken.items.map((item) => [item.ordinal, item]));
    const zombies: Promise<unknown>[] = late.splice(0).map((write) => write());
    let lives = true;
    for (let steps = draw.between(1, 12); lives && steps > 0; steps -= 1) {
      const want = draw.pick([5, 20, 60, 150]);
      const answer = await store.claim(taken.lane, [...held.keys()], want, new Date());
      if (!answer.held) break;
      for (const item of answer.items) {
        if (held.has(item.ordinal)) scene.problems.push(`item ${item.ordinal} claimed twice`);
        held.set(item.ordinal, item);
      }
      if (held.size === 0) {
        const x = await db
          .selectFrom('batchExecution')
          .select(['endedAt', 'round'])
          .where('id', '=', id)
          .executeTakeFirstOrThrow();
        if (x.endedAt !== null || x.round !== round) return;
        idle += 1;
        if (idle > 1_500) return void scene.problems.push(`lane ${no} found nothing to do`);
        await turns(3);
        continue;
      }
      const flush = drawFlush([...held.values()], round, draw);
      if (flush.moves.length === 0) continue;
      // As the recorder does: what was written is taken for the item's state, and a lost answer is followed by the same again.
      if (draw.chance(0.1)) {
        lives = false;
        zombies.push(store.settle(taken.lane, flush).then((late) => void late));
        if (draw.chance(0.5)) zombies.push(store.claim(taken.lane, [...held.keys()], 30, new Date()));
        break;
      }
      const sends = [store.settle(taken.lane, flush)];
      if (draw.chance(0.25)) sends.push(store.settle(taken.lane, flush));
      if (draw.chance(0.15)) sends.push(...halves(flush).map((half) => store.settle(taken.lane, half)));
      const answers = await Promise.all(sends);
      if (answers.some((one) => !one.held && !isFinalExecution(one.status))) break;
      for (const move of flush.moves) {
        if (move.to === 'SUCCEEDED' || move.to === 'FAILED' || move.to === 'RETRYING') held.delete(move.ordinal);
        else {
          const item = held.get(move.ordinal);
          if (item)
            held.set(move.ordinal, { ...item, status: move.to, attempt: move.attempt, startedAt: move.startedAt });
        }
      }
    }
    if (lives && draw.chance(0.3)) await store.releaseLane(taken.lane, [...held.keys()], false);
    else if (draw.chance(0.5)) late.push(() => zombie(store, taken.lane, [...held.values()], round, draw));
    scene.problems.push(
      ...(await Promise.allSettled(draw.chance(0.5) ? zombies.splice(0) : [])).flatMap((end) =>
        end.status === 'rejected' ? [String(end.reason)] : [],
      ),
    );
    for (const one of zombies) one.catch((error: unknown) => scene.problems.push(String(error)));
  }
}

async function zombie(
  store: LaneStore,
  lane: HeldLane,
  items: ClaimedItem[],
  round: number,
  draw: Seeded,
): Promise<void> {
  await turns(draw.between(0, 15));
  const flush = drawFlush(items, round, draw);
  if (flush.moves.length > 0) await store.settle(lane, flush);
  await store.claim(
    lane,
    items.map(({ ordinal }) => ordinal),
    40,
    new Date(),
  );
}

async function cancels(scene: Scene, draw: Seeded, flag: { done: boolean }, round: number): Promise<void> {
  // Not for ever: in the end it would cancel what is lost, too.
  for (let left = 30; left > 0 && !flag.done; left -= 1) {
    await turns(draw.between(1, 25));
    const first = draw.between(0, TOTAL - 1);
    const ordinals = range(first, draw.between(1, 4)).filter((ordinal) => ordinal < TOTAL);
    const before = await scene.db
      .selectFrom('batchExecution')
      .select('round')
      .where('id', '=', scene.id)
      .executeTakeFirstOrThrow();
    if (before.round !== round) return;
    await cancelItems(scene.db, scene.id, { ordinals }, null, new Date());
  }
}

async function corrects(scene: Scene, draw: Seeded, flag: { done: boolean }): Promise<void> {
  const { db, projectId, id } = scene;
  while (!flag.done) {
    await turns(draw.between(5, 40));
    const ordinal = draw.between(0, TOTAL - 1);
    const present = await findPresentResult(db, projectId, { executionId: id, ordinal });
    if (present?.status !== 'SUCCEEDED') continue;
    await appendCorrection(db, projectId, {
      ...{ executionId: id, ordinal, number: present.lastNumber + 1, tier: present.tier, round: present.round },
      ...{ data: '{"of":"me"}', patches: null, notes: null, createdAt: new Date(), createdBy: null },
    });
  }
}

async function cancelAll({ db, id }: Scene, draw: Seeded): Promise<void> {
  await turns(draw.between(5, 150));
  const kind = draw.pick(['CANCEL', 'EXPIRE', 'FAIL'] as const);
  const store = createLaneStore(
    db,
    'closer',
    () => Promise.resolve(false),
    () => new Date(),
    'postgres',
  );
  const open = await db
    .updateTable('batchExecution')
    .set((eb) => ({
      revision: eb('revision', '+', 1),
      ...(kind === 'CANCEL' && {
        status: 'CANCELLING' as const,
        cancelRequestedAt: new Date(),
        cancelMode: 'ABORT' as const,
      }),
      ...(kind === 'EXPIRE' && { deadlineAt: new Date() }),
      ...(kind === 'FAIL' && { stopReason: 'it cannot go on' }),
    }))
    .where('id', '=', id)
    .where('endedAt', 'is', null)
    .returning('id')
    .execute();
  if (open.length === 0) return;
  for (let cursor: number | null = 0; cursor !== null; )
    ({ cursor } = await store.closeItems(id, { cursor, running: false, closing: kind }));
  if (draw.chance(0.5)) await turns(10);
  if (await store.fenceLanes(id, kind)) {
    for (let cursor: number | null = 0; cursor !== null; )
      ({ cursor } = await store.closeItems(id, { cursor, running: true, closing: kind }));
  }
  if (kind === 'EXPIRE')
    await db.updateTable('batchExecution').set({ deadlineAt: null }).where('id', '=', id).execute();
}

async function readers(scene: Scene, draw: Seeded, flag: { done: boolean }): Promise<void> {
  while (!flag.done) {
    await snapshot(scene);
    const filter = draw.pick([{}, { status: ['QUEUED' as const] }, { updatedAfterRevision: draw.between(1, 30) }]);
    const first = draw.between(0, TOTAL - 60);
    const page = await listItems(scene.db, scene.projectId, scene.id, filter, {
      limit: 50,
      backward: false,
      after: [first],
    });
    if (new Set(page.map(({ ordinal }) => ordinal)).size !== page.length)
      scene.problems.push('a page has an item twice');
    if (Object.keys(filter).length === 0 && page.length < 51) scene.problems.push('a page misses an item');
    await turns(5);
  }
}

async function snapshot({ db, id, problems }: Scene): Promise<void> {
  const { rows } = await sql<Record<string, number>>`
    with i as materialized (select * from items_between(${id}, 0, ${TOTAL + 10})),
      r as materialized (select * from every_result where execution_id = ${id})
    select (select count(*)::int from i) as items, (select count(distinct ordinal)::int from i) as ordinals,
      x.total, x.revision,
      ${sql.join(
        ['queued', 'running', 'retrying', 'succeeded', 'failed', 'cancelled', 'expired'].flatMap((name) => [
          sql`x.${sql.raw(name)} as said_${sql.raw(name)}`,
          sql`(select count(*)::int from i where status = ${sql.lit(name.toUpperCase())}) as real_${sql.raw(name)}`,
        ]),
      )},
      (select count(*)::int from r) - (select count(distinct (ordinal, tier, round))::int from r) as twice,
      (select count(*)::int from i where status = 'SUCCEEDED' and not exists (select from r where r.ordinal = i.ordinal)) as without,
      (select count(*)::int from i join r using (ordinal) where r.round = x.round and i.status <> 'SUCCEEDED') as though,
      (select count(*)::int from i where revision > x.revision) as ahead,
      (select count(*)::int from i where status <> 'QUEUED' and revision is distinct from (
        select max(c.revision) from execution_change c where c.execution_id = ${id} and i.ordinal = any(c.ordinals))) as unlogged
    from batch_execution x where x.id = ${id}`.execute(db);
  const [row] = rows;
  if (row === undefined) return void problems.push('no execution');
  const wrong = [
    ...(row['items'] === row['total'] && row['ordinals'] === row['total'] ? [] : ['items']),
    ...['queued', 'running', 'retrying', 'succeeded', 'failed', 'cancelled', 'expired'].filter(
      (name) => row[`said${cap(name)}`] !== row[`real${cap(name)}`],
    ),
    ...['twice', 'without', 'though', 'ahead', 'unlogged'].filter((name) => row[name] !== 0),
  ];
  if (wrong.length > 0 && problems.length < 5) problems.push(`${wrong.join()}: ${JSON.stringify(row)}`);
}
