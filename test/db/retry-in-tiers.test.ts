/** Retries of executions with several tiers: where items go on, what is chosen, and with what they run. */
import { afterEach, beforeAll, expect, test } from 'vitest';
import type { AgentContext } from '../../src/domain/agent-context.ts';
import { itemId } from '../../src/domain/ids.ts';
import type { AgentCatalog, ServiceDeps } from '../../src/services/ports.ts';
import { readRounds } from '../../src/services/read-rounds.ts';
import { resubmitBatchExecution } from '../../src/services/resubmit-batch-execution.ts';
import { type RetryFailedItemsInput, retryFailedItems } from '../../src/services/retry-failed-items.ts';
import type { Db } from '../../src/store/database.ts';
import { namedAgents } from '../support/agent-catalog.ts';
import { describeDatabases } from '../support/databases.ts';
import { checkWhole, type Harness, type HarnessOptions, startEngine } from '../support/engine-harness.ts';
import { until } from '../support/until.ts';

describeDatabases('a retry of several tiers', (open) => {
  let db: Db;
  const started: Harness[] = [];
  beforeAll(async () => {
    db = await open();
  });
  afterEach(async () => {
    for (const { engine } of started.splice(0)) await engine.stop();
  });
  const start = async (options: HarnessOptions = {}): Promise<Harness> => {
    const harness = await startEngine(db, options);
    started.push(harness);
    return harness;
  };
  const retry = (harness: Harness, id: string, input: Omit<RetryFailedItemsInput, 'batchExecutionId'>) =>
    retryFailedItems(harness.deps, harness.actor, { batchExecutionId: id, ...input });
  const failure = (code: string, rest: object = {}) =>
    Object.assign(new Error(code), { code, transient: true, ...rest });

  test('goes on in the tier where each item failed, with the results before, also after a takeover', async () => {
    const calls: string[] = [];
    const hold = Promise.withResolvers<void>();
    let holding = 0;
    const tier = async ({ item, tier: number, round, previous }: AgentContext) => {
      calls.push(`${item.ordinal} in ${number}, round ${round}, after ${previous}`);
      // Of nine items, three fail in each tier.
      if (round === 0 && item.ordinal % 3 === number) throw failure(`in_${number}`);
      if (round === 1 && number === 1) {
        holding += 1;
        await hold.promise;
      }
      return `${item.ordinal}/${number}/${round}`;
    };
    const first = await start({ node: 'first' });
    const id = await first.create(9, [tier, tier, tier], { retryLimit: 0, concurrency: 3 });
    expect(await first.ended(id)).toMatchObject({ status: 'FAILED', failed: 9 });
    calls.length = 0;
    expect(await retry(first, id, { tierNums: [1, 2] })).toMatchObject({
      retriedCount: 6,
      skipped: [{ reason: 'OTHER_TIER', count: 3 }],
    });
    // Three of tier 1 are being called on a node that is then taken for dead.
    await until(() => holding === 3);
    const second = await start({ node: 'second', actor: first.actor, agents: first.agents });
    second.engine.wake(id);
    await until(() => holding > 3);
    hold.resolve();
    expect(await second.ended(id)).toMatchObject({
      status: 'COMPLETED_WITH_ERRORS',
      succeeded: 6,
      failed: 3,
      round: 1,
    });
    expect(new Set(calls)).toEqual(
      new Set([
        ...[1, 4, 7].flatMap((ordinal) => [
          `${ordinal} in 1, round 1, after ${ordinal}/0/0`,
          `${ordinal} in 2, round 1, after ${ordinal}/1/1`,
        ]),
        ...[2, 5, 8].map((ordinal) => `${ordinal} in 2, round 1, after ${ordinal}/1/0`),
      ]),
    );
    const rounds = await db
      .selectFrom('everyResult')
      .select(['tier', 'round'])
      .where('executionId', '=', id)
      .where('ordinal', '=', 4)
      .orderBy('tier')
      .execute();
    expect(rounds).toEqual([
      { tier: 0, round: 0 },
      { tier: 1, round: 1 },
      { tier: 2, round: 1 },
    ]);
    await checkWhole(db, id);
  });

  /** Twelve items: 0-2 succeed, the others fail as their ordinal says, 9 and 10 in tier 1. */
  async function mixed(harness: Harness): Promise<string> {
    const id = await harness.create(
      12,
      [
        ({ item: { ordinal } }) => {
          if (ordinal === 3 || ordinal === 4) throw failure('slow', { category: 'TIMEOUT' });
          if (ordinal === 5) throw failure('away', { category: 'NETWORK' });
          if (ordinal === 6) throw failure('gone', { category: 'NETWORK' });
          if (ordinal === 7) throw failure('wrong', { category: 'TIMEOUT', transient: false });
          if (ordinal === 8) throw failure('slow', { category: 'TIMEOUT' });
          return ordinal;
        },
        ({ item: { ordinal } }) => {
          if (ordinal > 8) throw failure('slow', { category: 'TIMEOUT' });
          return ordinal;
        },
      ],
      { retryLimit: 0 },
    );
    await harness.ended(id);
    return id;
  }

  test('counts every item that it leaves under the first reason that applies', async () => {
    const harness = await start();
    const id = await mixed(harness);
    await db
      .updateTable('batchItem')
      .set({ retryCount: 2 })
      .where('executionId', '=', id)
      .where('ordinal', '=', 8)
      .execute();
    const answer = await retry(harness, id, {
      itemIds: [0, 4, 5, 6, 7, 8, 9].map((ordinal) => itemId(id, ordinal)),
      tierNums: [0],
      errorCategories: ['TIMEOUT', 'NETWORK'],
      errorCodes: ['slow', 'gone', 'wrong'],
      maxRetryCount: 2,
      dryRun: true,
    });
    expect(answer).toMatchObject({
      retriedCount: 2,
      skipped: [
        { reason: 'NOT_SELECTED', count: 3 },
        { reason: 'OTHER_STATUS', count: 1 },
        { reason: 'OTHER_TIER', count: 1 },
        { reason: 'OTHER_CODE', count: 1 },
        { reason: 'PERMANENT_ERROR', count: 1 },
        { reason: 'RETRY_COUNT_REACHED', count: 1 },
      ],
    });
    expect(await retry(harness, id, { errorCategories: ['NETWORK'], dryRun: true })).toMatchObject({
      retriedCount: 2,
      skipped: [{ reason: 'OTHER_CATEGORY', count: 7 }],
    });
  });

  test('takes what a filter of items lists, and a preview says the same as the retry does', async () => {
    const harness = await start();
    const id = await mixed(harness);
    const taken = async (filter: RetryFailedItemsInput['filter']) =>
      (await retry(harness, id, { filter, mode: 'ALL', dryRun: true })).retriedCount;
    expect(await taken({})).toBe(9);
    expect(await taken({ tier: [1] })).toBe(3);
    expect(await taken({ category: ['NETWORK'] })).toBe(2);
    expect(await taken({ code: ['slow'], tier: [0] })).toBe(3);
    expect(await taken({ filename: 'FILE-1' })).toBe(2);
    expect(await taken({ status: ['SUCCEEDED'] })).toBe(0);
    expect(await taken({ code: [] })).toBe(0);
    const { revision } = await harness.read(id);
    expect(await taken({ updatedAfterRevision: revision })).toBe(0);
    expect(await taken({ updatedAfterRevision: 0 })).toBe(9);
    const filter = { filename: 'file-1', category: ['TIMEOUT' as const] };
    const preview = await retry(harness, id, { filter, dryRun: true });
    const { execution, ...answer } = await retry(harness, id, { filter });
    expect(answer).toEqual({ retriedCount: 2, skipped: [{ reason: 'NOT_SELECTED', count: 7 }] });
    expect({ retriedCount: preview.retriedCount, skipped: preview.skipped }).toEqual(answer);
    expect(execution).toMatchObject({ queued: 2, round: 1 });
    await harness.ended(id);
    const rows = await db
      .selectFrom('everyItem')
      .select('ordinal')
      .where('executionId', '=', id)
      .where('retryCount', '=', 1)
      .orderBy('ordinal')
      .execute();
    expect(rows.map(({ ordinal }) => ordinal)).toEqual([10, 11]);
    await checkWhole(db, id);
  });

  test('with LATEST renews the tiers that it may run, and a preview is refused as the retry would be', async () => {
    const harness = await start();
    const broken = () => Promise.reject(failure('broken'));
    const id = await harness.create(2, [() => 'first', broken, () => 'third'], { retryLimit: 0 });
    const [gone, mended, last] = (await harness.ended(id)).spec.tiers;
    const offer = await namedAgents({ mended: null }).resolve('', 'mended');
    if (gone === undefined || mended === undefined || last === undefined || offer === null) throw new Error('no tiers');
    const newest = { ...offer, version: { ...offer.version, version: 2 } };
    harness.agents.set(newest.version.id, ({ previous }) => `mended after ${previous}`);
    let problems: readonly { path: string; message: string }[] = [];
    const agents: AgentCatalog = {
      ...harness.deps.agents,
      resolve: (_project, reference) => Promise.resolve(reference === gone.agentId ? null : newest),
      configProblems: () => Promise.resolve(problems),
    };
    // Not a copy: that would ask for the parts that are no part of this test.
    const deps = Object.assign(Object.create(harness.deps) as ServiceDeps, { agents });
    const input = { batchExecutionId: id, mode: 'ALL' as const, agentVersion: 'LATEST' as const };
    const msg = 'The agent agent-0 is no longer offered.';
    for (const dryRun of [true, false]) {
      await expect(retryFailedItems(deps, harness.actor, { ...input, dryRun })).rejects.toMatchObject({
        issues: [{ loc: ['input', 'agentVersion'], msg, type: 'not_found' }],
      });
    }
    problems = [{ path: '/size', message: 'must be integer' }];
    await expect(
      retryFailedItems(deps, harness.actor, { ...input, tierNums: [1], dryRun: true }),
    ).rejects.toMatchObject({ issues: [1, 2].map(() => ({ loc: ['input', 'agentVersion'], type: 'config' })) });
    problems = [];
    expect(await retryFailedItems(deps, harness.actor, { ...input, tierNums: [1] })).toMatchObject({
      retriedCount: 2,
      execution: { round: 1 },
    });
    const pinned = [gone.agentVersionId, newest.version.id, newest.version.id];
    const ended = await harness.ended(id);
    expect(ended).toMatchObject({ status: 'COMPLETED', succeeded: 2 });
    expect(ended.spec.tiers.map(({ agentVersionId }) => agentVersionId)).toEqual(pinned);
    expect(ended.spec.tiers.map(({ agentVersion }) => agentVersion)).toEqual([1, 2, 2]);
    await resubmitBatchExecution(deps, harness.actor, {
      ...{ batchExecutionId: id, fromTier: 2, agentVersion: 'LATEST', expectedRound: 1 },
    });
    expect(await harness.ended(id)).toMatchObject({ status: 'COMPLETED', round: 2 });
    const [rounds = []] = await readRounds(harness.deps, harness.actor, [id]);
    expect(rounds.slice(1).map(({ agentVersionIds }) => agentVersionIds)).toEqual([pinned, pinned]);
    await checkWhole(db, id);
  });

  test('runs with the parameters that it changes, which stay with its round', async () => {
    const harness = await start();
    const finish = Promise.withResolvers<void>();
    let [running, most] = [0, 0];
    const attempts: number[] = [];
    const id = await harness.create(
      8,
      async ({ round, attempt, item, signal }) => {
        if (round === 0)
          return await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
        if (item.ordinal === 0) {
          attempts.push(attempt);
          if (attempt < 3) throw failure('again');
        }
        running += 1;
        most = Math.max(most, running);
        await finish.promise;
        running -= 1;
        return 1;
      },
      { retryLimit: 0, itemTimeoutMs: 5, concurrency: 8 },
    );
    expect(await harness.ended(id)).toMatchObject({ status: 'FAILED', failed: 8 });
    const changes = { concurrency: 3, retryLimit: 5, itemTimeoutMs: 60_000, priority: -3 };
    await retry(harness, id, changes);
    await until(async () => running === 3 && (await harness.read(id)).running >= 3);
    finish.resolve();
    const ended = await harness.ended(id);
    expect(ended).toMatchObject({ status: 'COMPLETED', concurrency: 3, retryLimit: 5, priority: -3 });
    expect(most).toBe(3);
    expect(attempts).toEqual([1, 2, 3]);
    const [rounds = []] = await readRounds(harness.deps, harness.actor, [id]);
    expect(rounds.map(({ kind, parameters }) => [kind, parameters])).toEqual([
      ['FIRST', {}],
      ['RETRY', changes],
    ]);
    for (const bad of [{ concurrency: 0 }, { retryLimit: 1_000 }, { itemTimeoutMs: 0 }, { priority: 11 }]) {
      await expect(retry(harness, id, bad)).rejects.toMatchObject({
        issues: [{ loc: ['input', Object.keys(bad)[0]] }],
      });
    }
  });
});
