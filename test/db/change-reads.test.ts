/** What changed in a range of revisions. */
import { beforeAll, expect, test } from 'vitest';
import { newestChanges } from '../../src/store/change-reads.ts';
import type { Db } from '../../src/store/database.ts';
import { findItems } from '../../src/store/item-rows.ts';
import { describeDatabases } from '../support/databases.ts';
import { addChange, addItems } from '../support/execution-rows.ts';
import { makeExecution, makeProject } from '../support/rows.ts';

describeDatabases('changed items', (open) => {
  let db: Db;
  let projectId: string;
  let executionId: string;
  beforeAll(async () => {
    db = await open();
    ({ projectId } = await makeProject(db));
    executionId = await makeExecution(db, projectId);
    await addItems(
      db,
      executionId,
      Array.from({ length: 500 }, () => ({})),
    );
    await addChange(db, executionId, 2, [0, 1]);
    await addChange(db, executionId, 3, [1]);
    await addChange(db, executionId, 5, [2, 0]);
    await addChange(
      db,
      executionId,
      6,
      Array.from({ length: 101 }, (_, n) => 100 + n),
    );
    await addChange(
      db,
      executionId,
      7,
      Array.from({ length: 100 }, (_, n) => 300 + n),
    );
    for (let revision = 10; revision < 120; revision += 1) await addChange(db, executionId, revision, [revision % 2]);
  });

  const changes = async (since: number, upTo: number, project = projectId) => {
    const { items, truncated } = await newestChanges(db, project, executionId, { since, upTo });
    return { ordinals: items.map((item) => item.ordinal), truncated };
  };

  test('are those of the range, each once, the last change first', async () => {
    expect(await changes(0, 5)).toEqual({ ordinals: [2, 0, 1], truncated: false });
    expect(await changes(2, 4)).toEqual({ ordinals: [1], truncated: false });
    expect(await changes(3, 4)).toEqual({ ordinals: [], truncated: false });
  });

  test('say when there are more than 100, and only then', async () => {
    expect(await changes(6, 7)).toMatchObject({ truncated: false, ordinals: { length: 100 } });
    expect(await changes(5, 6)).toMatchObject({ truncated: true, ordinals: { length: 100 } });
    expect(await changes(0, 7)).toMatchObject({ truncated: true, ordinals: { length: 100 } });
    expect((await changes(0, 7)).ordinals[0]).toBe(300);
  });

  test('are read from the newest 101 revisions alone, and then say that there may be more', async () => {
    expect(await changes(9, 119)).toEqual({ ordinals: [1, 0], truncated: true });
    expect(await changes(100, 119)).toEqual({ ordinals: [1, 0], truncated: false });
  });

  test('of another project are none', async () => {
    const foreign = (await makeProject(db)).projectId;
    expect(await changes(0, 9, foreign)).toEqual({ ordinals: [], truncated: false });
  });

  test('come as items, as they are now', async () => {
    const { items } = await newestChanges(db, projectId, executionId, { since: 3, upTo: 5 });
    const now = await findItems(
      db,
      projectId,
      [0, 2].map((ordinal) => ({ executionId, ordinal })),
    );
    expect(items).toEqual(now.sort((a, b) => b.ordinal - a.ordinal));
    expect(items).toHaveLength(2);
  });
});
