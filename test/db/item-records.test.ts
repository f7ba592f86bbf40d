/** What is recorded of every attempt, as a client reads it. */
import { graphql } from 'graphql';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { itemId } from '../../src/domain/ids.ts';
import { LIMITS } from '../../src/domain/limits.ts';
import { Loaders } from '../../src/graphql/context.ts';
import { buildSchema } from '../../src/graphql/schema.ts';
import { retryFailedItems } from '../../src/services/retry-failed-items.ts';
import type { Db } from '../../src/store/database.ts';
import { describeDatabases } from '../support/databases.ts';
import { type Harness, startEngine } from '../support/engine-harness.ts';
import { makeProject } from '../support/rows.ts';
import { dig } from '../support/server.ts';
import { until } from '../support/until.ts';

const schema = buildSchema();

describeDatabases('records of attempts', (open) => {
  let db: Db;
  let harness: Harness;
  beforeAll(async () => {
    db = await open();
    harness = await startEngine(db, { pollMs: 3_600_000 });
  });
  afterAll(() => harness.engine.stop());

  const ask = async (source: string, variableValues: Record<string, unknown>, { actor } = harness) => {
    const contextValue = { actor, deps: harness.deps, loaders: new Loaders() };
    const { data, errors } = await graphql({ schema, source, variableValues, contextValue });
    expect(errors).toBeUndefined();
    return data;
  };
  const item = async (id: string, ordinal: number, fields: string) =>
    dig(
      await ask(`query ($id: ID!) { node(id: $id) { ... on BatchItem { ${fields} } } }`, { id: itemId(id, ordinal) }),
      'node',
    );

  test('an item tells of each attempt: tier, round, number, times, outcome, error, score and usage', async () => {
    let fixed = false;
    const id = await harness.create(1, [
      ({ attempt }) => {
        if (attempt === 1) throw Object.assign(new Error('flaky'), { usage: { inputTokens: 5, outputTokens: 0 } });
        return { data: 'a', score: 0.5 };
      },
      () => {
        if (!fixed) throw Object.assign(new Error('broken'), { transient: false, code: 'broken' });
        return { data: 'b', usage: { inputTokens: 1, outputTokens: 2, model: 'm' } };
      },
    ]);
    await harness.ended(id);
    fixed = true;
    await retryFailedItems(harness.deps, harness.actor, { batchExecutionId: id, mode: 'ALL' });
    expect(await harness.ended(id)).toMatchObject({ status: 'COMPLETED', round: 1 });
    const fields = `attemptHistory { tier round number outcome startedAt endedAt durationMs error { code } score
      usage { totalTokens model cost } }
      failures { code round } score timeMs durationMs tierResults { tier score startedAt usage { totalTokens } }`;
    const shown = (await item(id, 0, fields)) as Record<string, readonly Record<string, unknown>[]>;
    const history = shown['attemptHistory'] ?? [];
    expect(
      history.map(({ tier, round, number, outcome, error, score, usage }) => [
        ...[tier, round, number, outcome],
        ...[dig(error, 'code') ?? null, score, dig(usage, 'totalTokens') ?? null],
      ]),
    ).toEqual([
      [0, 0, 1, 'FAILED', 'Error', null, 5],
      [0, 0, 2, 'SUCCEEDED', null, 0.5, null],
      [1, 0, 1, 'FAILED', 'broken', null, null],
      [1, 1, 1, 'SUCCEEDED', null, null, 3],
    ]);
    for (const { startedAt, endedAt, durationMs } of history) {
      expect(Number(endedAt) - Number(startedAt)).toBe(durationMs);
    }
    const starts = history.map(({ startedAt }) => Number(startedAt));
    expect(starts).toEqual(starts.toSorted((a, b) => a - b));
    expect(shown['failures']).toEqual([
      { code: 'Error', round: 0 },
      { code: 'broken', round: 0 },
    ]);
    expect(shown).toMatchObject({ score: null, timeMs: expect.any(Number) });
    expect(shown['tierResults']).toMatchObject([
      { tier: 0, score: 0.5, usage: null },
      { tier: 1, score: null, usage: { totalTokens: 3 } },
    ]);
    expect(dig(await item(id, 0, 'attemptHistory(last: 1) { round }'), 'attemptHistory')).toEqual([{ round: 1 }]);
  });

  test('an error says where it came from, and what to do', async () => {
    const id = await harness.create(
      3,
      ({ item: { ordinal }, signal }) => {
        if (ordinal === 1) return Promise.reject({ message: 'bare', transient: false });
        if (ordinal === 2)
          return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
        const origin = { component: 'parser', stage: 'read', recovery: 'Send a whole file.', transient: false };
        throw Object.assign(new SyntaxError('cut off'), origin);
      },
      { itemTimeoutMs: 50, retryLimit: 0 },
    );
    await harness.ended(id);
    const fields = 'error { code component stage trace recovery startedAt at }';
    expect(dig(await item(id, 0, fields), 'error')).toMatchObject({
      ...{ component: 'parser', stage: 'read', recovery: 'Send a whole file.' },
      trace: expect.stringMatching(/^SyntaxError: cut off\n {4}at .*item-records\.test\.ts/),
    });
    expect(dig(await item(id, 1, fields), 'error')).toMatchObject({
      component: null,
      stage: null,
      trace: null,
      recovery: null,
    });
    const late = dig(await item(id, 2, fields), 'error') as Record<string, unknown>;
    expect(late).toMatchObject({ code: 'timeout', component: 'service', stage: 'call', trace: null });
    expect(late['recovery']).toContain('itemTimeoutMs');
    expect(Number(late['at']) - Number(late['startedAt'])).toBeGreaterThanOrEqual(49);
  });

  test('items are found by score and by duration', async () => {
    const id = await harness.create(10, ({ item: { ordinal } }) =>
      ordinal === 9 ? 'unsure' : { data: ordinal, score: ordinal / 10 },
    );
    await harness.ended(id);
    const found = async (filter: object) => {
      const source = `query ($id: ID!, $filter: BatchItemFilter) { node(id: $id) { ... on BatchExecution {
        items(filter: $filter) { nodes { ordinal score durationMs } } } } }`;
      return dig(await ask(source, { id, filter }), 'node', 'items', 'nodes') as {
        ordinal: number;
        durationMs: number;
      }[];
    };
    const ordinals = async (filter: object) => (await found(filter)).map(({ ordinal }) => ordinal);
    expect(await ordinals({ minScore: 0.7 })).toEqual([7, 8]);
    expect(await ordinals({ maxScore: 0.1 })).toEqual([0, 1]);
    expect(await ordinals({ minScore: 0.3, maxScore: 0.4 })).toEqual([3, 4]);
    const all = await found({});
    const longest = Math.max(...all.map(({ durationMs }) => durationMs));
    const slow = all.filter(({ durationMs }) => durationMs === longest).map(({ ordinal }) => ordinal);
    expect(await ordinals({ minDurationMs: longest })).toEqual(slow);
    expect(await ordinals({ minDurationMs: longest + 1 })).toEqual([]);
    expect(await ordinals({ maxDurationMs: longest })).toHaveLength(10);
  });

  const LOGS = `query ($id: ID!, $first: Int, $after: String, $filter: BatchLogFilter) { node(id: $id) {
    ... on BatchExecution { logs(first: $first, after: $after, filter: $filter) {
      nodes { ordinal tier attempt level message dropped at } pageInfo { hasNextPage endCursor } } } } }`;
  interface Line {
    readonly ordinal: number;
    readonly attempt: number;
    readonly level: string;
    readonly message: string;
    readonly dropped: number;
  }
  const lines = async (id: string, variables: Record<string, unknown> = {}): Promise<Line[]> =>
    dig(await ask(LOGS, { id, first: 1_000, ...variables }), 'node', 'logs', 'nodes') as Line[];

  test('what agents log is kept with the attempt, level and order, and paged', async () => {
    const id = await harness.create(20, ({ item: { ordinal }, attempt, log }) => {
      log(`begins ${ordinal}`);
      if (ordinal === 4 && attempt === 1) {
        log('gives up', 'ERROR');
        throw new Error('not yet');
      }
      log(`ends \u0000${ordinal}`, 'DEBUG');
      return 1;
    });
    await harness.ended(id);
    await until(async () => (await lines(id)).length === 42);
    expect(
      (await lines(id, { filter: { ordinal: [4] } })).map((line) => [line.attempt, line.level, line.message]),
    ).toEqual([
      [1, 'INFO', 'begins 4'],
      [1, 'ERROR', 'gives up'],
      [2, 'INFO', 'begins 4'],
      [2, 'DEBUG', 'ends \uFFFD4'],
    ]);
    expect(await lines(id, { filter: { level: ['DEBUG'] } })).toHaveLength(20);
    expect(await lines(id, { filter: { tier: [1] } })).toEqual([]);
    const seen: Line[] = [];
    for (let after: unknown = null, more = true; more; ) {
      const page = dig(await ask(LOGS, { id, first: 13, after }), 'node', 'logs');
      seen.push(...(dig(page, 'nodes') as Line[]));
      after = dig(page, 'pageInfo', 'endCursor');
      more = dig(page, 'pageInfo', 'hasNextPage') === true;
    }
    expect(seen).toEqual(await lines(id));
    const own = dig(await item(id, 4, 'logs(first: 2) { nodes { message } }'), 'logs', 'nodes');
    expect(own).toEqual([{ message: 'begins 4' }, { message: 'gives up' }]);
    const stranger = { ...harness, actor: (await makeProject(db)).actor };
    expect(dig(await ask(LOGS, { id }, stranger), 'node')).toBeNull();
  });

  test('a chatty attempt keeps its first lines, cut, and the number of the others', async () => {
    const { logLines, logLineLength } = LIMITS;
    const id = await harness.create(2, ({ log, item: { ordinal } }) => {
      for (let n = 0; n < logLines + 50 * ordinal; n += 1) log('x'.repeat(logLineLength + 10));
      // A careless use of it is no reason to fail.
      if (ordinal === 1) ['a', 'b'].forEach(log as (text: string) => void);
      return 1;
    });
    expect(await harness.ended(id)).toMatchObject({ status: 'COMPLETED' });
    await until(async () => (await lines(id, { filter: { level: ['WARN'] } })).length === 1);
    const kept = await lines(id);
    expect(kept).toHaveLength(2 * logLines + 1);
    for (const { message } of kept) expect(message.length).toBeLessThanOrEqual(logLineLength);
    expect(kept.at(-1)).toMatchObject({ ordinal: 1, dropped: 52, message: '52 more lines were not kept.' });
  });
});
