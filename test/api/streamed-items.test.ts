/** Items that come as a stream of lines over real HTTP. */
import { request as httpRequest } from 'node:http';
import { Readable } from 'node:stream';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { createBatchExecution } from '../../src/services/create-batch-execution.ts';
import type { ServiceDeps } from '../../src/services/ports.ts';
import { listElements } from '../../src/store/data-elements.ts';
import type { Db } from '../../src/store/database.ts';
import { namedAgents } from '../support/agent-catalog.ts';
import { describeDatabases } from '../support/databases.ts';
import { type ExecutionServer, startExecutionServer } from '../support/execution-server.ts';
import { makeProject, type ProjectRows } from '../support/rows.ts';
import { until } from '../support/until.ts';

interface Report {
  readonly status: string;
  readonly itemCount: number;
  readonly nextIndex: number;
  readonly lineCount: number;
  readonly addedCount: number;
  readonly repeatedCount: number;
  readonly rejectedCount: number;
  readonly rejectedLines: readonly (readonly [first: number, last: number])[];
  readonly rejected: readonly { line: number; index: number; issues: readonly { loc: string[]; type: string }[] }[];
  readonly errors?: readonly { message: string; extensions: { code: string; issues?: readonly { ctx: object }[] } }[];
}

const line = (n: number, values: object = {}): string =>
  JSON.stringify({ filename: `f${n}.txt`, text: `text ${n}`, ...values });
const lines = (from: number, to: number): string[] => Array.from({ length: to - from }, (_, n) => line(from + n));

