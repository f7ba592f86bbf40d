/** The table of legal moves and the database's triggers are one and the same. */
import { beforeAll, describe, expect, test } from 'vitest';
import {
  EXECUTION_MOVES,
  EXECUTION_STATUSES,
  type ExecutionStatus,
  ITEM_MOVES,
  ITEM_STATUSES,
  type ItemStatus,
  isFinalExecution,
  isOpenItem,
  legalPairs,
} from '../../src/domain/states.ts';
import type { Db } from '../../src/store/database.ts';
import { describeDatabases } from '../support/databases.ts';
import { makeExecution, makeProject } from '../support/rows.ts';

const CHECK_VIOLATION = '23514';

/** What the CHECKs ask of an execution in a status, beside the status. */
const executionIn = (status: ExecutionStatus) => ({
  status,
  endedAt: isFinalExecution(status) ? new Date() : null,
  pauseReason: status === 'PAUSED' ? ('USER' as const) : null,
});

/** What the CHECKs ask of an item in a status, beside the status. */
const itemIn = (status: ItemStatus) => ({
  status,
  startedAt: new Date(),
  endedAt: isOpenItem(status) ? null : new Date(),
  runAfter: status === 'RETRYING' ? new Date() : null,
  ...(status === 'FAILED'
    ? { errorCode: 'a_code', errorCategory: 'RUNTIME' as const, errorTransient: false }
    : { errorCode: null, errorCategory: null, errorTransient: null }),
});

/** The pairs `from>to` that the move function did not refuse; anything but the trigger's refusal is thrown. */
async function allowedPairs<Status extends string>(
  statuses: readonly Status[],
  move: (from: Status, to: Status) => Promise<void>,
): Promise<string[]> {
  const allowed: string[] = [];
  for (const from of statuses) {
    for (const to of statuses) {
      if (from === to) continue;
      try {
        await move(from, to);
        allowed.push(`${from}>${to}`);
      } catch (error) {
        const { code, message } = error as { code?: string; message: string };
        if (code !== CHECK_VIOLATION || !message.includes(`may not go from ${from} to ${to}`)) throw error;
      }
    }
  }
  return allowed.sort();
}

describeDatabases('legal moves', (open) => {
  let db: Db;
  let executionId: string;
  beforeAll(async () => {
    db = await open();
    executionId = await makeExecution(db, (await makeProject(db)).projectId);
  });

  describe('of executions', () => {
    test('the trigger allows exactly the pairs of the table', async () => {
      const template = await db.selectFrom('batchExecution').selectAll().executeTakeFirstOrThrow();
      const json = { spec: JSON.stringify(template.spec), metadata: null, inputOverrides: null };
      const allowed = await allowedPairs(EXECUTION_STATUSES, async (from, to) => {
        const id = `${from}>${to}`;
        await db
          .insertInto('batchExecution')
          .values({ ...template, ...json, ...executionIn(from), id })
          .execute();
        await db.updateTable('batchExecution').set(executionIn(to)).where('id', '=', id).execute();
      });
      expect(allowed).toEqual(legalPairs(EXECUTION_MOVES));
    });

    test('staying in a status is always allowed', async () => {
      const staying = db.updateTable('batchExecution').set({ status: 'QUEUED' }).where('id', '=', executionId);
      expect((await staying.executeTakeFirst()).numUpdatedRows).toBe(1n);
    });
  });

  describe('of items', () => {
    test('the trigger allows exactly the pairs of the table', async () => {
      let ordinal = 0;
      const allowed = await allowedPairs(ITEM_STATUSES, async (from, to) => {
        ordinal += 1;
        await db
          .insertInto('batchItem')
          .values({ executionId, ordinal, revision: 1, ...itemIn(from) })
          .execute();
        await db
          .updateTable('batchItem')
          .set(itemIn(to))
          .where('executionId', '=', executionId)
          .where('ordinal', '=', ordinal)
          .execute();
      });
      expect(allowed).toEqual(legalPairs(ITEM_MOVES));
    });
  });
});
