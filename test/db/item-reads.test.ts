/** Items of an execution: pages, filters, results and failures. */
import { beforeAll, describe, expect, test } from 'vitest';
import type { ItemFilter } from '../../src/domain/item-filter.ts';
import type { ItemFailure } from '../../src/domain/model.ts';
import type { Db } from '../../src/store/database.ts';
import { findItemOfElement } from '../../src/store/item-of-element.ts';
import { lastFailures, newestResults, resultsByTier } from '../../src/store/item-output-reads.ts';
import { listItems } from '../../src/store/item-reads.ts';
import { findItems } from '../../src/store/item-rows.ts';
import { describeDatabases } from '../support/databases.ts';
import { addChange, addFailures, addItems, addResults } from '../support/execution-rows.ts';
import { makeExecution, makeProject } from '../support/rows.ts';

describeDatabases('items of an execution', (open) => {
  let db: Db;
  let projectId: string;
  beforeAll(async () => {
    db = await open();
    ({ projectId } = await makeProject(db));
  });

  const ordinals = async (executionId: string, filter: ItemFilter = {}, limit = 1_000) =>
    (await listItems(db, projectId, executionId, filter, { limit, backward: false, after: null })).map(
      (item) => item.ordinal,
    );

  const keys = (executionId: string, ...of: number[]) => of.map((ordinal) => ({ executionId, ordinal }));

  test.each([false, true])(
    'pages of a status are whole however far its items are apart, whatever else changed (backward: %s)',
    async (backward) => {
      const executionId = await makeExecution(db, projectId);
      const rare = [0, 3, 999, 1_000, 1_001, 4_999, 5_000, 7_777, 11_999];
      await addItems(
        db,
        executionId,
        Array.from({ length: 12_000 }, (_, ordinal) => ({
          ...{ status: rare.includes(ordinal) ? ('CANCELLED' as const) : ('SUCCEEDED' as const), revision: 2 },
        })),
      );
      for (const filter of [
        { status: ['CANCELLED' as const] },
        { status: ['CANCELLED' as const], updatedAfterRevision: 1 },
      ]) {
        // So many changes that the changed items are not looked up one by one.
        for (let revision = 2; filter.updatedAfterRevision !== undefined && revision < 14; revision += 1)
          await db
            .insertInto('executionChange')
            .values({ executionId, revision, ordinals: [3] })
            .execute();
        const seen: number[] = [];
        for (let after: number[] | null = null; ; after = [seen.at(-1) ?? 0]) {
          const rows = await listItems(db, projectId, executionId, filter, { limit: 2, backward, after });
          seen.push(...rows.slice(0, 2).map((item) => item.ordinal));
          if (rows.length <= 2) break;
        }
        expect(seen).toEqual(backward ? rare.toReversed() : rare);
      }
      expect(await ordinals(executionId, { status: ['SUCCEEDED'] }, 3)).toEqual([1, 2, 4, 5]);
      expect(await ordinals(executionId, { status: ['EXPIRED'] })).toEqual([]);
      const foreign = (await makeProject(db)).projectId;
      const page = { limit: 9, backward, after: null };
      expect(await listItems(db, foreign, executionId, { status: ['CANCELLED'] }, page)).toEqual([]);
    },
  );

  test.each([false, true])(
    'pages have no gap and no duplicate while the items change (backward: %s)',
    async (backward) => {
      const executionId = await makeExecution(db, projectId);
      await addItems(
        db,
        executionId,
        Array.from({ length: 47 }, () => ({})),
      );
      const seen: number[] = [];
      let after: readonly number[] | null = null;
      for (let revision = 2; ; revision += 1) {
        const rows = await listItems(db, projectId, executionId, {}, { limit: 5, backward, after });
        seen.push(...rows.slice(0, 5).map((item) => item.ordinal));
        if (rows.length <= 5) break;
        after = [seen.at(-1) ?? 0];
        await addChange(db, executionId, revision, [0, 10, 20, 30, 40, 46]);
      }
      const all = Array.from({ length: 47 }, (_, ordinal) => ordinal);
      expect(seen).toEqual(backward ? all.toReversed() : all);
    },
  );

  test('each filter keeps what it says and all of them must hold', async () => {
    const executionId = await makeExecution(db, projectId);
    const error = (category: ItemFailure['category'], errorCode: string) => ({
      errorCategory: category,
      errorCode,
      errorTransient: true,
    });
    await addItems(db, executionId, [
      { filename: 'Docs/README.md' },
      { status: 'RUNNING', tier: 1, filename: 'a_b.txt' },
      { status: 'FAILED', ...error('TIMEOUT', 'timeout') },
      { status: 'RETRYING', tier: 1, ...error('NETWORK', 'ECONNRESET') },
      { status: 'SUCCEEDED', filename: '100%.txt' },
    ]);
    expect(await ordinals(executionId, { status: ['FAILED', 'RETRYING'] })).toEqual([2, 3]);
    expect(await ordinals(executionId, { status: [] })).toEqual([]);
    expect(await ordinals(executionId, { tier: [1] })).toEqual([1, 3]);
    expect(await ordinals(executionId, { category: ['TIMEOUT', 'NETWORK'] })).toEqual([2, 3]);
    expect(await ordinals(executionId, { code: ['ECONNRESET'] })).toEqual([3]);
    expect(await ordinals(executionId, { category: ['TIMEOUT'], code: ['ECONNRESET'] })).toEqual([]);
    expect(await ordinals(executionId, { filename: 'readme' })).toEqual([0]);
    expect(await ordinals(executionId, { filename: '_' })).toEqual([1]);
    expect(await ordinals(executionId, { filename: '%' })).toEqual([4]);
    expect(await ordinals(executionId, { status: ['RUNNING'], filename: '.txt' })).toEqual([1]);
  });

  test('updatedAfterRevision keeps what the change log names above it', async () => {
    const executionId = await makeExecution(db, projectId);
    await addItems(
      db,
      executionId,
      Array.from({ length: 6 }, () => ({})),
    );
    await addChange(db, executionId, 2, [0, 1, 2]);
    await addChange(db, executionId, 3, [2, 4]);
    await addChange(db, executionId, 4, [5]);
    const other = await makeExecution(db, projectId);
    await addItems(db, other, [{}]);
    await addChange(db, other, 9, [0]);
    expect(await ordinals(executionId, { updatedAfterRevision: 0 })).toHaveLength(6);
    expect(await ordinals(executionId, { updatedAfterRevision: 1 })).toEqual([0, 1, 2, 4, 5]);
    expect(await ordinals(executionId, { updatedAfterRevision: 2 })).toEqual([2, 4, 5]);
    expect(await ordinals(executionId, { updatedAfterRevision: 4 })).toEqual([]);
    expect(await ordinals(executionId, { updatedAfterRevision: 1, status: ['RUNNING'] })).toEqual([]);
    for (const filename of [undefined, '.txt']) {
      const filter = { updatedAfterRevision: 1, filename };
      const from = async (backward: boolean, after: number | null) => {
        const page = { limit: 2, backward, after: after === null ? null : [after] };
        return (await listItems(db, projectId, executionId, filter, page)).map((item) => item.ordinal);
      };
      expect([await from(false, null), await from(false, 1), await from(false, 4)]).toEqual([
        [0, 1, 2],
        [2, 4, 5],
        [5],
      ]);
      expect([await from(true, null), await from(true, 4), await from(true, 1)]).toEqual([[5, 4, 2], [2, 1, 0], [0]]);
    }
    const second = { limit: 2, backward: false, after: [2] };
    expect(await listItems(db, projectId, executionId, { updatedAfterRevision: 1 }, second)).toMatchObject([
      { ordinal: 4 },
      { ordinal: 5 },
    ]);
  });

  test('an item is found by its element and by its key', async () => {
    const executionId = await makeExecution(db, projectId);
    await addItems(db, executionId, [
      { elementId: 'a', metadata: { b: 1, a: [null] } },
      { elementId: 'b', status: 'RUNNING' },
    ]);
    expect(await findItemOfElement(db, projectId, executionId, 'b')).toMatchObject({ ordinal: 1, status: 'RUNNING' });
    expect(await findItemOfElement(db, projectId, executionId, 'c')).toBeUndefined();
    const found = await findItems(db, projectId, keys(executionId, 0, 1, 2));
    expect(found.toSorted((a, b) => a.ordinal - b.ordinal)).toMatchObject([{ elementId: 'a' }, { elementId: 'b' }]);
  });

  test('another project reads nothing of it, whatever it asks', async () => {
    const executionId = await makeExecution(db, projectId);
    await addItems(db, executionId, [{ status: 'SUCCEEDED' }]);
    await addResults(db, executionId, [{ ordinal: 0, data: 1 }]);
    await addFailures(db, executionId, [{ ordinal: 0, attempt: 1 }]);
    const foreign = (await makeProject(db)).projectId;
    const key = keys(executionId, 0);
    expect(await listItems(db, foreign, executionId, {}, { limit: 9, backward: false, after: null })).toEqual([]);
    expect(await findItemOfElement(db, foreign, executionId, 'element-0')).toBeUndefined();
    for (const read of [findItems, newestResults, resultsByTier]) expect(await read(db, foreign, key)).toEqual([]);
    expect(await lastFailures(db, foreign, key, 10)).toEqual([]);
    expect(await newestResults(db, projectId, key)).toHaveLength(1);
  });

  describe('their results', () => {
    test('are the newest: of the last tier that was passed, from the latest round', async () => {
      const executionId = await makeExecution(db, projectId);
      await addItems(db, executionId, [
        { status: 'RUNNING', tier: 2 },
        { status: 'RUNNING', tier: 1 },
      ]);
      await addResults(db, executionId, [
        { ordinal: 0, tier: 0, data: 'tier 0' },
        { ordinal: 0, tier: 1, data: 'tier 1' },
        { ordinal: 1, tier: 1, data: 'old' },
        { ordinal: 1, tier: 0, round: 1, data: 'resubmitted' },
        { ordinal: 1, tier: 0, round: 0, data: 'older' },
      ]);
      const newest = await newestResults(db, projectId, keys(executionId, 1, 0, 7));
      expect(newest.map(({ ordinal, data }) => [ordinal, data]).sort()).toEqual([
        [0, 'tier 1'],
        [1, 'resubmitted'],
      ]);
      const tiers = await resultsByTier(db, projectId, keys(executionId, 1));
      expect(tiers.map(({ tier, round, data }) => [tier, round, data])).toEqual([
        [0, 1, 'resubmitted'],
        [1, 0, 'old'],
      ]);
      const first = await resultsByTier(db, projectId, keys(executionId, 1), 0);
      expect(first.map(({ tier, data }) => [tier, data])).toEqual([
        [0, 'older'],
        [1, 'old'],
      ]);
    });

    test('come back as they came: no key renamed, reordered or lost', async () => {
      const executionId = await makeExecution(db, projectId);
      await addItems(db, executionId, [{ status: 'SUCCEEDED' }]);
      const data = JSON.parse(
        '{"z_key":1,"aKey":{"b_c":2,"__proto__":{"x":1}},"10":null,"2":[{"first_name":"é\\ud83d\\ude00"}]}',
      );
      await addResults(db, executionId, [
        {
          ordinal: 0,
          data,
          fieldErrors: [{ path: '/a_b', code: 'c_d', message: 'm' }],
          artifacts: [{ id: '0', mediaType: 'x' }],
        },
      ]);
      const [result] = await newestResults(db, projectId, keys(executionId, 0));
      expect(JSON.stringify(result?.data)).toBe(JSON.stringify(data));
      expect(Object.keys(result?.data as object)).toEqual(Object.keys(data));
      expect(result?.fieldErrors).toEqual([{ path: '/a_b', code: 'c_d', message: 'm' }]);
      expect(result?.artifacts).toEqual([{ id: '0', mediaType: 'x' }]);
    });

    test('are empty lists where the agent gave no field errors or artifacts', async () => {
      const executionId = await makeExecution(db, projectId);
      await addItems(db, executionId, [{ status: 'SUCCEEDED' }]);
      await addResults(db, executionId, [{ ordinal: 0, data: null }]);
      expect(await newestResults(db, projectId, keys(executionId, 0))).toMatchObject([
        { data: null, fieldErrors: [], artifacts: [] },
      ]);
    });
  });

  test('their failures are the last ones, newest first, over rounds, tiers and attempts', async () => {
    const executionId = await makeExecution(db, projectId);
    await addFailures(db, executionId, [
      { ordinal: 0, attempt: 1, code: 'a' },
      { ordinal: 0, attempt: 2, code: 'b', details: { some_key: 1 } },
      { ordinal: 0, tier: 1, attempt: 1, code: 'c' },
      { ordinal: 0, tier: 0, round: 1, attempt: 1, code: 'd' },
      { ordinal: 1, attempt: 1, code: 'e' },
    ]);
    const codes = async (last: number) =>
      Map.groupBy(await lastFailures(db, projectId, keys(executionId, 0, 1, 2), last), (row) => row.ordinal);
    expect((await codes(10)).get(0)?.map((row) => row.code)).toEqual(['d', 'c', 'b', 'a']);
    expect((await codes(10)).get(1)?.map((row) => row.code)).toEqual(['e']);
    expect((await codes(2)).get(0)?.map((row) => row.code)).toEqual(['d', 'c']);
    expect((await codes(10)).get(0)?.[2]?.details).toEqual({ some_key: 1 });
  });
});
