/** What calls of language models used, and what that does to an execution. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Settlement } from '../../src/engine/ports.ts';
import { resumeBatchExecution } from '../../src/services/pause-batch-execution.ts';
import { summarizeUsage } from '../../src/services/summarize-usage.ts';
import { updateBatchExecution } from '../../src/services/update-batch-execution.ts';
import type { Db } from '../../src/store/database.ts';
import { settleStatement } from '../../src/store/settle.ts';
import { toStretches } from '../../src/store/settle-stretches.ts';
import { describeDatabases } from '../support/databases.ts';
import { checkWhole, type Harness, startEngine } from '../support/engine-harness.ts';
import { until } from '../support/until.ts';

const prices = { inputPerMillion: 0.15, outputPerMillion: 0.6, cachedInputPerMillion: 0.075, currency: 'USD' };
const used = (inputTokens: number, outputTokens: number, more = {}) => ({ inputTokens, outputTokens, ...more });

/** A flush of one item that ended well. */
function settlement(usage: Settlement['results'][number]['usage']): Settlement {
  const at = new Date(0);
  const rest = { ordinal: 0, tier: 0, attempt: 1 };
  return {
    ...{ round: 0, tiers: 1 },
    moves: [
      {
        ...{ ...rest, was: 'QUEUED', to: 'SUCCEEDED', charged: 0, deaths: 0, wasTier: 0 },
        ...{ runAfter: null, startedAt: at, endedAt: at, error: null, flawed: false },
      },
    ],
    results: [
      {
        ...{ ...rest, data: '{}', fieldErrors: null, artifacts: null, contentHash: null },
        ...{ startedAt: at, at, score: null, usage },
      },
    ],
    failures: [],
  };
}

