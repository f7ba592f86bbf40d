/** A claim for a lane that has a newer epoch. */
import { beforeAll, expect, test } from 'vitest';
import { claim } from '../../src/store/claim.ts';
import type { Db } from '../../src/store/database.ts';
import { describeDatabases } from '../support/databases.ts';
import { makeExecution, makeInputs, makeItems, makeProject } from '../support/rows.ts';

describeDatabases('a claim for a lane that was taken over', (open) => {
  let db: Db;
  let projectId: string;
  beforeAll(async () => {
    db = await open();
    ({ projectId } = await makeProject(db));
  });

  test.each([
    ['of which nothing has happened', makeInputs],
    ['with rows, as of an older version', makeItems],
  ])('takes nothing of items %s, and leaves the claim of the new holder', async (_, make) => {
    const id = await makeExecution(db, projectId);
    await make(db, id, 40);
    const lane = { executionId: id, no: 0, epoch: 2 };
    await db
      .insertInto('executionLane')
      .values({ ...lane, share: 10, owner: 'the-new-holder', claim: [] })
      .execute();
    const now = new Date();
    expect((await claim(db, lane, [], 10, now)).items).toHaveLength(10);
    const stateOf = () =>
      db
        .selectFrom('batchExecution as x')
        .innerJoin('executionLane as l', 'l.executionId', 'x.id')
        .select(['x.poolCursor', 'l.claim', 'x.revision'])
        .where('x.id', '=', id)
        .executeTakeFirstOrThrow();
    const before = await stateOf();
    expect(await claim(db, { ...lane, epoch: 1 }, [3], 10, now)).toMatchObject({ held: false, items: [] });
    expect(await stateOf()).toEqual(before);
    expect((await claim(db, lane, [0, 1], 5, now)).items.map(({ ordinal }) => ordinal)).toEqual([10, 11, 12, 13, 14]);
  });
});
