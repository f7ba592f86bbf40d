/** Lists of executions: filters, orders and pages. */
import { sql } from 'kysely';
import { beforeAll, expect, test } from 'vitest';
import { newId } from '../../src/domain/ids.ts';
import type { Page } from '../../src/domain/page.ts';
import type { Db } from '../../src/store/database.ts';
import {
  type ExecutionFilter,
  type ExecutionOrder,
  findExecutions,
  type ListedExecution,
  listExecutions,
} from '../../src/store/execution-reads.ts';
import { describeDatabases } from '../support/databases.ts';
import { makeExecutionWith } from '../support/execution-rows.ts';
import { makeProject } from '../support/rows.ts';

const NEWEST: ExecutionOrder = { field: 'CREATED_AT', ascending: false };
const ALL: Page = { limit: 1_000, backward: false, after: null };

describeDatabases('lists of executions', (open) => {
  let db: Db;
  beforeAll(async () => {
    db = await open();
  });

  const list = (projectId: string, filter: ExecutionFilter, order = NEWEST, page = ALL) =>
    listExecutions(db, projectId, filter, order, page);

  async function allPages(
    projectId: string,
    order: ExecutionOrder,
    limit: number,
    backward = false,
    between?: () => Promise<unknown>,
  ) {
    const ids: string[] = [];
    let after: readonly string[] | null = null;
    for (;;) {
      const rows: ListedExecution[] = await list(projectId, {}, order, { limit, backward, after });
      const kept = rows.slice(0, limit);
      ids.push(...kept.map((row) => row.id));
      const last = kept.at(-1);
      if (rows.length <= limit || last === undefined) return ids;
      after = [last.sortKey, last.id];
      await between?.();
    }
  }

  test.each<ExecutionOrder>([
    { field: 'CREATED_AT', ascending: true },
    { field: 'CREATED_AT', ascending: false },
    { field: 'STARTED_AT', ascending: true },
    { field: 'STARTED_AT', ascending: false },
  ])(
    'pages of %o have no gap and no duplicate, also within one millisecond and where nothing has started',
    async (order) => {
      const { projectId } = await makeProject(db);
      const at = Date.UTC(2026, 0, 31);
      for (let n = 0; n < 11; n += 1) {
        const started = n % 3 === 0 ? null : new Date(at + 5_000 * (n % 4));
        const id = await makeExecutionWith(db, projectId, {
          startedAt: started,
          status: started ? 'RUNNING' : 'QUEUED',
        });
        // Microseconds apart, as the database's own clock gives them.
        await sql`update batch_execution set created_at = ${new Date(at)}::timestamptz + ${n % 6} * interval '1 microsecond',
        started_at = started_at + ${n} * interval '1 microsecond' where id = ${id}`.execute(db);
      }
      const whole = (await list(projectId, {}, order)).map((row) => row.id);
      expect(new Set(whole).size).toBe(11);
      for (const limit of [1, 2, 3, 5]) {
        expect(await allPages(projectId, order, limit)).toEqual(whole);
        expect(await allPages(projectId, order, limit, true)).toEqual(whole.toReversed());
      }
    },
  );

  test('what has not started comes last ascending, and first descending', async () => {
    const { projectId } = await makeProject(db);
    const started = await makeExecutionWith(db, projectId, { startedAt: new Date(), status: 'RUNNING' });
    const waiting = await makeExecutionWith(db, projectId, {});
    const ids = async (ascending: boolean) =>
      (await list(projectId, {}, { field: 'STARTED_AT', ascending })).map((row) => row.id);
    expect(await ids(true)).toEqual([started, waiting]);
    expect(await ids(false)).toEqual([waiting, started]);
  });

  test('executions made while one pages do not shift the pages', async () => {
    const { projectId } = await makeProject(db);
    for (let n = 0; n < 6; n += 1)
      await makeExecutionWith(db, projectId, { createdAt: new Date(Date.UTC(2026, 0, 1 + n)) });
    const before = (await list(projectId, {})).map((row) => row.id);
    expect(await allPages(projectId, NEWEST, 2, false, () => makeExecutionWith(db, projectId, {}))).toEqual(before);
  });

  test('each filter keeps what it says and all of them must hold', async () => {
    const { projectId } = await makeProject(db);
    const day = (n: number) => new Date(Date.UTC(2026, 0, n));
    const first = await makeExecutionWith(db, projectId, { name: 'Invoices 50%', createdAt: day(1) });
    const second = await makeExecutionWith(db, projectId, {
      name: 'letters',
      createdAt: day(2),
      status: 'RUNNING',
      startedAt: day(2),
    });
    const [one] = await findExecutions(db, projectId, [first]);
    const ids = async (filter: ExecutionFilter) => (await list(projectId, filter)).map((row) => row.id);
    expect(await ids({})).toEqual([second, first]);
    expect(await ids({ status: ['RUNNING', 'FAILED'] })).toEqual([second]);
    expect(await ids({ status: [] })).toEqual([]);
    expect(await ids({ definitionId: one?.definitionId ?? '' })).toEqual([first]);
    expect(await ids({ datasourceId: one?.inputDatasourceId ?? '' })).toEqual([first]);
    expect(await ids({ name: 'VOICES 50%' })).toEqual([first]);
    expect(await ids({ name: '_' })).toEqual([]);
    expect(await ids({ createdAfter: day(1) })).toEqual([second]);
    expect(await ids({ createdBefore: day(2) })).toEqual([first]);
    expect(await ids({ createdBefore: day(2), status: ['RUNNING'] })).toEqual([]);
  });

  test('a project sees its own executions only, by list and by id', async () => {
    const [mine, theirs] = [await makeProject(db), await makeProject(db)];
    const [own, foreign] = [
      await makeExecutionWith(db, mine.projectId, {}),
      await makeExecutionWith(db, theirs.projectId, {}),
    ];
    expect((await list(mine.projectId, {})).map((row) => row.id)).toEqual([own]);
    const found = await findExecutions(db, mine.projectId, [own, foreign, newId('BatchExecution'), 'nonsense']);
    expect(found).toMatchObject([{ id: own, customerId: mine.customerId }]);
    expect(await findExecutions(db, mine.projectId, [])).toEqual([]);
  });
});
