/** What is counted of each tier, with items that really pass them. */
import { type Kysely, sql } from 'kysely';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { up } from '../../migrations/0003_tiers.ts';
import { countsOfTiers, spansOfTiers, statusesOfTiers } from '../../src/domain/tiers.ts';
import {
  findTierFunnels,
  summarizeCategories,
  summarizeTierCategories,
  summarizeTierErrors,
} from '../../src/services/summarize-executions.ts';
import type { Db } from '../../src/store/database.ts';
import { describeDatabases } from '../support/databases.ts';
import { checkWhole, type Harness, startEngine } from '../support/engine-harness.ts';
import { until } from '../support/until.ts';

const failure = (category: string, code: string) =>
  Object.assign(new Error(code), { category, code, transient: false });

describeDatabases('tiers', (open) => {
  let db: Db;
  let harness: Harness;
  beforeAll(async () => {
    db = await open();
    harness = await startEngine(db);
  });
  afterAll(() => harness.engine.stop());

  test('are counted at every moment, and each item is open in the tier where it is', async () => {
    const gates = [0, 1, 2].map(() => Promise.withResolvers<void>());
    const id = await harness.create(
      30,
      gates.map((gate, tier) => async ({ item }) => {
        // Of each tier the first ten go on; the next ten wait until they are let.
        if (item.ordinal >= 10 * (tier + 1)) await gate.promise;
        return [tier, item.ordinal];
      }),
      { concurrency: 30 },
    );
    const read = () => harness.read(id);
    await harness.sealed(id);
    await until(async () => {
      const { running, succeeded } = await read();
      return running === 20 && succeeded === 10;
    });
    const waiting = countsOfTiers(await read());
    expect(waiting.map(({ total, running, succeeded }) => [total, running, succeeded])).toEqual([
      [30, 20, 10],
      [10, 0, 10],
      [10, 0, 10],
    ]);
    expect(statusesOfTiers(await read())).toEqual(['RUNNING', 'RUNNING', 'RUNNING']);
    expect(spansOfTiers(await read()).map(({ endedAt }) => endedAt)).toEqual([null, null, null]);
    gates[0]?.resolve();
    await until(async () => countsOfTiers(await read())[1]?.running === 10);
    expect(statusesOfTiers(await read())).toEqual(['COMPLETED', 'RUNNING', 'RUNNING']);
    const [first, second] = spansOfTiers(await read());
    expect(first?.endedAt).toBeInstanceOf(Date);
    expect(second).toMatchObject({ startedAt: expect.any(Date), endedAt: null });
    await checkWhole(db, id);
    gates[1]?.resolve();
    const ended = await harness.ended(id);
    expect(countsOfTiers(ended).map(({ total, succeeded }) => [total, succeeded])).toEqual([
      [30, 30],
      [30, 30],
      [30, 30],
    ]);
    for (const { startedAt, endedAt } of spansOfTiers(ended)) {
      expect(startedAt?.getTime()).toBeLessThanOrEqual(endedAt?.getTime() ?? 0);
    }
    await checkWhole(db, id);
  });

  test('say what went wrong in each, by error and by kind, and how far items got', async () => {
    const id = await harness.create(
      20,
      [
        ({ item }) => {
          if (item.ordinal < 3) throw failure('VALIDATION', 'bad_input');
          if (item.ordinal < 5) throw failure('DEPENDENCY', 'element_not_found');
          return 0;
        },
        ({ item }) => {
          if (item.ordinal < 9) throw failure('VALIDATION', `odd_${item.ordinal % 2}`);
          return 1;
        },
        () => 2,
      ],
      { retryLimit: 0 },
    );
    const ended = await harness.ended(id);
    expect(ended.status).toBe('COMPLETED_WITH_ERRORS');
    const { deps, actor } = harness;
    const [errors = []] = await summarizeTierErrors(deps, actor, [id]);
    expect(errors.map(({ tier, category, code, count }) => [tier, category, code, count]).sort()).toEqual([
      [0, 'DEPENDENCY', 'element_not_found', 2],
      [0, 'VALIDATION', 'bad_input', 3],
      [1, 'VALIDATION', 'odd_0', 2],
      [1, 'VALIDATION', 'odd_1', 2],
    ]);
    const [categories = []] = await summarizeTierCategories(deps, actor, [id]);
    expect(categories.filter(({ tier }) => tier === 0).map(({ category, count }) => [category, count])).toEqual([
      ['VALIDATION', 3],
      ['DEPENDENCY', 2],
    ]);
    expect(await summarizeCategories(deps, actor, [id])).toEqual([
      [
        { category: 'VALIDATION', count: 7 },
        { category: 'DEPENDENCY', count: 2 },
      ],
    ]);
    expect(await findTierFunnels(deps, actor, [ended])).toEqual([
      [
        { entered: 20, missingInput: 2, submitted: 18, written: 15 },
        { entered: 15, missingInput: 0, submitted: 15, written: 11 },
        { entered: 11, missingInput: 0, submitted: 11, written: 11 },
      ],
    ]);
    expect(statusesOfTiers(ended)).toEqual(['COMPLETED_WITH_ERRORS', 'COMPLETED_WITH_ERRORS', 'COMPLETED']);
    await checkWhole(db, id);
  });

  test('that no item came to are skipped', async () => {
    const id = await harness.create(3, [() => Promise.reject(failure('VALIDATION', 'no')), () => 1]);
    const ended = await harness.ended(id);
    expect(statusesOfTiers(ended)).toEqual(['FAILED', 'SKIPPED']);
    expect(spansOfTiers(ended)[1]).toEqual({ startedAt: null, endedAt: null });
  });

  test('of executions from before they were counted are counted by the migration', async () => {
    const id = await harness.create(9, [
      ({ item }) => (item.ordinal < 4 ? Promise.reject(failure('VALIDATION', 'no')) : 0),
      ({ item }) => (item.ordinal < 6 ? Promise.reject(failure('VALIDATION', 'no')) : 1),
      () => 2,
    ]);
    const counted = await harness.ended(id);
    await harness.engine.stop();
    await sql`alter table batch_execution drop column tier_counts, drop column tier_entered_at,
      drop column tier_left_at, drop column item_cancels`.execute(db);
    await sql`alter table execution_round drop column parameters`.execute(db);
    await sql`drop table item_cancel`.execute(db);
    await up(db as Kysely<unknown>);
    const { tierCounts, tierEnteredAt, tierLeftAt } = await harness.read(id);
    expect(tierCounts).toEqual(counted.tierCounts);
    expect(tierEnteredAt?.map((at) => at !== null)).toEqual([false, true, true]);
    expect(tierLeftAt?.map((at) => at !== null)).toEqual([true, true, true]);
    harness = await startEngine(db);
  });

  test('cost an execution of one tier nothing: it keeps no counts of them', async () => {
    const id = await harness.create(5, () => 1);
    const ended = await harness.ended(id);
    expect(ended).toMatchObject({ tierCounts: null, tierEnteredAt: null, tierLeftAt: null });
    expect(countsOfTiers(ended)).toMatchObject([{ total: 5, succeeded: 5 }]);
    expect(spansOfTiers(ended)).toEqual([{ startedAt: ended.startedAt, endedAt: ended.endedAt }]);
  });
});
