/** Following lists of executions: nothing is missed, whoever changes them and however slowly one reads. */
import { sql } from 'kysely';
import { afterAll, beforeAll, beforeEach, expect, onTestFinished, test } from 'vitest';
import { createChangeLog } from '../../src/services/change-log.ts';
import { deleteBatchExecution } from '../../src/services/delete-batch-execution.ts';
import { createListFeed, type ListFeed } from '../../src/services/list-feed.ts';
import type { ListReader, ListUpdate } from '../../src/services/list-reader.ts';
import type { Db } from '../../src/store/database.ts';
import type { ExecutionFilter } from '../../src/store/execution-filter.ts';
import { findUnlogged, listChanges, logChanges } from '../../src/store/listed-changes.ts';
import { forgetDeletions } from '../../src/store/sweep-deleted.ts';
import { describeDatabases } from '../support/databases.ts';
import { makeExecutionWith } from '../support/execution-rows.ts';
import { makeProject, type ProjectRows } from '../support/rows.ts';
import { seeded } from '../support/seeded.ts';
import { databaseDeps } from '../support/server.ts';
import { until } from '../support/until.ts';

const fail = (error: unknown) => {
  throw error;
};

describeDatabases('following a list', (open) => {
  let db: Db;
  let lists: ListFeed;
  let tenant: ProjectRows;
  beforeAll(async () => {
    db = await open();
    lists = createListFeed(db, fail);
  });
  afterAll(() => lists.stop());
  beforeEach(async () => {
    tenant = await makeProject(db);
  });

  const make = (columns: Parameters<typeof makeExecutionWith>[2] = {}) =>
    makeExecutionWith(db, tenant.projectId, columns);
  const log = async (...ids: readonly string[]) => lists.announce(await logChanges(db, ids));
  const touch = async (id: string, set: string = 'name = name') => {
    await sql`update batch_execution set revision = revision + 1, ${sql.raw(set)} where id = ${id}`.execute(db);
  };
  async function follow(filter: ExecutionFilter = {}, afterChange: number | null = null): Promise<ListReader> {
    const reader = await lists.open({ projectId: tenant.projectId, filter, afterChange });
    onTestFinished(() => void reader.return?.());
    return reader;
  }
  const next = async (reader: ListReader): Promise<ListUpdate> => {
    const { value } = await reader.next();
    if (value === undefined) throw new Error('the stream has ended');
    return value;
  };
  const short = ({ kind, id, change }: ListUpdate) => ({ kind, id, change });

  test('an execution enters, changes, leaves and is deleted, with numbers that rise', async () => {
    const reader = await follow({ status: ['QUEUED', 'FAILED'] });
    const id = await make();
    await log(id);
    expect(short(await next(reader))).toEqual({ kind: 'ENTERED', id, change: 1 });
    await touch(id);
    await log(id);
    expect(await next(reader)).toMatchObject({ kind: 'CHANGED', id, change: 2, execution: { id, revision: 2 } });
    await touch(id, "status = 'RUNNING', started_at = now()");
    await log(id);
    expect(await next(reader)).toMatchObject({ kind: 'LEFT', id, change: 3, execution: null });
    // It is not in the list: what it does there is no news.
    await touch(id);
    await log(id);
    await touch(id, "status = 'FAILED', ended_at = now()");
    await log(id);
    expect(short(await next(reader))).toEqual({ kind: 'ENTERED', id, change: 5 });
    await deleteBatchExecution({ ...databaseDeps(db), publish: () => undefined }, tenant.actor, {
      batchExecutionId: id,
    });
    lists.announce([{ projectId: tenant.projectId, change: await lists.head(tenant.projectId) }]);
    expect(short(await next(reader))).toEqual({ kind: 'DELETED', id, change: 6 });
    expect(await lists.head(tenant.projectId)).toBe(6);
  });

  test('one that comes back is told of what changed since, and of everything behind a number that never was', async () => {
    const [one, two] = [await make(), await make()];
    await log(one);
    const since = await lists.head(tenant.projectId);
    await log(two);
    const all = async (after: number, count: number) => {
      const reader = await follow({}, after);
      const ids: string[] = [];
      for (let n = 0; n < count; n += 1) ids.push((await next(reader)).id);
      return new Set(ids);
    };
    expect(await all(since, 1)).toEqual(new Set([two]));
    expect(await all(0, 2)).toEqual(new Set([one, two]));
    expect(await all(1_000, 2)).toEqual(new Set([one, two]));
  });

  test('only the last of several with one number says that all of them were told', async () => {
    const ids = new Set<string>();
    for (let n = 0; n < 120; n += 1) ids.add(await make());
    await log(...ids);
    const reader = await follow({}, 0);
    const updates: ListUpdate[] = [];
    while (updates.length < 120) updates.push(await next(reader));
    expect(new Set(updates.map(({ id }) => id))).toEqual(ids);
    expect(updates.map(({ change }) => change)).toEqual([...Array.from({ length: 119 }, () => 0), 1]);
  });

  test('a reader that nobody asks skips to the newest state, and keeps no more than a page', async () => {
    const [id, other] = [await make(), await make()];
    const reader = await follow();
    for (let n = 0; n < 200; n += 1) {
      await touch(id);
      await log(id);
    }
    await log(other);
    expect(await next(reader)).toMatchObject({ id, execution: { revision: 201 }, change: 200 });
    expect(await next(reader)).toMatchObject({ id: other, change: 201 });
  });

  test('readers of one list share a read', async () => {
    const readers = await Promise.all(Array.from({ length: 20 }, () => follow({ status: ['QUEUED'] })));
    const id = await make();
    const waiting = readers.map(next);
    await log(id);
    const [first, ...rest] = await Promise.all(waiting);
    for (const update of rest) expect(update.execution).toBe(first?.execution);
  });

  test('another project sees and is told of nothing', async () => {
    const other = await makeProject(db);
    const theirs = await lists.open({ projectId: other.projectId, filter: {}, afterChange: 0 });
    const id = await make();
    await log(id);
    expect(await lists.head(other.projectId)).toBe(0);
    expect(await listChanges(db, other.projectId, { change: 0, id: '' }, 10)).toEqual([]);
    const answer = theirs.next();
    await theirs.return?.();
    expect(await answer).toEqual({ done: true, value: undefined });
    expect(lists.watched()).toBe(0);
  });

  test('nothing is missed while several log at once and readers come and go', async () => {
    const random = seeded(7);
    const ids: string[] = [];
    for (let n = 0; n < 30; n += 1) ids.push(await make());
    await log(...ids);
    const from = await lists.head(tenant.projectId);
    const told = new Map<string, number>();
    let [isOver, place] = [false, from];
    const reading = (async () => {
      while (!isOver || place < (await lists.head(tenant.projectId))) {
        // Comes back as a client does: with the number of the last event it had.
        const reader = await follow({}, place);
        for (let n = 0; n < 1 + random.next() * 20; n += 1) {
          const head = await lists.head(tenant.projectId);
          if (place >= head) break;
          const update = await next(reader);
          expect(update.change).toBeGreaterThanOrEqual(place);
          place = update.change;
          told.set(update.id, Math.max(told.get(update.id) ?? 0, update.execution?.revision ?? 0));
        }
        await reader.return?.();
      }
    })();
    const write = async () => {
      for (let n = 0; n < 60; n += 1) {
        const some = ids.filter(() => random.chance(0.2));
        for (const id of some) await touch(id);
        await log(...some);
      }
    };
    await Promise.all([write(), write(), write()]);
    isOver = true;
    await reading;
    const rows = await db.selectFrom('batchExecution').select(['id', 'revision']).where('id', 'in', ids).execute();
    const changed = rows.filter(({ revision }) => revision > 1);
    expect(changed.length).toBeGreaterThan(20);
    for (const { id, revision } of changed) expect([id, told.get(id)]).toEqual([id, revision]);
  });

  test('what a process changed and did not log before it died is found by the next', async () => {
    const [lost, logged] = [await make(), await make()];
    const ended = await make({ status: 'FAILED', endedAt: new Date() });
    await logChanges(db, [logged]);
    await touch(logged, "status = 'FAILED', ended_at = now()");
    const missed = await findUnlogged(db, false, 10_000);
    expect([missed.includes(lost), missed.includes(logged), missed.includes(ended)]).toEqual([true, true, false]);
    expect(await findUnlogged(db, true, 10_000)).toContain(ended);
    const reader = await follow({}, 0);
    const log = createChangeLog(db, lists.announce, fail);
    log.start();
    onTestFinished(() => log.stop());
    const seen = new Map<string, number>();
    while (seen.size < 3 || seen.get(logged) !== 2) {
      const { id, execution } = await next(reader);
      seen.set(id, execution?.revision ?? 0);
    }
    expect([...seen].sort()).toEqual(
      [
        [lost, 1],
        [logged, 2],
        [ended, 1],
      ].sort(),
    );
    await touch(lost);
    log.note(lost);
    // What it had told of as it was read may be told again as it was logged.
    let update = await next(reader);
    while (update.id !== lost) update = await next(reader);
    expect(update).toMatchObject({ kind: 'CHANGED', execution: { revision: 2 } });
  });

  test('a stop ends every stream, also one that waits, and writes what was noted', async () => {
    const own = createListFeed(db, fail);
    const reader = await own.open({ projectId: tenant.projectId, filter: {}, afterChange: null });
    const waiting = reader.next();
    await own.stop();
    expect(await waiting).toEqual({ done: true, value: undefined });
    await expect(own.open({ projectId: tenant.projectId, filter: {}, afterChange: null })).rejects.toThrow('stopped');
    const id = await make();
    const log = createChangeLog(db, () => undefined, fail);
    log.note(id);
    await log.stop();
    expect(await listChanges(db, tenant.projectId, { change: 0, id: '' }, 10)).toMatchObject([{ id }]);
  });

  test('changes that another node logged are seen within a look', async () => {
    const own = createListFeed(db, fail);
    onTestFinished(() => own.stop());
    own.start();
    const reader = await own.open({ projectId: tenant.projectId, filter: {}, afterChange: null });
    const id = await make();
    const waiting = next(reader);
    await logChanges(db, [id]);
    expect(await waiting).toMatchObject({ id });
  });

  test('a deletion is told for a week after the sweep', async () => {
    const id = await make({ status: 'FAILED', endedAt: new Date() });
    await log(id);
    const since = await lists.head(tenant.projectId);
    await deleteBatchExecution({ ...databaseDeps(db), publish: () => undefined }, tenant.actor, {
      batchExecutionId: id,
    });
    expect(await next(await follow({}, since))).toMatchObject({ kind: 'DELETED', id });
    await db
      .updateTable('deletion')
      .set({ sweptAt: new Date(0) })
      .where('id', '=', id)
      .execute();
    await forgetDeletions(db, new Date(1_000));
    await until(async () => (await listChanges(db, tenant.projectId, { change: 0, id: '' }, 10)).length === 0);
  });
});