describeDatabases('a stream of items', (open) => {
  let db: Db;
  let server: ExecutionServer;
  let project: ProjectRows;
  let id: string;
  let woken: string[];

  beforeAll(async () => {
    db = await open();
    const engine: ServiceDeps['engine'] = { wake: (woke) => void woken.push(woke), hold: () => undefined };
    server = await startExecutionServer(db, { engine, agents: namedAgents({ echo: null }) });
  });
  afterAll(() => server.stop());
  beforeEach(async () => {
    woken = [];
    project = await makeProject(db);
    ({ id } = await draft());
  });

  const draft = async () => {
    const source = { spec: { name: 'streamed', agent: 'echo', input: {} } };
    return (await createBatchExecution(server.deps, project.actor, { draft: true, source })).execution;
  };
  const url = (query = '') => `${server.url}/executions/${id}/items${query}`;
  const headers = (): Record<string, string> => ({
    authorization: `Bearer ${project.key}`,
    'content-type': 'application/x-ndjson',
  });
  async function send(
    body: string | Buffer | Readable,
    query = '',
    more: Record<string, string> = {},
  ): Promise<{ status: number; report: Report }> {
    const response = await fetch(url(query), {
      ...{ method: 'POST', headers: { ...headers(), ...more } },
      ...(body instanceof Readable ? { body: Readable.toWeb(body) as ReadableStream, duplex: 'half' } : { body }),
    } as RequestInit);
    return { status: response.status, report: (await response.json()) as Report };
  }
  const state = async (): Promise<Report> => (await (await fetch(url(), { headers: headers() })).json()) as Report;
  const stored = async () => {
    const { inputDatasourceId } = await db
      .selectFrom('batchExecution')
      .select('inputDatasourceId')
      .where('id', '=', id)
      .executeTakeFirstOrThrow();
    return (await listElements(db, inputDatasourceId, -1, 100_000)).map(({ filename, position }) => ({
      filename,
      position,
    }));
  };
  const filenames = async () => (await stored()).map(({ filename }) => filename);

  test('is stored in the order of its lines, whatever pieces it comes in, and started with its last line', async () => {
    const body = `${lines(0, 5_000).join('\n')}\r\n\n  \n${line(5_000, { filename: 'ä€😀.txt' })}`;
    const bytes = Buffer.from(body);
    const pieces = Array.from({ length: Math.ceil(bytes.length / 7_777) }, (_, n) =>
      bytes.subarray(n * 7_777, (n + 1) * 7_777),
    );
    const { status, report } = await send(Readable.from(pieces), '?submit=true');
    expect({ status, report }).toMatchObject({
      status: 200,
      report: { status: 'PREPARING', lineCount: 5_001, addedCount: 5_001, rejectedCount: 0 },
    });
    expect(await filenames()).toEqual([...Array.from({ length: 5_000 }, (_, n) => `f${n}.txt`), 'ä€😀.txt']);
    expect(woken).toEqual([id]);
  });

  test('sent twice, at once or one after the other, is stored once', async () => {
    const body = lines(0, 3_000).join('\n');
    const answers = await Promise.all([send(body), send(body)]);
    expect(answers.map(({ status }) => status)).toEqual([200, 200]);
    expect(answers.map(({ report }) => report.addedCount + report.repeatedCount)).toEqual([3_000, 3_000]);
    expect(answers.reduce((sum, { report }) => sum + report.addedCount, 0)).toBe(3_000);
    expect((await send(body)).report).toMatchObject({
      addedCount: 0,
      repeatedCount: 3_000,
      itemCount: 3_000,
      nextIndex: 3_000,
    });
    expect((await stored()).map(({ position }) => position)).toEqual(Array.from({ length: 3_000 }, (_, n) => n));
  });

  test('goes on where it broke off: GET says the first index that is missing', async () => {
    expect(await state()).toEqual({ batchExecutionId: id, status: 'DRAFT', itemCount: 0, nextIndex: 0 });
    await send(lines(0, 10).join('\n'));
    await send(lines(20, 30).join('\n'), '?from=20');
    expect(await state()).toMatchObject({ itemCount: 20, nextIndex: 10 });
    const hole = await send('', '?submit=true');
    expect(hole).toMatchObject({
      status: 422,
      report: { errors: [{ extensions: { code: 'BAD_USER_INPUT', issues: [{ ctx: { index: 10 } }] } }] },
    });
    await send(lines(10, 20).join('\n'), '?from=10');
    expect((await send('', '?submit')).report).toMatchObject({ status: 'PREPARING', lineCount: 0 });
    expect(await filenames()).toEqual(Array.from({ length: 30 }, (_, n) => `f${n}.txt`));
  });

  test('may come in any order, each line with its own index', async () => {
    const shuffled = [4, 0, 3, 1, 2].map((index) => line(index, { index }));
    expect((await send(shuffled.join('\n'), '?submit=1')).status).toBe(200);
    expect(await filenames()).toEqual([0, 1, 2, 3, 4].map((n) => `f${n}.txt`));
  });

  test('stores the good lines and names each bad one by its number and its problem', async () => {
    const bad: [string | Buffer, string][] = [
      ['{"filename": "a"', 'not_json'],
      [Buffer.from([0x22, 0xff, 0xfe, 0x22]), 'not_utf8'],
      ['[1]', 'invalid_type'],
      ['{"text": "no name"}', 'invalid_type'],
      ['{"filename": "a", "text": "b", "filname": "c"}', 'unrecognized_keys'],
      ['{"filename": "a"}', 'missing'],
      ['{"filename": "a", "text": "nul \\u0000"}', 'not_storable'],
      ['{"filename": "a", "text": "b", "mediaType": "text/plain; a=\\u0000"}', 'media_type'],
      ['{"filename": "a", "text": "b", "index": -1}', 'too_small'],
      ['{"filename": "a", "text": "b", "metadata": {"half": "\\ud800"}}', 'lone_surrogate'],
      [line(1), 'conflict'],
      [line(3, { dataElementId: 'item-0' }), 'conflict'],
    ];
    bad[10] = [line(1, { index: 0 }), 'conflict'];
    const body = Buffer.concat(
      [Buffer.from(line(0)), ...bad.map(([text]) => Buffer.from(text)), Buffer.from(line(13))].flatMap((text) => [
        text,
        Buffer.from('\n'),
      ]),
    );
    const { status, report } = await send(body, '?submit=true');
    expect(status).toBe(422);
    expect(report).toMatchObject({ status: 'DRAFT', lineCount: 14, addedCount: 2, rejectedCount: 12, nextIndex: 1 });
    expect(report.rejected.map((one) => [one.line, one.issues[0]?.type])).toEqual(
      bad.map(([, type], n) => [n + 2, type]),
    );
    expect(await stored()).toEqual([
      { filename: 'f0.txt', position: 0 },
      { filename: 'f13.txt', position: 13 },
    ]);
  });

  test('names every bad line by its number, and of the first hundred what is wrong', async () => {
    const conflicting = Array.from({ length: 300 }, (_, n) => line(n, { index: 0, dataElementId: `d${n}` }));
    const broken = Array.from({ length: 300 }, () => '{');
    // A good one and a blank line between them; the last one is far behind in another chunk.
    const body = [...conflicting, ...broken, '', line(600), '{', ...lines(602, 3_000), '{'].join('\n');
    const { report } = await send(body);
    expect(report).toMatchObject({ rejectedCount: 601, addedCount: 2_400 });
    expect(report.rejectedLines).toEqual([
      [2, 600],
      [603, 603],
      [3_002, 3_002],
    ]);
    expect(report.rejected.map((one) => one.line)).toEqual(Array.from({ length: 100 }, (_, n) => n + 2));
  });

  test('with a line of ten megabytes is stored, and of one that is too long nothing but its number is kept', async () => {
    const large = line(0, { text: 'x'.repeat(10 * 1024 * 1024) });
    function* body() {
      yield `${large}\n`;
      for (let megabyte = 0; megabyte < 60; megabyte += 1) yield 'y'.repeat(1024 * 1024);
      yield `\n${line(2)}`;
    }
    const { report } = await send(Readable.from(body()));
    expect(report).toMatchObject({ addedCount: 2, rejectedCount: 1, rejected: [{ line: 2, index: 1 }] });
    expect(report.rejected[0]?.issues[0]?.type).toBe('too_large');
    const { sizeBytes } = await db
      .selectFrom('dataElement')
      .select((eb) => eb.fn.max('sizeBytes').as('sizeBytes'))
      .executeTakeFirstOrThrow();
    expect(sizeBytes).toBe(10 * 1024 * 1024);
  });

  test('is refused before it is read: without a key or the right, for what is no draft, or as another type', async () => {
    const reader = await makeProject(db, 'READER');
    const endless = () =>
      Readable.from(
        (function* () {
          for (let n = 0; ; n += 1) yield `${line(n)}\n`;
        })(),
      );
    const refusals = [
      [await send(endless(), '', { authorization: 'Bearer nobody' }), 401, 'UNAUTHENTICATED'],
      [await send(endless(), '', { authorization: `Bearer ${reader.key}` }), 404, 'NOT_FOUND'],
      [await send(line(0), '', { 'content-type': 'application/json' }), 415, 'BAD_USER_INPUT'],
      [await send(line(0), '', { 'content-encoding': 'gzip' }), 415, 'BAD_USER_INPUT'],
      [await send(line(0), '?from=-1'), 422, 'BAD_USER_INPUT'],
      [await send(line(0), '?form=1'), 422, 'BAD_USER_INPUT'],
    ] as const;
    for (const [{ status, report }, expected, code] of refusals) {
      expect([status, report.errors?.[0]?.extensions.code]).toEqual([expected, code]);
    }
    await send('', '?submit=true');
    expect(await send(endless())).toMatchObject({
      status: 409,
      report: { errors: [{ extensions: { code: 'INVALID_STATE' } }] },
    });
    expect((await fetch(url(), { method: 'DELETE', headers: headers() })).status).toBe(405);
    expect(await stored()).toEqual([]);
  });

  test('ends when its draft is submitted by someone else meanwhile; what was stored before is kept', async () => {
    let sent = 0;
    const body = Readable.from(
      (async function* () {
        for (; ; sent += 1) {
          yield `${line(sent)}\n`;
          if (sent === 10_000) await until(async () => (await state()).itemCount > 0);
          if (sent === 10_000) await send('', '?submit=true');
        }
      })(),
    );
    const { status, report } = await send(body);
    expect(status).toBe(409);
    expect(report.addedCount).toBe((await stored()).length);
    expect(await state()).toMatchObject({ status: 'PREPARING' });
  });

  test('that breaks off in a line leaves the whole lines before it', async () => {
    const socket = httpRequest(url(), { method: 'POST', headers: { ...headers(), 'transfer-encoding': 'chunked' } });
    socket.on('error', () => undefined);
    socket.write(`${lines(0, 2_500).join('\n')}\n{"filename": "cut`);
    await until(async () => (await state()).itemCount >= 2_000);
    socket.destroy();
    await until(async () => (await state()).itemCount === 2_500);
    const rest = await send(lines(2_500, 2_600).join('\n'), `?from=${(await state()).nextIndex}`);
    expect(rest.report).toMatchObject({ addedCount: 100, itemCount: 2_600, nextIndex: 2_600 });
    expect(server.log.filter((entry) => entry.includes('unexpected'))).toEqual([]);
  });

  test('is read no faster than it is stored', async () => {
    let pulled = 0;
    const large = 'z'.repeat(100_000);
    const body = Readable.from(
      (function* () {
        for (; pulled < 600; pulled += 1) yield `${line(pulled, { text: large })}\n`;
      })(),
      { highWaterMark: 1 },
    );
    const held = Promise.withResolvers<void>();
    const locked = Promise.withResolvers<void>();
    // The row of the execution is held, so that nothing can be stored.
    const holding = db.transaction().execute(async (tx) => {
      await tx.selectFrom('batchExecution').select('id').where('id', '=', id).forUpdate().execute();
      locked.resolve();
      await held.promise;
    });
    await locked.promise;
    const answer = send(body);
    let seen = -1;
    await until(() => {
      const stands = pulled > 0 && pulled === seen;
      seen = pulled;
      return stands;
    });
    expect(pulled).toBeLessThan(300);
    held.resolve();
    await holding;
    expect((await answer).report).toMatchObject({ addedCount: 600 });
  });
});
