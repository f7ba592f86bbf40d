/** The results of an execution as a stream, over real HTTP. */
import { get, type IncomingMessage } from 'node:http';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { itemId } from '../../src/domain/ids.ts';
import { LIMITS } from '../../src/domain/limits.ts';
import type { Db } from '../../src/store/database.ts';
import { describeDatabases } from '../support/databases.ts';
import { addFailures, addItems, addResults, makeExecutionWith } from '../support/execution-rows.ts';
import { type ExecutionServer, startExecutionServer } from '../support/execution-server.ts';
import { makeProject, type ProjectRows } from '../support/rows.ts';
import { dig, post } from '../support/server.ts';
import { until } from '../support/until.ts';

const AT = new Date('2026-11-22T10:00:00.123Z');
const MINUTE_MS = 60_000;

describeDatabases('results', (open) => {
  let db: Db;
  let server: ExecutionServer;
  let project: ProjectRows;
  let now = new Date();
  let statements: number;

  beforeAll(async () => {
    db = await open();
    project = await makeProject(db);
    server = await startExecutionServer(db, { now: () => now });
  });
  afterAll(() => server.stop());

  const url = (id: string, leaf = 'results.jsonl', query = '') => `${server.url}/executions/${id}/${leaf}${query}`;
  const read = (id: string, leaf?: string, query?: string, headers: Record<string, string> = {}) =>
    fetch(url(id, leaf, query), { headers: { authorization: `Bearer ${project.key}`, ...headers } });
  const itemsOf = (text: string): Record<string, unknown>[] =>
    text
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  const items = async (id: string, query?: string) => itemsOf(await (await read(id, 'results.jsonl', query)).text());
  const link = async (id: string, format = 'JSONL'): Promise<string> => {
    const answer = await post(server, project.key, `{ batchExecution(id: "${id}") { resultsUrl(format: ${format}) } }`);
    return String(dig(answer.data, 'batchExecution', 'resultsUrl'));
  };
  /** An execution with one item of each kind. */
  async function mixed(): Promise<string> {
    const id = await makeExecutionWith(db, project.projectId, { status: 'RUNNING', round: 1 });
    await addItems(db, id, [
      { status: 'SUCCEEDED', startedAt: AT, endedAt: AT, metadata: { z_key: 1, aKey: [null] }, attempt: 2, tier: 1 },
      {
        status: 'FAILED',
        startedAt: AT,
        endedAt: AT,
        ...{ attempt: 3, tier: 1 },
        errorCode: 'late',
        errorCategory: 'TIMEOUT',
        errorTransient: true,
      },
      { status: 'QUEUED', filename: '=1+1, "quoted"\nä😀' },
    ]);
    await addResults(db, id, [
      { ordinal: 0, tier: 0, data: 'of the first tier' },
      {
        ...{ ordinal: 0, tier: 1, data: { z: 1.5, a: 'x\u2028"y' } },
        fieldErrors: [{ path: '/z', code: 'c', message: 'm' }],
        artifacts: [{ id: 'a', filename: 'f.txt', mediaType: 'text/plain', sizeBytes: 3, content: 'Zm9v', url: null }],
      },
      { ordinal: 1, data: -5 },
    ]);
    await addFailures(db, id, [
      { ordinal: 0, attempt: 1, code: 'got over it' },
      { ordinal: 1, attempt: 2, code: 'early' },
      {
        ordinal: 1,
        attempt: 3,
        code: 'late',
        category: 'TIMEOUT',
        transient: true,
        message: 'Too late.',
        details: { a: 1 },
        at: AT,
      },
    ]);
    return id;
  }

  test('are every item in input order with all that it has so far, user JSON as it came', async () => {
    const id = await mixed();
    const response = await read(id);
    expect(Object.fromEntries(response.headers)).toMatchObject({
      ...{ 'content-type': 'application/x-ndjson; charset=utf-8', 'x-batch-execution-status': 'RUNNING' },
      'content-disposition': `attachment; filename="a-batch-${id}.jsonl"`,
    });
    const text = await response.text();
    const nothing = { metadata: null, data: null, fieldErrors: [], artifacts: [], error: null };
    const base = (ordinal: number) => ({
      ...{ ordinal, id: itemId(id, ordinal), dataElementId: `element-${ordinal}`, filename: `element-${ordinal}.txt` },
    });
    expect(itemsOf(text)).toEqual([
      {
        ...{ ...base(0), ...nothing, status: 'SUCCEEDED', tier: 1, attempts: 2, retryCount: 0 },
        ...{ metadata: { z_key: 1, aKey: [null] }, data: { z: 1.5, a: 'x\u2028"y' } },
        fieldErrors: [{ path: '/z', code: 'c', message: 'm' }],
        artifacts: [{ id: 'a', filename: 'f.txt', mediaType: 'text/plain', sizeBytes: 3, url: null }],
        ...{ startedAt: AT.toISOString(), endedAt: AT.toISOString() },
      },
      {
        ...{ ...base(1), ...nothing, status: 'FAILED', tier: 1, attempts: 3, retryCount: 0, data: -5 },
        error: {
          ...{ category: 'TIMEOUT', transient: true, code: 'late', message: 'Too late.', details: { a: 1 } },
          ...{ attempt: 3, tier: 0, round: 0, at: AT.toISOString() },
        },
        ...{ startedAt: AT.toISOString(), endedAt: AT.toISOString() },
      },
      {
        ...{ ...base(2), ...nothing, status: 'QUEUED', tier: 0, attempts: 0, retryCount: 0 },
        ...{ filename: '=1+1, "quoted"\nä😀', startedAt: null, endedAt: null },
      },
    ]);
    expect(text).toContain('"metadata":{"z_key":1,"aKey":[null]}');
  });

  test('as CSV have the same columns, JSON in cells, and no cell that a spreadsheet would run', async () => {
    const id = await mixed();
    const text = await (await read(id, 'results.csv')).text();
    const [header, first, second, ...third] = text.split('\r\n');
    expect(header).toBe(
      'ordinal,id,dataElementId,filename,metadata,status,tier,attempts,retryCount,data,fieldErrors,artifacts,error,startedAt,endedAt',
    );
    expect(first).toContain(
      `0,${itemId(id, 0)},element-0,element-0.txt,"{""z_key"":1,""aKey"":[null]}",SUCCEEDED,1,2,0,`,
    );
    expect(second).toContain(",FAILED,1,3,0,'-5,[],[],");
    expect(third.join('\r\n')).toBe(
      `2,${itemId(id, 2)},element-2,"'=1+1, ""quoted""\nä😀",,QUEUED,0,0,0,,[],[],,,\r\n`,
    );
    expect(await (await read(id, 'results.csv', '?after=1')).text()).toBe(`${third.join('\r\n')}`);
  });

  test('of many items come whole in bounded statements, and go on behind any ordinal', async () => {
    const id = await makeExecutionWith(db, project.projectId, {});
    await addItems(
      db,
      id,
      Array.from({ length: 2_500 }, () => ({ status: 'SUCCEEDED' as const, startedAt: AT, endedAt: AT })),
    );
    await addResults(
      db,
      id,
      Array.from({ length: 2_500 }, (_, ordinal) => ({ ordinal, data: { n: ordinal } })),
    );
    expect((await items(id)).map((item) => item['data'])).toEqual(Array.from({ length: 2_500 }, (_, n) => ({ n })));
    expect((await items(id, '?after=1999')).map((item) => item['ordinal'])).toEqual(
      Array.from({ length: 500 }, (_, n) => 2_000 + n),
    );
    expect(await items(id, '?after=2499')).toEqual([]);
    const zipped = await rawGet(url(id), { authorization: `Bearer ${project.key}`, 'accept-encoding': 'gzip' });
    expect(zipped.headers).toMatchObject({ 'content-encoding': 'gzip', vary: 'accept-encoding, origin' });
    zipped.destroy();
    const plain = await rawGet(url(id), { authorization: `Bearer ${project.key}`, 'accept-encoding': 'gzip;q=0, br' });
    expect(plain.headers['content-encoding']).toBeUndefined();
    plain.destroy();
    // fetch asks for gzip and undoes it.
    expect((await read(id)).headers.get('content-encoding')).toBe('gzip');
  });

  test('whose download breaks off in the middle of a line go on behind the last whole one', async () => {
    const id = await makeExecutionWith(db, project.projectId, {});
    const ordinals = Array.from({ length: 3_000 }, (_, ordinal) => ordinal);
    await addItems(
      db,
      id,
      ordinals.map(() => ({ status: 'SUCCEEDED' as const, startedAt: AT, endedAt: AT })),
    );
    await addResults(
      db,
      id,
      ordinals.map((ordinal) => ({ ordinal, data: `${ordinal} ${'x'.repeat(2_000)}` })),
    );
    const broken = await rawGet(url(id), { authorization: `Bearer ${project.key}` });
    let text = '';
    for await (const part of broken.setEncoding('utf8')) {
      text += String(part);
      if (text.length > 1_000_000 && !text.endsWith('\n')) break;
    }
    broken.destroy();
    expect(broken.complete).toBe(false);
    const [before, after] = [itemsOf(text), await items(id, `?after=${itemsOf(text).length - 1}`)];
    expect(after.length).toBeGreaterThan(500);
    expect([...before, ...after].map(({ ordinal }) => ordinal)).toEqual(ordinals);
    expect([...before, ...after].every(({ ordinal, data }) => String(data).startsWith(`${String(ordinal)} `))).toBe(
      true,
    );
    await until(() => server.log.some((entry) => entry.includes('a reader of results left')));
  });

  test('open by their link without a key: for one execution, for its time, and as long as the key is valid', async () => {
    const id = await mixed();
    now = new Date();
    const path = await link(id, 'CSV');
    expect(path).toMatch(new RegExp(`^/executions/${id}/results\\.csv\\?token=`));
    const follow = async (target: string) => (await fetch(`${server.url}${target}`)).status;
    expect(await follow(path)).toBe(200);
    expect(await follow(path.replace('.csv', '.jsonl'))).toBe(200);
    expect(await follow(path.replace(id, await mixed()))).toBe(401);
    expect(await follow(path.replace('results.csv', 'items'))).toBe(401);
    const last = path.at(-2) === 'A' ? 'B' : 'A';
    expect(await follow(path.slice(0, -2) + last + path.slice(-1))).toBe(401);
    const other = await makeProject(db);
    expect(await follow(path.replace(project.projectId, other.projectId))).toBe(401);
    now = new Date(now.getTime() + LIMITS.resultsUrlMinutes * MINUTE_MS - 1_000);
    expect(await follow(path)).toBe(200);
    now = new Date(now.getTime() + 2_000);
    expect(await follow(path)).toBe(401);
    const fresh = await link(id);
    await db.updateTable('apiKey').set({ revokedAt: now }).where('id', '=', project.actor.keyId).execute();
    expect(await follow(fresh)).toBe(401);
    await db.updateTable('apiKey').set({ revokedAt: null }).where('id', '=', project.actor.keyId).execute();
    now = new Date();
  });

  test('are refused without a key, for another project, and for a query that is none', async () => {
    const id = await mixed();
    expect((await fetch(url(id))).status).toBe(401);
    const foreign = { authorization: `Bearer ${(await makeProject(db)).key}` };
    expect((await read(id, 'results.jsonl', '', foreign)).status).toBe(404);
    expect((await read('exec_nothing')).status).toBe(404);
    for (const query of ['?after=x', '?after=-2', '?before=1']) {
      expect((await read(id, 'results.jsonl', query)).status).toBe(422);
    }
    expect((await fetch(url(id), { method: 'POST' })).status).toBe(405);
    const head = await fetch(url(id), { method: 'HEAD', headers: { authorization: `Bearer ${project.key}` } });
    expect([head.status, await head.text()]).toEqual([200, '']);
  });

  test('are read no faster than they are taken, and no more once the reader has left', async () => {
    const id = await makeExecutionWith(db, project.projectId, {});
    const count = 60;
    await addItems(
      db,
      id,
      Array.from({ length: count }, () => ({ status: 'SUCCEEDED' as const, startedAt: AT, endedAt: AT })),
    );
    for (let ordinal = 0; ordinal < count; ordinal += 1) {
      // Of random letters, which the database cannot make smaller.
      const data = Array.from({ length: 40_000 }, () => Math.random().toString(36).slice(2)).join('');
      await addResults(db, id, [{ ordinal, data }]);
    }
    statements = 0;
    const counting = await startExecutionServer(db, { now: () => now }, (same) =>
      same.withPlugin({
        transformQuery: ({ node }) => {
          if (JSON.stringify(node).includes('readResultRows')) statements += 1;
          return node;
        },
        transformResult: async ({ result }) => result,
      }),
    );
    try {
      const headers = { authorization: `Bearer ${project.key}` };
      const slow = await rawGet(url(id).replace(server.url, counting.url), headers);
      let seen = -1;
      await until(() => {
        const stands = statements > 0 && statements === seen;
        seen = statements;
        return stands;
      });
      expect(statements).toBeLessThan(count / 2);
      slow.destroy();
      await until(() => counting.log.some((entry) => entry.includes('a reader of results left')));
      const atEnd = statements;
      const fast = await fetch(url(id).replace(server.url, counting.url), { headers });
      expect(itemsOf(await fast.text())).toHaveLength(count);
      // Some two of them are a megabyte.
      expect(statements - atEnd).toBeGreaterThan(count / 4);
      expect(counting.log.filter((entry) => entry.includes('unexpected'))).toEqual([]);
    } finally {
      await counting.stop();
    }
  });
});

/** The answer to a GET whose body nobody has begun to read. */
function rawGet(target: string, headers: Record<string, string>): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    get(target, { headers }, (response) => {
      response.on('error', () => undefined);
      resolve(response);
    }).on('error', reject);
  });
}
