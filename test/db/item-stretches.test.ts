/** Items without rows of their own: those that succeeded side by side, and those of which nothing has happened. */
import { sql } from 'kysely';
import { beforeAll, expect, test } from 'vitest';
import { itemId } from '../../src/domain/ids.ts';
import type { ItemFilter } from '../../src/domain/item-filter.ts';
import type { HeldLane } from '../../src/engine/ports.ts';
import { correctBatchItem } from '../../src/services/correct-batch-item.ts';
import { resubmitBatchExecution } from '../../src/services/resubmit-batch-execution.ts';
import { lastSuccesses } from '../../src/store/attempt-reads.ts';
import { cancelItems } from '../../src/store/cancel-items.ts';
import { newestChanges } from '../../src/store/change-reads.ts';
import type { Db } from '../../src/store/database.ts';
import { newestResults, resultsByTier } from '../../src/store/item-output-reads.ts';
import { listItems } from '../../src/store/item-reads.ts';
import { findItems } from '../../src/store/item-rows.ts';
import { dissolveStretches } from '../../src/store/item-stretches.ts';
import { findResults, listResults, readResult } from '../../src/store/result-elements.ts';
import { readResultRows } from '../../src/store/result-rows.ts';
import { tallyRound } from '../../src/store/round-selection.ts';
import { settle } from '../../src/store/settle.ts';
import { describeDatabases } from '../support/databases.ts';
import { type Harness, startEngine } from '../support/engine-harness.ts';
import { checkEnded } from '../support/exact-end.ts';
import { firstCalls } from '../support/first-calls.ts';
import { stopAll } from '../support/nothing-left.ts';
import { makeExecution, makeInputs, makeProject } from '../support/rows.ts';
import { seeded } from '../support/seeded.ts';
import { until } from '../support/until.ts';

const range = (first: number, length: number) => Array.from({ length }, (_, index) => first + index);
const now = () => new Date(2_000);

