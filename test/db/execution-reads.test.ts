/** Lists of executions: filters, orders and pages. */
import { sql } from 'kysely';
import { beforeAll, expect, test } from 'vitest';
import { newId } from '../../src/domain/ids.ts';
import type { Page } from '../../src/domain/page.ts';
import type { Db } from '../../src/store/database.ts';
import type { ExecutionFilter } from '../../src/store/execution-filter.ts';
import {
  countExecutions,
  type ExecutionOrder,
  findExecutions,
  type ListedExecution,
  listExecutions,
  listStatement,
} from '../../src/store/execution-reads.ts';
import { describeDatabases } from '../support/databases.ts';
import { makeExecutionWith } from '../support/execution-rows.ts';
import { makeProject } from '../support/rows.ts';

const NEWEST: ExecutionOrder = { field: 'CREATED_AT', ascending: false };
const ALL: Page = { limit: 1_000, backward: false, after: null };

/** How many rows of executions a plan looked at, those it threw away included. */
function rowsRead(plan: unknown): number {
  if (typeof plan !== 'object' || plan === null) return 0;
  const below = Object.values(plan).reduce<number>((sum, value) => sum + rowsRead(value), 0);
  if (Reflect.get(plan, 'Relation Name') !== 'batch_execution') return below;
  const number = (name: string) => Number(Reflect.get(plan, name) ?? 0);
  return below + (number('Actual Rows') + number('Rows Removed by Filter')) * number('Actual Loops');
}

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
    { field: 'ENDED_AT', ascending: true },
    { field: 'ENDED_AT', ascending: false },
    { field: 'STATUS', ascending: true },
    { field: 'STATUS', ascending: false },
  ])(
    'pages of %o have no gap and no duplicate, also within one millisecond and where nothing has started',
    async (order) => {
      const { projectId } = await makeProject(db);
      const at = Date.UTC(2026, 0, 31);
      for (let n = 0; n < 11; n += 1) {
        const started = n % 3 === 0 ? null : new Date(at + 5_000 * (n % 4));
        const ended = n % 2 === 0 ? started : null;
        const id = await makeExecutionWith(db, projectId, {
          ...{ startedAt: started, endedAt: ended },
          status: ended ? 'COMPLETED' : started ? 'RUNNING' : 'QUEUED',
        });
        // Microseconds apart, as the database's own clock gives them.
        await sql`update batch_execution set created_at = ${new Date(at)}::timestamptz + ${n % 6} * interval '1 microsecond',
        started_at = started_at + ${n} * interval '1 microsecond',
        ended_at = ended_at + ${n % 3} * interval '1 microsecond' where id = ${id}`.execute(db);
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

  test('what has not ended comes last ascending, and statuses follow the alphabet, then creation', async () => {
    const { projectId } = await makeProject(db);
    const at = (n: number) => new Date(Date.UTC(2026, 0, n));
    const open = await makeExecutionWith(db, projectId, { status: 'RUNNING', startedAt: at(1), createdAt: at(3) });
    const late = await makeExecutionWith(db, projectId, { status: 'FAILED', endedAt: at(9), createdAt: at(1) });
    const early = await makeExecutionWith(db, projectId, { status: 'FAILED', endedAt: at(8), createdAt: at(2) });
    const ids = async (order: ExecutionOrder) => (await list(projectId, {}, order)).map((row) => row.id);
    expect(await ids({ field: 'ENDED_AT', ascending: true })).toEqual([early, late, open]);
    expect(await ids({ field: 'ENDED_AT', ascending: false })).toEqual([open, late, early]);
    expect(await ids({ field: 'STATUS', ascending: true })).toEqual([late, early, open]);
    expect(await ids({ field: 'STATUS', ascending: false })).toEqual([open, early, late]);
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

  test('definitions by name, agents by id and name, outputs, and spans of start and end narrow the list', async () => {
    const { projectId } = await makeProject(db);
    const at = (n: number) => new Date(Date.UTC(2026, 0, n));
    const ended = { status: 'COMPLETED', startedAt: at(2), endedAt: at(4) } as const;
    const first = await makeExecutionWith(db, projectId, { createdAt: at(1), ...ended });
    const second = await makeExecutionWith(db, projectId, { createdAt: at(2) });
    const [one] = await findExecutions(db, projectId, [first]);
    const name = 'reports';
    const two = { name, version: 2, urn: newId('BatchDefinition'), specHash: 'other', spec: '{}' };
    const definitionId = newId('BatchDefinition');
    await db
      .updateTable('batchDefinition')
      .set({ name })
      .where('id', '=', one?.definitionId ?? '')
      .execute();
    await db
      .insertInto('batchDefinition')
      .values({ id: definitionId, projectId, ...two })
      .execute();
    await db.updateTable('batchExecution').set({ definitionId }).where('id', '=', second).execute();
    await db
      .updateTable('batchExecution')
      .set((eb) => ({ outputDatasourceId: eb.ref('inputDatasourceId') }))
      .where('id', '=', second)
      .execute();
    const [other] = await findExecutions(db, projectId, [second]);
    const ids = async (filter: ExecutionFilter) => (await list(projectId, filter)).map((row) => row.id);
    expect(await ids({ definitionName: name })).toEqual([second, first]);
    expect(await ids({ definitionName: name, definitionId })).toEqual([second]);
    expect(await ids({ definitionName: 'report' })).toEqual([]);
    expect(await ids({ agent: 'echo' })).toEqual([second, first]);
    expect(await ids({ agent: one?.spec.tiers[0]?.agentId ?? '' })).toEqual([first]);
    expect(await ids({ agent: 'ech' })).toEqual([]);
    expect(await ids({ outputDatasourceId: other?.inputDatasourceId ?? '' })).toEqual([second]);
    expect(await ids({ startedAfter: at(1), startedBefore: at(3) })).toEqual([first]);
    expect(await ids({ startedAfter: at(2) })).toEqual([]);
    expect(await ids({ endedAfter: at(3), endedBefore: at(5) })).toEqual([first]);
    expect(await ids({ endedBefore: at(4) })).toEqual([]);
    expect(await countExecutions(db, projectId, {})).toBe(2);
    expect(await countExecutions(db, projectId, { endedAfter: at(3) })).toBe(1);
  });

  test('metadata is found by what it contains, and by what is at a place', async () => {
    const { projectId } = await makeProject(db);
    const of = (value: unknown) => makeExecutionWith(db, projectId, { metadata: JSON.stringify(value) });
    const acme = await of({ customer: { name: 'acme', 'a.b': 1 }, tags: ['x', { n: 1 }], note: null });
    const other = await of({ customer: { name: 'other' }, tags: ['y'], '0': 'zero' });
    const text = await of('plain');
    const none = await makeExecutionWith(db, projectId, {});
    const ids = async (filter: ExecutionFilter) => new Set((await list(projectId, filter)).map((row) => row.id));
    const at = (path: string[], equals: unknown) => ids({ metadataAt: [{ path, equals }] });
    expect(await ids({ metadata: { customer: { name: 'acme' } } })).toEqual(new Set([acme]));
    expect(await ids({ metadata: { tags: ['x'] } })).toEqual(new Set([acme]));
    expect(await ids({ metadata: { customer: {} } })).toEqual(new Set([acme, other]));
    expect(await ids({ metadata: { customer: { 'a.b': 1 } } })).toEqual(new Set([acme]));
    expect(await ids({ metadata: 'plain' })).toEqual(new Set([text]));
    expect(await at(['customer', 'name'], 'other')).toEqual(new Set([other]));
    expect(await at(['customer'], { name: 'other' })).toEqual(new Set([other]));
    expect(await at(['customer'], { name: 'acme' })).toEqual(new Set());
    expect(await at(['tags', '1', 'n'], 1)).toEqual(new Set([acme]));
    expect(await at(['0'], 'zero')).toEqual(new Set([other]));
    expect(await at(['note'], null)).toEqual(new Set([acme]));
    expect(await at(['nothing'], null)).toEqual(new Set());
    expect(await ids({})).toEqual(new Set([acme, other, text, none]));
  });

  test('ten thousand executions are listed without reading them all', async () => {
    const { projectId } = await makeProject(db);
    const id = await makeExecutionWith(db, projectId, { metadata: '{"n":0}' });
    await sql`insert into batch_execution (id, project_id, definition_id, name, spec, input_datasource_id, status,
        concurrency, retry_limit, sealed_at, created_at, started_at, ended_at, metadata)
      select id || n, project_id, definition_id, name, spec, input_datasource_id, 'COMPLETED', 1, 1, now(),
        now() - n * interval '1 minute', now() - n * interval '1 minute', now() - n * interval '1 minute',
        json_build_object('n', n, 'customer', json_build_object('region', 'r' || n % 5000))
      from batch_execution, generate_series(1, 10000) as n where id = ${id}`.execute(db);
    await sql`analyze batch_execution`.execute(db);
    const cases: [ExecutionFilter, ExecutionOrder][] = [
      [{}, NEWEST],
      [{}, { field: 'STARTED_AT', ascending: true }],
      [{}, { field: 'ENDED_AT', ascending: false }],
      [{}, { field: 'STATUS', ascending: false }],
      [{ status: ['QUEUED'] }, NEWEST],
      [{ metadata: { n: 5000 } }, NEWEST],
      [{ metadataAt: [{ path: ['customer', 'region'], equals: 'r17' }] }, NEWEST],
      [{ datasourceId: 'ds_none' }, NEWEST],
    ];
    for (const [filter, order] of cases) {
      const page = { limit: 50, backward: false, after: null };
      const plan = await listStatement(db, projectId, filter, order, page).explain('json', sql`analyze`);
      expect(rowsRead(plan), JSON.stringify([filter, order])).toBeLessThan(200);
    }
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