describeDatabases('token usage', (open) => {
  let db: Db;
  let harness: Harness;
  beforeAll(async () => {
    db = await open();
    harness = await startEngine(db, { pollMs: 3_600_000 });
  });
  afterAll(() => harness.engine.stop());

  const usageOf = async (id: string) => {
    const [usage] = await summarizeUsage(harness.deps, harness.actor, [await harness.read(id)]);
    if (usage === undefined) throw new Error('no usage');
    return usage;
  };
  const paused = (id: string) =>
    until(async () => {
      const execution = await harness.read(id);
      return execution.status === 'PAUSED' && execution.running === 0 && execution;
    });

  test('is summed exactly by tier and execution, over failed calls and rounds of calls too', async () => {
    const id = await harness.create(
      300,
      [
        ({ item, attempt }) => {
          if (item.ordinal === 7 && attempt === 1) {
            throw Object.assign(new Error('cut off'), { usage: used(1_000, 0) });
          }
          return { data: 1, usage: used(100, 10, { cachedInputTokens: 40, model: 'm' }) };
        },
        () => ({ data: 2, usage: used(1, 2), score: 0.25 }),
      ],
      {},
      {},
      { prices },
    );
    expect(await harness.ended(id)).toMatchObject({ status: 'COMPLETED', succeeded: 300 });
    await checkWhole(db, id);
    const { total, tiers } = await usageOf(id);
    expect(tiers).toEqual([
      expect.objectContaining({ calls: 301, inputTokens: 31_000, outputTokens: 3_000, cachedInputTokens: 12_000 }),
      expect.objectContaining({ calls: 300, inputTokens: 300, outputTokens: 600, cachedInputTokens: 0 }),
    ]);
    // 300 × (60 × 0.15 + 40 × 0.075 + 10 × 0.6) + 1000 × 0.15, and 300 × (0.15 + 1.2), in millionths.
    expect(tiers.map(({ cost }) => cost)).toEqual(['0.00555', '0.000405']);
    expect(total).toMatchObject({ calls: 601, totalTokens: 34_900, cost: '0.005955', currency: 'USD' });
    const row = await db
      .selectFrom('everyResult')
      .select(['usage', 'score', 'startedAt', 'at'])
      .where('executionId', '=', id)
      .where('ordinal', '=', 3)
      .orderBy('tier')
      .execute();
    expect(row[0]?.usage).toEqual({
      ...used(100, 10),
      totalTokens: 110,
      cachedInputTokens: 40,
      model: 'm',
      cost: '0.000018',
    });
    expect(row.map(({ score }) => score)).toEqual([null, 0.25]);
    for (const { startedAt, at } of row) expect(startedAt?.getTime()).toBeLessThanOrEqual(at.getTime());
  });

  test('of agents that say nothing is nothing, and costs nothing', async () => {
    const id = await harness.create(3, () => 1);
    await harness.ended(id);
    expect((await usageOf(id)).total).toMatchObject({ calls: 0, totalTokens: 0, cost: null, currency: null });
    const plain = settleStatement(
      { executionId: id, no: 0, epoch: 1 },
      toStretches(settlement(null)),
      new Date(),
    ).compile(db).sql;
    for (const name of ['execution_usage', 'tokens_used', 'score', 'spent']) expect(plain).not.toContain(name);
    const usage = { ...used(1, 1), totalTokens: 2, cachedInputTokens: 0, model: null, cost: null };
    const saying = settleStatement(
      { executionId: id, no: 0, epoch: 1 },
      toStretches(settlement(usage)),
      new Date(),
    ).compile(db).sql;
    for (const name of ['execution_usage', 'tokens_used', 'score', 'spent']) expect(saying).toContain(name);
  });

  test('at the token budget the execution pauses, what runs finishes, and a larger one lets it go on', async () => {
    const concurrency = 3;
    const id = await harness.create(400, () => ({ data: 1, usage: used(6, 4) }), { concurrency, tokenBudget: 1_000 });
    const first = await paused(id);
    expect(first).toMatchObject({ pauseReason: 'BUDGET', error: null });
    const spent = (await usageOf(id)).total.totalTokens;
    expect(spent).toBe(first.succeeded * 10);
    expect(spent).toBeGreaterThanOrEqual(1_000);
    expect(spent).toBeLessThan(1_000 + 10 * concurrency);
    expect(first.queued).toBe(400 - first.succeeded);
    // Resumed with the same budget it stops before anything starts.
    await resumeBatchExecution(harness.deps, harness.actor, { batchExecutionId: id });
    expect(await paused(id)).toMatchObject({ pauseReason: 'BUDGET', succeeded: first.succeeded });
    await updateBatchExecution(harness.deps, harness.actor, { batchExecutionId: id, tokenBudget: null });
    expect((await harness.read(id)).status).toBe('PAUSED');
    await resumeBatchExecution(harness.deps, harness.actor, { batchExecutionId: id });
    expect(await harness.ended(id)).toMatchObject({ status: 'COMPLETED', succeeded: 400, tokenBudget: null });
    await checkWhole(db, id);
  });

  test('not one call starts once the budget is used', async () => {
    const gates: (() => void)[] = [];
    const concurrency = 4;
    const id = await harness.create(
      50,
      async () => {
        await new Promise<void>((resolve) => gates.push(resolve));
        return { data: 1, usage: used(100, 0) };
      },
      { concurrency, tokenBudget: 100 },
    );
    await until(() => gates.length === concurrency);
    gates.shift()?.();
    await until(async () => (await harness.read(id)).status === 'PAUSED');
    for (const open of gates.splice(0)) open();
    const execution = await paused(id);
    expect(execution.succeeded).toBe(concurrency);
    expect(gates).toHaveLength(0);
  });

  test('a cost budget pauses as well', async () => {
    const id = await harness.create(
      200,
      () => ({ data: 1, usage: used(1_000_000, 0) }),
      { concurrency: 1, costBudget: 1.5 },
      {},
      { prices },
    );
    const execution = await paused(id);
    expect(execution).toMatchObject({ pauseReason: 'BUDGET', costBudget: '1.5' });
    expect((await usageOf(id)).total.cost).toBe('1.5');
  });
});