describeDatabases('items without rows of their own', (open, kind) => {
  let db: Db;
  let projectId: string;
  beforeAll(async () => {
    db = await open();
    ({ projectId } = await makeProject(db));
  });

  /** An execution of items of which nothing has happened, and its lane. */
  const untouched = async (total: number): Promise<{ id: string; lane: HeldLane }> => {
    const id = await makeExecution(db, projectId);
    await makeInputs(db, id, total);
    const lane = { executionId: id, no: 0, epoch: 1 };
    await db
      .insertInto('executionLane')
      .values({ ...lane, share: 10, owner: 'a-node' })
      .execute();
    return { id, lane };
  };
  const stretchesOf = (id: string, on = db) =>
    on
      .selectFrom('itemStretch')
      .select(['first', 'last'])
      .where('executionId', '=', id)
      .orderBy('first')
      .execute()
      .then((rows) => rows.map(({ first, last }) => [first, last]));
  const rowsOf = async (id: string) =>
    (
      await db
        .selectFrom('batchItem')
        .select(['ordinal', 'status'])
        .where('executionId', '=', id)
        .orderBy('ordinal')
        .execute()
    ).map(({ ordinal, status }) => `${ordinal} ${status}`);
  const countsOf = (id: string) =>
    db
      .selectFrom('batchExecution')
      .select(['queued', 'running', 'succeeded', 'failed', 'cancelled', 'revision'])
      .where('id', '=', id)
      .executeTakeFirstOrThrow();
  const statusesOf = async (id: string) =>
    (
      await db
        .selectFrom('everyItem')
        .select(['ordinal', 'status'])
        .where('executionId', '=', id)
        .orderBy('ordinal')
        .execute()
    ).map(({ ordinal, status }) => `${ordinal} ${status}`);

  test('what succeeds side by side is one row, and a flush that is sent again writes nothing', async () => {
    const { id, lane } = await untouched(40);
    expect(await rowsOf(id)).toEqual([]);
    const flush = firstCalls([...range(3, 20), 30, 32]);
    expect(await settle(db, lane, flush, now())).toMatchObject({ held: true, refused: [], revision: 2 });
    expect(await stretchesOf(id)).toEqual([[3, 22]]);
    expect(await rowsOf(id)).toEqual(['30 SUCCEEDED', '32 SUCCEEDED']);
    const counts = { queued: 18, running: 0, succeeded: 22, failed: 0, cancelled: 0, revision: 2 };
    expect(await countsOf(id)).toEqual(counts);
    const again = await settle(db, lane, flush, now());
    expect(again).toMatchObject({ held: true, revision: null });
    expect(again.refused.toSorted((a, b) => a - b)).toEqual([...range(3, 20), 30, 32]);
    // Not even cut otherwise.
    expect((await settle(db, lane, firstCalls(range(10, 30)), now())).refused).toHaveLength(15);
    expect(await countsOf(id)).toEqual({ ...counts, queued: 3, succeeded: 37, revision: 3 });
    expect(await settle(db, { ...lane, epoch: 0 }, firstCalls(range(0, 3)), now())).toMatchObject({ held: false });
    expect(await countsOf(id)).toEqual({ ...counts, queued: 3, succeeded: 37, revision: 3 });
  });

  test('where one of them has been cancelled the others have rows, and it stays cancelled', async () => {
    const { id, lane } = await untouched(20);
    await cancelItems(db, id, { ordinals: [7, 15] }, 'not this one', now());
    expect(await rowsOf(id)).toEqual(['7 CANCELLED', '15 CANCELLED']);
    const answer = await settle(db, lane, firstCalls(range(0, 12)), now());
    expect(answer).toMatchObject({ held: true, refused: [7] });
    expect(await stretchesOf(id)).toEqual([]);
    expect(await statusesOf(id)).toEqual(
      range(0, 20).map((n) => `${n} ${n === 7 || n === 15 ? 'CANCELLED' : n < 12 ? 'SUCCEEDED' : 'QUEUED'}`),
    );
    expect(await countsOf(id)).toMatchObject({ queued: 7, succeeded: 11, cancelled: 2 });
    const results = await db.selectFrom('everyResult').select('ordinal').where('executionId', '=', id).execute();
    expect(results).toHaveLength(11);
  });

  test('a call that took longer than an integer of milliseconds holds is recorded as it was', async () => {
    const { id, lane } = await untouched(30);
    const flush = firstCalls(range(0, 30));
    const startedAt = new Date(-3e9);
    const long = <Row extends { readonly ordinal: number }>(rows: readonly Row[]): readonly Row[] =>
      rows.map((row) => (row.ordinal === 20 ? { ...row, startedAt } : row));
    const settlement = { ...flush, moves: long(flush.moves), results: long(flush.results) };
    expect(await settle(db, lane, settlement, now())).toMatchObject({ held: true, refused: [] });
    const [result] = await db
      .selectFrom('everyResult')
      .selectAll()
      .where('executionId', '=', id)
      .where('ordinal', '=', 20)
      .execute();
    expect(result).toMatchObject({ startedAt, at: flush.results[20]?.at });
  });

  test.runIf(kind === 'postgres')('what happens while a flush waits for the execution is seen by it', async () => {
    const { id, lane } = await untouched(60);
    const [locked, waiting] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const held = db.transaction().execute(async (tx) => {
      await tx.selectFrom('batchExecution').select('id').where('id', '=', id).forUpdate().execute();
      locked.resolve();
      await waiting.promise;
      // As another process would have it.
      await sql`insert into batch_item (execution_id, ordinal, status, ended_at, revision) values (${id}, 25, 'CANCELLED', now(), 2)`.execute(
        tx,
      );
      await tx.updateTable('batchExecution').set({ queued: 59, cancelled: 1 }).where('id', '=', id).execute();
    });
    await locked.promise;
    const flushes = [range(0, 12), range(0, 12), range(20, 12)].map((ordinals) =>
      settle(db, lane, firstCalls(ordinals), now()),
    );
    await until(async () => {
      const { rows } = await sql<{ n: number }>`select count(*)::int as n from pg_stat_activity
        where datname = current_database() and wait_event_type = 'Lock' and query like '/* settle */%'`.execute(db);
      return rows[0]?.n === flushes.length;
    });
    waiting.resolve();
    await held;
    const refused = (await Promise.all(flushes)).map((answer) => answer.refused.length);
    expect([refused.slice(0, 2).toSorted(), refused[2]]).toEqual([[0, 12], 1]);
    expect(await stretchesOf(id)).toEqual([[0, 11]]);
    expect(await countsOf(id)).toMatchObject({ queued: 36, succeeded: 23, cancelled: 1 });
    expect(await statusesOf(id)).toHaveLength(60);
  });

  test('an item of which nothing has happened has the revision that took it in', async () => {
    const harness = await startEngine(db);
    const done = Promise.withResolvers<void>();
    const id = await harness.create(1_300, () => done.promise, { concurrency: 1 });
    await harness.sealed(id);
    const chunks = await db
      .selectFrom('executionChange')
      .select(['revision', 'ordinals'])
      .where('executionId', '=', id)
      .where('appendedFrom', 'is not', null)
      .execute();
    expect(chunks.length).toBeGreaterThan(2);
    for (const { revision, ordinals } of chunks) {
      const keys = [ordinals[1], ordinals.at(-1)].map((ordinal = -1) => ({ executionId: id, ordinal }));
      const items = await findItems(db, harness.actor.projectId, keys);
      expect(items.map((item) => [item.status, item.revision])).toEqual([
        ['QUEUED', revision],
        ['QUEUED', revision],
      ]);
    }
    done.resolve();
    await harness.ended(id, 60_000);
    await stopAll(db, [harness]);
  });

  test('after whatever happens, all ways to read an item agree, and each item is in one place', async () => {
    const draw = seeded(7);
    const { id, lane } = await untouched(500);
    const expected: string[] = Array.from({ length: 500 }, () => 'QUEUED');
    for (let step = 0; step < 120; step += 1) {
      const first = draw.between(0, 495);
      const ordinals = range(first, Math.min(draw.between(1, 150), 500 - first)).filter(() => draw.chance(0.99));
      const kindOf = draw.pick(['settle', 'settle', 'settle', 'run', 'cancel', 'dissolve']);
      if (kindOf === 'dissolve') {
        await db.transaction().execute((tx) => dissolveStretches(tx, id, first, first + draw.between(1, 200)));
      } else if (kindOf === 'cancel') {
        await cancelItems(db, id, { ordinals: ordinals.slice(0, 3) }, null, now());
        for (const n of ordinals.slice(0, 3)) if (expected[n] !== 'SUCCEEDED') expected[n] = 'CANCELLED';
      } else {
        const flush = firstCalls(ordinals);
        const some = kindOf === 'run' ? flush.moves.slice(0, 5) : flush.moves;
        const moves = some.map((move) =>
          kindOf === 'run' ? { ...move, to: 'RUNNING' as const, endedAt: null } : move,
        );
        const { refused } = await settle(
          db,
          lane,
          { ...flush, moves, results: kindOf === 'run' ? [] : flush.results },
          now(),
        );
        const open = moves.filter(({ ordinal }) => expected[ordinal] === 'QUEUED');
        expect(refused.length).toBe(moves.length - open.length);
        for (const { ordinal } of open) expected[ordinal] = kindOf === 'run' ? 'RUNNING' : 'SUCCEEDED';
      }
    }
    expect(await statusesOf(id)).toEqual(expected.map((status, n) => `${n} ${status}`));
    expect((await stretchesOf(id)).length).toBeGreaterThan(0);
    const one =
      await sql`select i.* from generate_series(0, 499) n cross join lateral item_at(${id}, n) i order by ordinal`.execute(
        db,
      );
    const all = await sql`select * from items_between(${id}, 0, 500) order by ordinal`.execute(db);
    const parts =
      await sql`select i.* from generate_series(0, 490, 10) n cross join lateral items_between(${id}, n, n + 10) i
      order by ordinal`.execute(db);
    expect(one.rows).toEqual(all.rows);
    expect(parts.rows).toEqual(all.rows);
    const results =
      await sql`select r.* from generate_series(0, 499) n cross join lateral results_of(${id}, n) r order by ordinal`.execute(
        db,
      );
    expect(results.rows).toEqual(
      (await sql`select * from every_result where execution_id = ${id} order by ordinal`.execute(db)).rows,
    );
    expect(results.rows).toHaveLength(expected.filter((status) => status === 'SUCCEEDED').length);
    const counts = await countsOf(id);
    for (const status of ['queued', 'running', 'succeeded', 'cancelled'] as const)
      expect(counts[status]).toBe(expected.filter((word) => word === status.toUpperCase()).length);
  });

  describeReads();

  function describeReads(): void {
    test('whoever reads items and results reads the same when they get rows of their own', async () => {
      const harness = await startEngine(db, { pollMs: 3_600_000 });
      const total = 400;
      const id = await harness.create(total, ({ item, attempt }) => {
        if (item.ordinal % 97 === 5 && attempt === 1) throw Object.assign(new Error('not yet'), { transient: true });
        if (item.ordinal % 97 === 6) throw Object.assign(new Error('never'), { transient: false });
        return { data: { of: item.ordinal, text: 'é"\\' }, score: (item.ordinal % 10) / 10 };
      });
      await harness.ended(id);
      await checkEnded(db, id);
      const output = await harness.db
        .insertInto('datasource')
        .values({ id: `ds_${id.slice(5)}`, projectId: harness.actor.projectId, kind: 'RESULTS', name: id })
        .returning('id')
        .executeTakeFirstOrThrow();
      await db.updateTable('batchExecution').set({ outputDatasourceId: output.id }).where('id', '=', id).execute();
      const held = (await stretchesOf(id)).reduce((sum, [first = 0, last = 0]) => sum + last - first + 1, 0);
      expect(held).toBeGreaterThan(total / 2);
      const before = await everything(harness, id, output.id);
      await db.transaction().execute((tx) => dissolveStretches(tx, id, 0, total));
      expect(await stretchesOf(id)).toEqual([]);
      const after = await everything(harness, id, output.id);
      for (const [name, value] of Object.entries(after)) expect([name, before[name]]).toEqual([name, value]);
      await checkEnded(db, id);
      await stopAll(db, [harness]);
    });

    test('an item that is corrected gets a row, with all of its stretch; a resubmit runs all again', async () => {
      const harness = await startEngine(db);
      const id = await harness.create(300, ({ item, round }) => ({ of: item.ordinal, round }));
      await harness.ended(id);
      const held = (await stretchesOf(id)).length;
      const stretch = (await stretchesOf(id))[0] ?? [];
      const ordinal = stretch[0] ?? 0;
      await correctBatchItem(harness.deps, harness.actor, { itemId: itemId(id, ordinal), data: { of: 'me' } });
      expect(await stretchesOf(id)).toHaveLength(held - 1);
      await checkEnded(db, id);
      await resubmitBatchExecution(harness.deps, harness.actor, { batchExecutionId: id, fromTier: 0 });
      const ended = await harness.ended(id);
      expect(ended).toMatchObject({ status: 'COMPLETED', succeeded: 300, round: 1 });
      expect(await stretchesOf(id)).toEqual([]);
      const results = await newestResults(db, harness.actor.projectId, [{ executionId: id, ordinal: 299 }]);
      expect(results).toMatchObject([{ data: { of: 299, round: 1 }, round: 1 }]);
      await checkEnded(db, id);
      await stopAll(db, [harness]);
    });
  }

  async function everything(harness: Harness, id: string, output: string): Promise<Record<string, unknown>> {
    const { projectId: project } = harness.actor;
    const { revision, total } = await harness.read(id);
    const keys = range(0, total).map((ordinal) => ({ executionId: id, ordinal }));
    const byOrdinal = <Row extends { readonly ordinal: number }>(rows: readonly Row[]) =>
      rows.toSorted((a, b) => a.ordinal - b.ordinal);
    const pages = async (filter: ItemFilter) => {
      const found: unknown[] = [];
      for (const backward of [false, true]) {
        for (const after of [null, [0], [130], [399]])
          found.push(await listItems(db, project, id, filter, { limit: 37, backward, after }));
      }
      return found;
    };
    const results = { after: null, before: null, limit: 1_000 };
    return {
      byKey: byOrdinal(await findItems(db, project, keys)),
      all: await pages({}),
      succeeded: await pages({ status: ['SUCCEEDED'] }),
      failed: await pages({ status: ['FAILED'] }),
      queued: await pages({ status: ['QUEUED'] }),
      several: await pages({ status: ['SUCCEEDED', 'FAILED'], tier: [0] }),
      named: await pages({ filename: '3' }),
      scored: await pages({ minScore: 0.7, maxScore: 0.8 }),
      quick: await pages({ maxDurationMs: 1 }),
      changed: await pages({ updatedAfterRevision: Math.max(revision - 4, 1) }),
      both: await pages({ updatedAfterRevision: 2, status: ['SUCCEEDED'] }),
      events: await newestChanges(db, project, id, { since: 0, upTo: revision }),
      newest: byOrdinal(await newestResults(db, project, keys)),
      byTier: byOrdinal(await resultsByTier(db, project, keys)),
      successes: byOrdinal(await lastSuccesses(db, project, keys, 3)),
      export: await readResultRows(db, project, id, -1),
      later: await readResultRows(db, project, id, 200, true),
      elements: await listResults(db, output, results),
      found: await findResults(
        db,
        output,
        range(0, 20).map((n) => itemId(id, n * 7)),
        results,
      ),
      content: await readResult(db, output, itemId(id, 11)),
      tally: await tallyRound(db, id, total, {
        ...{ mode: 'ALL', statuses: ['FAILED'], tiers: null, errorCategories: null, errorCodes: null },
        ...{ ordinals: range(0, 30), maxRetryCount: null, filter: null },
      }),
    };
  }
});
