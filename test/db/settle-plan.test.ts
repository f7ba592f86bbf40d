import { sql } from 'kysely';
import { beforeAll, expect, test } from 'vitest';
import type { Settlement } from '../../src/engine/ports.ts';
import type { Db } from '../../src/store/database.ts';
import { settleStatement } from '../../src/store/settle.ts';
import { toStretches } from '../../src/store/settle-stretches.ts';
import { describeDatabases } from '../support/databases.ts';
import { makeExecution, makeItems, makeProject } from '../support/rows.ts';

const ITEMS = 100_000;

/** A flush of 500 items that ended well. */
function settlement(): Settlement {
  const ordinals = Array.from({ length: 500 }, (_, index) => index * 7);
  const at = new Date();
  const rest = { tier: 0, attempt: 1 };
  return {
    round: 0,
    tiers: 1,
    moves: ordinals.map((ordinal) => ({
      ...{ ordinal, ...rest, was: 'QUEUED' as const, wasTier: 0, to: 'SUCCEEDED' as const, charged: 0, deaths: 0 },
      ...{ runAfter: null, startedAt: at, endedAt: at, error: null, flawed: false },
    })),
    results: ordinals.map((ordinal) => ({
      ...{ ordinal, ...rest, data: '{}', fieldErrors: null, artifacts: null, contentHash: null },
      ...{ startedAt: at, at, score: null, usage: null },
    })),
    failures: [],
  };
}

describeDatabases('the plan of a flush', (open) => {
  let db: Db;
  let executionId: string;
  beforeAll(async () => {
    db = await open();
    const { projectId } = await makeProject(db);
    // Others' items, so that the execution is a part of the table as it is in life.
    await makeItems(db, await makeExecution(db, projectId), 20_000);
    executionId = await makeExecution(db, projectId);
    await makeItems(db, executionId, ITEMS);
  }, 120_000);

  const plan = async (): Promise<string> => {
    const query = settleStatement({ executionId, no: 0, epoch: 0 }, toStretches(settlement()), new Date()).compile(db);
    const { rows } = await db.executeQuery<Record<string, string>>({ ...query, sql: `explain ${query.sql}` });
    return rows.flatMap((row) => Object.values(row)).join('\n');
  };

  /** Every scan of the items' key must have both of its columns in the condition. */
  const expectBothColumns = (text: string): void => {
    const lines = text.split('\n');
    const scans = lines.flatMap((line, index) => (/(using|on) batch_item_pkey /.test(line) ? [lines[index + 1]] : []));
    expect(scans.length).toBeGreaterThan(0);
    for (const scan of scans) expect(scan).toMatch(/Index Cond: .*execution_id = .* AND .*ordinal = /);
    expect(text).not.toMatch(/Seq Scan on batch_item /);
  };

  test(`uses both key columns on ${ITEMS} items that were just loaded, before any statistics`, async () => {
    expectBothColumns(await plan());
  });

  test('and with them', async () => {
    await sql`analyze batch_item`.execute(db);
    expectBothColumns(await plan());
  });
});
