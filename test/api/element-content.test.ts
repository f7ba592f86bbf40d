/** Elements of a datasource through plain HTTP: content in and out, many as lines, and what every route answers with. */
import { request as httpRequest } from 'node:http';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { createSources } from '../../src/datasources/sources.ts';
import { LIMITS } from '../../src/domain/limits.ts';
import { createStoredDatasource } from '../../src/services/create-datasource.ts';
import { findElement, listElements } from '../../src/store/data-elements.ts';
import type { Db } from '../../src/store/database.ts';
import { describeDatabases } from '../support/databases.ts';
import { makeExecutionWith } from '../support/execution-rows.ts';
import { makeProject, type ProjectRows } from '../support/rows.ts';
import { databaseDeps, dig, post, startTestServer, type TestServer } from '../support/server.ts';

const ORIGIN = 'https://app.example';

describeDatabases('elements over HTTP', (open) => {
  let db: Db;
  let server: TestServer;
  let tenant: ProjectRows;
  let datasourceId: string;
  beforeAll(async () => {
    db = await open();
    const sources = createSources(db, null);
    server = await startTestServer(db, { allowedOrigins: [ORIGIN] }, async () => true, { sources });
  });
  afterAll(() => server.stop());
  beforeEach(async () => {
    tenant = await makeProject(db);
    ({ id: datasourceId } = await createStoredDatasource(databaseDeps(db), tenant.actor, { name: 'files' }));
  });

  const call = (path: string, init: RequestInit & { key?: string } = {}) =>
    fetch(`${server.url}/datasources/${datasourceId}/elements${path}`, {
      ...init,
      headers: { authorization: `Bearer ${init.key ?? tenant.key}`, ...(init.headers as object) },
    });
  const put = (path: string, content: string | Buffer, type: string) =>
    call(path, { method: 'PUT', body: new Uint8Array(Buffer.from(content)), headers: { 'content-type': type } });

  test('content comes out as it went in, whatever its bytes, and is replaced in its place', async () => {
    const binary = Buffer.from(Array.from({ length: 1_000 }, (_, n) => (n * 7) % 256));
    const cases: [string, string, Buffer][] = [
      ['scan.png', 'image/png', binary],
      ['a/b c.txt', 'text/plain; charset=utf-8', Buffer.from('\ufeffgrüße\r\n')],
      ['zero.bin', 'application/octet-stream', Buffer.from([65, 0, 66])],
      ['empty.txt', 'text/plain', Buffer.alloc(0)],
    ];
    for (const [id, type, bytes] of cases) {
      const path = `/${encodeURIComponent(id)}`;
      const stored = await put(path, bytes, type);
      expect(stored.status).toBe(201);
      expect(await stored.json()).toMatchObject({ id, filename: id, mediaType: type, sizeBytes: bytes.length });
      const read = await call(path);
      expect(read.headers.get('content-type')).toBe(type);
      expect(read.headers.get('content-disposition')).toContain('attachment');
      expect(Buffer.from(await read.arrayBuffer()).equals(bytes)).toBe(true);
    }
    const again = await put('/scan.png?filename=other.png&metadata={"page":1}', 'text now', 'text/plain');
    expect(again.status).toBe(200);
    expect(await again.json()).toMatchObject({ created: false, filename: 'other.png', metadata: { page: 1 } });
    expect(await findElement(db, datasourceId, 'scan.png')).toMatchObject({ mediaType: 'text/plain', sizeBytes: 8 });
    const [first] = await listElements(db, datasourceId, -1, 1);
    expect(first?.id).toBe('scan.png');
  });

  test('an element of the largest size is taken, and one byte more is not', async () => {
    const bytes = Buffer.alloc(LIMITS.elementBytes, 'x');
    expect((await put('/large.txt', bytes, 'text/plain')).status).toBe(201);
    expect(await findElement(db, datasourceId, 'large.txt')).toMatchObject({ sizeBytes: LIMITS.elementBytes });
    // Neither by a stated length nor by one that turns out.
    for (const headers of [{ 'content-length': LIMITS.elementBytes + 1 }, { 'transfer-encoding': 'chunked' }]) {
      const answer = await new Promise<number>((resolve, reject) => {
        const request = httpRequest(`${server.url}/datasources/${datasourceId}/elements/over.txt`, {
          method: 'PUT',
          headers: { authorization: `Bearer ${tenant.key}`, ...headers },
        });
        request.on('response', (response) => resolve(response.resume().statusCode ?? 0));
        request.on('error', reject);
        request.write(bytes);
        request.end('y');
      });
      expect(answer).toBe(413);
    }
    expect(await findElement(db, datasourceId, 'over.txt')).toBeNull();
  });

  test('elements come as lines: what is none is named by its line, the later of two with one id stays', async () => {
    const line = (id: string, text: string) => JSON.stringify({ dataElementId: id, filename: `${id}.txt`, text });
    const many = Array.from({ length: 4_500 }, (_, n) => line(`e${n}`, `text ${n}`));
    const body = [...many, '', '{"filename":"x.txt"}', 'no json', line('e7', 'newer')].join('\n');
    const answer = await call('', { method: 'POST', body, headers: { 'content-type': 'application/x-ndjson' } });
    expect(answer.status).toBe(422);
    expect(await answer.json()).toMatchObject({
      ...{ datasourceId, lineCount: 4_503, addedCount: 4_500, updatedCount: 1, rejectedCount: 2 },
      rejectedLines: [[4_502, 4_503]],
      rejected: [
        { line: 4_502, issues: [{ type: 'missing' }] },
        { line: 4_503, issues: [{ type: 'not_json' }] },
      ],
    });
    expect(await (await call('/e7')).text()).toBe('newer');
    expect((await listElements(db, datasourceId, -1, 3)).map((one) => one.id)).toEqual(['e0', 'e1', 'e2']);
  });

  test('elements that come as lines stand for no others: they could stand for each other in a circle', async () => {
    const standsFor = (elementId: string) => ({ element: { datasourceId, elementId } });
    const lines = [
      { filename: 'a', ...standsFor('b') },
      { filename: 'b', documents: [{ text: 'b' }, standsFor('a')] },
      { filename: 'c', text: 'c' },
    ];
    const body = lines.map((line) => JSON.stringify(line)).join('\n');
    const answer = await call('', { method: 'POST', body, headers: { 'content-type': 'application/x-ndjson' } });
    expect([answer.status, await answer.json()]).toMatchObject([
      422,
      {
        addedCount: 1,
        rejected: [
          { line: 1, issues: [{ loc: ['element'], type: 'not_allowed' }] },
          { line: 2, issues: [{ loc: ['documents', '1', 'element'], type: 'not_allowed' }] },
        ],
      },
    ]);
  });

  test('only a key of the project gets in: readers read, and what is not there looks the same', async () => {
    await put('/a.txt', 'a', 'text/plain');
    const other = await makeProject(db);
    const cases: [string, RequestInit & { key?: string }, number][] = [
      ['/a.txt', { key: 'nonsense' }, 401],
      ['/a.txt', { key: other.key }, 404],
      ['/b.txt', {}, 404],
      ['/a.txt?document=1', {}, 404],
      ['/a.txt', { method: 'DELETE' }, 405],
      ['/c.txt', { method: 'PUT', body: 'c', key: other.key }, 404],
      ['/c.txt?metadata={', { method: 'PUT', body: 'c' }, 422],
      ['/c.txt', { method: 'PUT', body: 'c', headers: { 'content-encoding': 'gzip' } }, 415],
      ['', { method: 'POST', body: '{}', headers: { 'content-type': 'text/plain' } }, 415],
    ];
    for (const [path, init, status] of cases) {
      const answer = await call(path, init);
      expect([path, answer.status]).toEqual([path, status]);
      expect(dig(await answer.json(), 'errors', 0, 'extensions', 'code')).toEqual(expect.any(String));
    }
    expect(await findElement(db, datasourceId, 'c.txt')).toBeNull();
  });

  test('every answer has the id of its request, and an error names it', async () => {
    const own = await call('/none.txt', { headers: { 'x-request-id': 'mine:1' } });
    expect(own.headers.get('x-request-id')).toBe('mine:1');
    expect(dig(await own.json(), 'errors', 0, 'extensions')).toMatchObject({ code: 'NOT_FOUND', requestId: 'mine:1' });
    for (const path of ['/healthz', '/nothing', `/executions/exec_none/items`]) {
      const answer = await fetch(`${server.url}${path}`, { headers: { 'x-request-id': 'bad id' } });
      const id = answer.headers.get('x-request-id');
      expect(id).toMatch(/^req_/);
      const body: unknown = await answer.json();
      if (answer.status !== 200) expect(dig(body, 'errors', 0, 'extensions', 'requestId')).toBe(id);
    }
    const graphql = await fetch(`${server.url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${tenant.key}`, 'x-request-id': 'mine:2' },
      body: '{"query":"{ viewer { __typename } }"}',
    });
    expect(graphql.headers.get('x-request-id')).toBe('mine:2');
  });

  test('pages of an allowed origin may use the HTTP routes as they may use GraphQL, others may not', async () => {
    const executionId = await makeExecutionWith(db, tenant.projectId, {});
    const paths = [
      '/graphql',
      `/datasources/${datasourceId}/elements/a.txt`,
      `/executions/${executionId}/items`,
      `/executions/${executionId}/results.jsonl`,
    ];
    for (const path of paths) {
      const ask = (origin: string) =>
        fetch(`${server.url}${path}`, {
          method: 'OPTIONS',
          headers: {
            ...{ origin, 'access-control-request-method': 'POST' },
            'access-control-request-headers': 'authorization,content-type',
          },
        });
      const allowed = await ask(ORIGIN);
      expect([path, allowed.status]).toEqual([path, 204]);
      expect(allowed.headers.get('access-control-allow-origin')).toBe(ORIGIN);
      expect(allowed.headers.get('access-control-allow-headers')).toBe('authorization,content-type');
      expect(allowed.headers.get('access-control-allow-methods')).toContain('POST');
      expect(allowed.headers.get('access-control-allow-credentials')).not.toBe('true');
      expect((await ask('https://evil.example')).headers.get('access-control-allow-origin')).not.toBe(
        'https://evil.example',
      );
    }
    const read = await fetch(`${server.url}/executions/${executionId}/results.jsonl`, {
      headers: { origin: ORIGIN, authorization: `Bearer ${tenant.key}` },
    });
    expect(read.headers.get('access-control-allow-origin')).toBe(ORIGIN);
    expect(read.headers.get('access-control-expose-headers')).toContain('x-batch-execution-status');
    expect(read.headers.get('vary')).toContain('origin');
    await read.text();
  });

  test('elements are found by a pattern and by media types, page by page', async () => {
    for (const name of ['a1.pdf', 'a2.pdf', 'b1.pdf', 'a3.txt'])
      await put(`/${name}`, name, name.endsWith('pdf') ? 'application/pdf' : 'text/plain');
    const query = `query ($id: ID!, $after: String) { datasource(id: $id) { elements(first: 1, after: $after,
      filters: { regex: "^a", mediaTypes: ["application/*"] }) { nodes { id sizeBytes } pageInfo { hasNextPage endCursor } } } }`;
    const first = await post(server, tenant.key, query, { id: datasourceId });
    expect(dig(first, 'data', 'datasource', 'elements', 'nodes')).toEqual([{ id: 'a1.pdf', sizeBytes: 6 }]);
    const after = dig(first, 'data', 'datasource', 'elements', 'pageInfo', 'endCursor');
    const second = await post(server, tenant.key, query, { id: datasourceId, after });
    expect(dig(second, 'data', 'datasource', 'elements')).toMatchObject({
      nodes: [{ id: 'a2.pdf' }],
      pageInfo: { hasNextPage: false },
    });
  });
});
