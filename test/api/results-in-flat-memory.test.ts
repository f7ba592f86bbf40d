/** Results by the tens of thousands, read as a stream: memory does not grow with what was read. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { sql } from 'kysely';
import { beforeAll, expect, test } from 'vitest';
import type { Db } from '../../src/store/database.ts';
import { describeDatabases } from '../support/databases.ts';
import { makeExecutionWith } from '../support/execution-rows.ts';
import { startExecutionServer } from '../support/execution-server.ts';
import { makeProject, type ProjectRows } from '../support/rows.ts';

const ITEMS = 40_000;
const SAMPLES = 10;
/** Some pages on their way: a page is up to a megabyte, as rows, as text and in sockets. */
const GROWTH_MB = 12;
const LEAST_TEXT_MB = 40;

/** What this process holds once nothing is left to collect, in MB. */
function memory(): number {
  const { heapUsed, external } = process.memoryUsage();
  return (heapUsed + external) / 1e6;
}

describeDatabases('a stream of many results', (open) => {
  let db: Db;
  let project: ProjectRows;
  let id: string;
  beforeAll(async () => {
    db = await open();
    project = await makeProject(db);
    id = await makeExecutionWith(db, project.projectId, {});
    const rows = sql`from generate_series(0, ${ITEMS - 1}::int) n`;
    await sql`insert into batch_item (execution_id, ordinal, status, revision, started_at, ended_at)
      select ${id}, n, 'SUCCEEDED', 1, now(), now() ${rows}`.execute(db);
    await sql`insert into batch_item_input (execution_id, ordinal, element_id, filename, media_type)
      select ${id}, n, 'element-' || n, n || '.txt', 'text/plain' ${rows}`.execute(db);
    await sql`insert into item_result (execution_id, ordinal, tier, round, attempt, data)
      select ${id}, n, 0, 0, 1, json_build_object('n', n, 'text', repeat('x', 1000)) ${rows}`.execute(db);
    await sql`analyze`.execute(db);
  });

  test.each(['jsonl', 'csv'])('as %s takes no more memory in its second half than in its first', async (format) => {
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    const server = await startExecutionServer(db);
    try {
      const response = await fetch(`${server.url}/executions/${id}/results.${format}`, {
        headers: { authorization: `Bearer ${project.key}`, 'accept-encoding': 'identity' },
      });
      const held: number[] = [];
      let [lines, bytes] = [0, 0];
      for await (const chunk of response.body ?? []) {
        bytes += chunk.length;
        lines += Buffer.from(chunk).reduce((count, byte) => count + (byte === 0x0a ? 1 : 0), 0);
        if (lines < (held.length * ITEMS) / SAMPLES) continue;
        collect();
        held.push(memory());
      }
      expect(lines).toBe(format === 'csv' ? ITEMS + 1 : ITEMS);
      expect(bytes / 1e6).toBeGreaterThan(LEAST_TEXT_MB);
      expect(held.length).toBeGreaterThanOrEqual(SAMPLES);
      const [early, late] = [held.slice(0, SAMPLES / 2), held.slice(SAMPLES / 2)];
      expect(Math.max(...late) - Math.max(...early)).toBeLessThan(GROWTH_MB);
    } finally {
      await server.stop();
    }
  });
});
