/** Doing an execution again from a tier on: what is kept, what is redone, and what the counts say meanwhile. */
import { sql } from 'kysely';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { AgentContext } from '../../src/domain/agent-context.ts';
import { countsOfTiers } from '../../src/domain/tiers.ts';
import { exportResults } from '../../src/services/export-results.ts';
import { readNewestResults, readTierResults } from '../../src/services/read-item-outputs.ts';
import { readRounds } from '../../src/services/read-rounds.ts';
import {
  type ResubmitBatchExecutionInput,
  resubmitBatchExecution,
} from '../../src/services/resubmit-batch-execution.ts';
import { retryFailedItems } from '../../src/services/retry-failed-items.ts';
import type { Db } from '../../src/store/database.ts';
import { moveRoundChunk } from '../../src/store/rounds.ts';
import { describeDatabases } from '../support/databases.ts';
import { checkWhole, type Harness, startEngine } from '../support/engine-harness.ts';

type Call = Pick<AgentContext, 'tier' | 'round' | 'previous'> & { readonly ordinal: number; readonly key: string };

describeDatabases('a resubmit', (open) => {
  let db: Db;
  let harness: Harness;
  const calls: Call[] = [];
  beforeAll(async () => {
    db = await open();
    harness = await startEngine(db);
  });
  afterAll(() => harness.engine.stop());

  /** Three tiers, each of which says its tier, round and ordinal; what the test throws is thrown. */
  const run = async (total: number, thrown: (call: Call) => unknown = () => undefined): Promise<string> => {
    calls.length = 0;
    const tier = ({ item, tier: number, round, previous, idempotencyKey }: AgentContext): unknown => {
      const call = { ordinal: item.ordinal, tier: number, round, previous, key: idempotencyKey };
      calls.push(call);
      const error = thrown(call);
      if (error !== undefined) throw error;
      return `t${number} r${round} #${item.ordinal}`;
    };
    const id = await harness.create(total, [tier, tier, tier], { retryLimit: 0 });
    await harness.ended(id);
    return id;
  };
  const resubmit = (id: string, input: Omit<ResubmitBatchExecutionInput, 'batchExecutionId'> = {}) =>
    resubmitBatchExecution(harness.deps, harness.actor, { batchExecutionId: id, ...input });
  const broken = () => Object.assign(new Error('broken'), { category: 'VALIDATION', code: 'broken' });

  test('keeps the tiers before as its input, does the later ones again, and shows the newest', async () => {
    const id = await run(4);
    calls.length = 0;
    const answer = await resubmit(id, { fromTier: 1 });
    expect(answer).toMatchObject({ resubmittedCount: 4, skipped: [], execution: { round: 1, succeeded: 0 } });
    expect(await harness.ended(id)).toMatchObject({ status: 'COMPLETED', succeeded: 4, round: 1 });
    expect(calls.filter(({ ordinal }) => ordinal === 2)).toEqual([
      { ordinal: 2, tier: 1, round: 1, previous: 't0 r0 #2', key: `${id}:1:2:1` },
      { ordinal: 2, tier: 2, round: 1, previous: 't1 r1 #2', key: `${id}:1:2:2` },
    ]);
    expect(calls).toHaveLength(8);
    const key = [{ executionId: id, ordinal: 2 }];
    const read = async (round: number | null) =>
      (await readTierResults(harness.deps, harness.actor, key, round))[0]?.map(({ data }) => data);
    expect(await read(null)).toEqual(['t0 r0 #2', 't1 r1 #2', 't2 r1 #2']);
    expect(await read(0)).toEqual(['t0 r0 #2', 't1 r0 #2', 't2 r0 #2']);
    expect(await read(1)).toEqual(['t1 r1 #2', 't2 r1 #2']);
    const [newest] = await readNewestResults(harness.deps, harness.actor, key);
    expect(newest).toMatchObject({ data: 't2 r1 #2', tier: 2, round: 1 });
    await checkWhole(db, id);
    const items = await db.selectFrom('everyItem').select('retryCount').where('executionId', '=', id).execute();
    expect(items.every(({ retryCount }) => retryCount === 0)).toBe(true);
  });

  test('does everything again by default, and takes failed items along whatever their error', async () => {
    const id = await run(6, ({ tier, round, ordinal }) =>
      round === 0 && tier === ordinal && ordinal < 3 ? broken() : undefined,
    );
    expect(await harness.read(id)).toMatchObject({ status: 'COMPLETED_WITH_ERRORS', failed: 3 });
    expect(await resubmit(id)).toMatchObject({ resubmittedCount: 6, skipped: [] });
    expect(await harness.ended(id)).toMatchObject({ status: 'COMPLETED', succeeded: 6, round: 1 });
    await checkWhole(db, id);
  });

  test('leaves items that ended in an earlier tier as they are, and says so', async () => {
    const id = await run(6, ({ tier, round, ordinal }) =>
      round === 0 && tier === ordinal && ordinal < 3 ? broken() : undefined,
    );
    const selected = { resubmittedCount: 4, skipped: [{ reason: 'EARLIER_TIER', count: 2 }] };
    const before = await harness.read(id);
    expect(await resubmit(id, { fromTier: 2, dryRun: true })).toMatchObject(selected);
    expect(await harness.read(id)).toEqual(before);
    expect(await resubmit(id, { fromTier: 2 })).toMatchObject(selected);
    const ended = await harness.ended(id);
    expect(ended).toMatchObject({ status: 'COMPLETED_WITH_ERRORS', succeeded: 4, failed: 2 });
    expect(countsOfTiers(ended).map(({ total, succeeded, failed }) => [total, succeeded, failed])).toEqual([
      [6, 5, 1],
      [5, 4, 1],
      [4, 4, 0],
    ]);
    await checkWhole(db, id);
  });

  test('shows of an item that fails when it is done again what it passed, and no result of before as its own', async () => {
    const id = await run(3, ({ tier, round, ordinal }) =>
      round === 1 && tier === 2 && ordinal === 1 ? broken() : undefined,
    );
    await resubmit(id, { fromTier: 1 });
    expect(await harness.ended(id)).toMatchObject({ status: 'COMPLETED_WITH_ERRORS', succeeded: 2, failed: 1 });
    const keys = [0, 1].map((ordinal) => ({ executionId: id, ordinal }));
    const newest = await readNewestResults(harness.deps, harness.actor, keys);
    expect(newest.map((result) => result?.data)).toEqual(['t2 r1 #0', 't1 r1 #1']);
    let lines = '';
    for await (const piece of exportResults(harness.deps, harness.actor, id, 'JSONL', { after: -1, corrected: false }))
      lines += piece;
    expect(lines).toContain('t2 r1 #0');
    expect(lines).toContain('t1 r1 #1');
    expect(lines).not.toContain('t2 r0 #1');
    // What failed goes on where it failed, from the newest result before.
    calls.length = 0;
    await retryFailedItems(harness.deps, harness.actor, { batchExecutionId: id, mode: 'ALL' });
    expect(await harness.ended(id)).toMatchObject({ status: 'COMPLETED', round: 2 });
    expect(calls).toMatchObject([{ ordinal: 1, tier: 2, round: 2, previous: 't1 r1 #1' }]);
    await checkWhole(db, id);
  });

  test('moves more than a chunk with every count right at each revision, flaws too', async () => {
    const id = await harness.create(
      2_500,
      [
        ({ item }) => item.ordinal,
        ({ item, round }) =>
          round === 0 && item.ordinal % 5 === 0
            ? { data: 1, fieldErrors: [{ path: '/x', code: 'c', message: 'm' }] }
            : { data: 2 },
      ],
      { concurrency: 50 },
    );
    expect(await harness.ended(id)).toMatchObject({ status: 'COMPLETED_WITH_ERRORS', succeeded: 2_500 });
    await harness.engine.stop();
    await resubmit(id, { fromTier: 1 });
    const flawed = () =>
      sql<{ said: number; real: number; succeeded: number }>`
        select x.flawed as said, x.succeeded, (select count(*)::int from every_item i join every_result r
          on r.execution_id = i.execution_id and r.ordinal = i.ordinal and r.tier = i.tier and r.field_errors is not null
          where i.execution_id = x.id and i.status = 'SUCCEEDED') as real
        from batch_execution x where x.id = ${id}`.execute(db);
    const seen: number[] = [];
    for (let more = true; more; more = (await moveRoundChunk(db, id, new Date()))?.more ?? false) {
      const [row] = (await flawed()).rows;
      expect(row?.said).toBe(row?.real);
      seen.push(row?.succeeded ?? -1);
      await checkCounts(id);
    }
    expect(seen).toEqual([1_500, 500]);
    harness = await startEngine(db, { actor: harness.actor, agents: harness.agents });
    harness.engine.wake(id);
    expect(await harness.ended(id)).toMatchObject({ status: 'COMPLETED', succeeded: 2_500 });
    expect((await flawed()).rows[0]).toMatchObject({ said: 0 });
    await checkWhole(db, id);
  });

  test('is refused in another round, while it runs, and from a tier that is not there', async () => {
    const id = await run(2);
    await expect(resubmit(id, { fromTier: 3 })).rejects.toMatchObject({ issues: [{ loc: ['input', 'fromTier'] }] });
    await expect(resubmit(id, { expectedRound: 1 })).rejects.toMatchObject({ code: 'INVALID_STATE' });
    const answers = await Promise.allSettled([1, 2].map(() => resubmit(id, { expectedRound: 0 })));
    expect(answers.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    expect(await harness.ended(id)).toMatchObject({ round: 1 });
    await expect(resubmit('exec_nothing')).rejects.toMatchObject({ code: 'NOT_FOUND' });
    const hold = Promise.withResolvers<void>();
    const running = await harness.create(1, () => hold.promise);
    await expect(resubmit(running)).rejects.toMatchObject({ code: 'INVALID_STATE' });
    hold.resolve();
    await harness.ended(running);
    const empty = await harness.create(0, () => 1);
    await harness.ended(empty);
    expect(await resubmit(empty)).toMatchObject({ resubmittedCount: 0, execution: { round: 0 } });
  });

  test('runs with what it changes from then on, and each round says what that was', async () => {
    const id = await run(3);
    await resubmit(id, { fromTier: 2, concurrency: 3, priority: 4, itemTimeoutMs: 5_000, retryLimit: 7 });
    const ended = await harness.ended(id);
    expect(ended).toMatchObject({ concurrency: 3, priority: 4, retryLimit: 7 });
    expect(ended.spec.execution.itemTimeoutMs).toBe(5_000);
    await resubmit(id);
    expect(await harness.ended(id)).toMatchObject({ concurrency: 3, round: 2 });
    expect((await readRounds(harness.deps, harness.actor, [id]))[0]).toMatchObject([
      { round: 0, kind: 'FIRST', fromTier: null, parameters: {} },
      {
        ...{ round: 1, kind: 'RESUBMIT', fromTier: 2 },
        parameters: { concurrency: 3, priority: 4, itemTimeoutMs: 5_000, retryLimit: 7 },
      },
      { round: 2, kind: 'RESUBMIT', fromTier: 0, parameters: {} },
    ]);
  });

  async function checkCounts(id: string): Promise<void> {
    const { queued, succeeded } = await harness.read(id);
    const rows = await db
      .selectFrom('everyItem')
      .select(['status', sql<number>`count(*)::int`.as('n')])
      .where('executionId', '=', id)
      .groupBy('status')
      .execute();
    const of = (status: string) => rows.find((row) => row.status === status)?.n ?? 0;
    expect([queued, succeeded]).toEqual([of('QUEUED'), of('SUCCEEDED')]);
  }
});
