import { sql } from 'kysely';
import { beforeAll, expect, test } from 'vitest';
import { closeStatement } from '../../src/store/close-items.ts';
import type { Db } from '../../src/store/database.ts';
import { describeDatabases } from '../support/databases.ts';
import { makeExecution, makeItems, makeProject } from '../support/rows.ts';

const ITEMS = 50_000;

describeDatabases('the plan of a sweep', (open) => {
  let db: Db;
  let executionId: string;
  beforeAll(async () => {
    db = await open();
    const { projectId } = await makeProject(db);
    executionId = await makeExecution(db, projectId);
    await makeItems(db, executionId, ITEMS);
  }, 120_000);

  const plan = async (): Promise<string> => {
    const close = { cursor: 20_000, end: 22_000, running: false, closing: 'CANCEL' } as const;
    const query = closeStatement(executionId, close, 1, new Date()).compile(db);
    const { rows } = await db.executeQuery<Record<string, string>>({ ...query, sql: `explain ${query.sql}` });
    return rows.flatMap((row) => Object.values(row)).join('\n');
  };

  /** Every scan of items is bounded by ordinals at both ends. */
  const expectBounded = (text: string): void => {
    const lines = text.split('\n');
    const scans = lines.flatMap((line, index) => (/(using|on) batch_item_pkey /.test(line) ? [lines[index + 1]] : []));
    expect(scans).toHaveLength(3);
    for (const scan of scans) expect(scan).toMatch(/ordinal >= .* AND .*ordinal < /);
    expect(text).not.toMatch(/Seq Scan on batch_item /);
  };

  test(`reads no more than its span of ${ITEMS} items that were just loaded, before any statistics`, async () => {
    expectBounded(await plan());
  });

  test('nor with statistics', async () => {
    await sql`analyze batch_item`.execute(db);
    expectBounded(await plan());
  });
});
