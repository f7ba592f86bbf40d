import type { ServerResponse } from 'node:http';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type HttpEndpoint, sendJson, startHttpEndpoint } from '../support/http-endpoint.ts';
import { dig } from '../support/server.ts';
import { startWholeApp, type WholeApp } from '../support/whole-app.ts';

const READS = `export default async ({ item }) => ({
  mediaType: item.mediaType,
  documents: await Promise.all(item.documents.map(async (one) =>
    [one.filename, one.mediaType, (await one.bytes()).length > 1000 ? 'long' : await one.text()])),
});`;
const NEVER_READS = 'export default ({ item }) => item.documents.map((one) => one.mediaType);';
const RESULTS = `status items(first: 100) { nodes { filename status data tierResults { contentHash }
  error { category code message transient details component stage } attempts } }`;

describe.each(['embedded', 'postgres'] as const)('documents that are elsewhere (%s)', (kind) => {
  let app: WholeApp;
  let files: HttpEndpoint;
  let inside: HttpEndpoint;
  let fails = 0;
  let changing = '';
  let waiting: (response: ServerResponse) => void = () => undefined;
  beforeAll(async () => {
    inside = await startHttpEndpoint((_request, response) => sendJson(response, 200, 'internal'));
    files = await startHttpEndpoint((request, response) => {
      const [, status] = /^\/status\/(\d+)/.exec(request.path) ?? [];
      const type = (value: string) => ({ 'content-type': value });
      if (status !== undefined) return response.writeHead(Number(status)).end('nothing');
      if (request.path.startsWith('/report'))
        return response.writeHead(200, type('text/csv; charset=utf-8')).end('a;b');
      if (request.path === '/blob.md') return response.writeHead(200, type('application/octet-stream')).end('# Blob');
      if (request.path === '/moved') return response.writeHead(302, { location: '/report' }).end();
      if (request.path === '/inside') return response.writeHead(302, { location: inside.url }).end();
      if (request.path === '/flaky') {
        fails += 1;
        return fails < 3 ? response.socket?.destroy() : response.writeHead(200, type('text/plain')).end('at last');
      }
      if (request.path === '/changing') return response.writeHead(200, type('text/plain')).end(changing);
      if (request.path === '/waits') return waiting(response);
      if (request.path === '/huge') {
        response.writeHead(200, type('text/plain'));
        const more = (): void => void (response.destroyed || response.write(Buffer.alloc(1_000_000), more));
        return more();
      }
      return response.writeHead(200, type('text/plain')).end(request.path);
    });
    app = await startWholeApp(
      kind,
      { 'reads.js': READS, 'never-reads.js': NEVER_READS },
      { BATCHYARD_ALLOW_PRIVATE_HOSTS: `127.0.0.1:${files.port}` },
    );
  });
  afterAll(async () => {
    await app?.stop();
    await files?.stop();
    await inside?.stop();
  });

  async function run(items: readonly object[], agent = 'reads', retryLimit = 0): Promise<Record<string, unknown>[]> {
    const execution = { retryLimit, backoff: { baseMs: 1 } };
    const created = await app.mutate('createBatchExecution', 'batchExecution { id }', {
      source: { spec: { name: 'remote', agent, input: { items }, execution } },
    });
    const id = dig(created, 'batchExecution', 'id');
    expect(id, JSON.stringify(created)).toBeTypeOf('string');
    return dig(await app.ended(id, RESULTS), 'items', 'nodes') as Record<string, unknown>[];
  }
  const at = (path: string): string => `${files.url}${path}`;

  test('are fetched when an item runs, with the media type of their server unless one is given', async () => {
    const [plain, named, given, several, moved] = await run([
      { filename: 'a', url: at('/report') },
      { filename: 'b.md', url: at('/blob.md') },
      { filename: 'c', url: at('/report'), mediaType: 'text/x-mine' },
      {
        filename: 'd',
        documents: [
          { url: at('/report.pdf'), filename: 'r.pdf' },
          { text: 'own' },
          { url: at('/x'), mediaType: 'a/b' },
        ],
      },
      { filename: 'e', url: at('/moved') },
    ]);
    expect(plain?.['data']).toEqual({
      ...{ mediaType: 'text/csv; charset=utf-8', documents: [['a', 'text/csv; charset=utf-8', 'a;b']] },
    });
    expect(named?.['data']).toEqual({ mediaType: 'text/markdown', documents: [['b.md', 'text/markdown', '# Blob']] });
    expect(given?.['data']).toEqual({ mediaType: 'text/x-mine', documents: [['c', 'text/x-mine', 'a;b']] });
    expect(several?.['data']).toEqual({
      mediaType: 'text/csv; charset=utf-8',
      documents: [
        ['r.pdf', 'text/csv; charset=utf-8', 'a;b'],
        ['d', 'text/plain', 'own'],
        ['d', 'a/b', '/x'],
      ],
    });
    expect(moved?.['data']).toMatchObject({ documents: [['e', 'text/csv; charset=utf-8', 'a;b']] });
  });

  test('are left alone by an agent that reads nothing, where their type is given', async () => {
    const before = files.requests.length;
    const [item] = await run([{ filename: 'a', url: at('/untouched'), mediaType: 'text/plain' }], 'never-reads');
    expect(item?.['data']).toEqual(['text/plain']);
    expect(files.requests).toHaveLength(before);
  });

  test('that cannot be had fail their item by category, and say nothing of a signed URL', async () => {
    const items = await run([
      ...['404', '403', '400', '503', '429'].map((status) => ({
        ...{ filename: status, url: at(`/status/${status}?signature=hidden`) },
      })),
      { filename: 'inside', url: at('/inside') },
      { filename: 'private', url: 'https://192.168.7.7/x?signature=hidden' },
      { filename: 'plain', url: 'http://93.184.216.34/x' },
      { filename: 'huge', url: at('/huge') },
    ]);
    const errors = new Map(items.map(({ filename, error }) => [filename, Object(error)]));
    const permanent = { category: 'DEPENDENCY', transient: false };
    expect(errors.get('404')).toMatchObject({ ...permanent, code: 'document_http_404', details: { status: 404 } });
    expect(errors.get('403')).toMatchObject({ category: 'AUTHENTICATION', code: 'document_http_403' });
    expect(errors.get('400')).toMatchObject({ ...permanent, code: 'document_http_400' });
    expect(errors.get('503')).toMatchObject({ category: 'NETWORK', transient: true, code: 'document_http_503' });
    expect(errors.get('429')).toMatchObject({ category: 'RATE_LIMIT', transient: true });
    expect(errors.get('inside')).toMatchObject({ ...permanent, code: 'address_refused' });
    expect(errors.get('private')).toMatchObject({ ...permanent, code: 'address_refused' });
    expect(errors.get('plain')).toMatchObject({ ...permanent, code: 'plain_http_refused' });
    expect(errors.get('huge')).toMatchObject({ category: 'VALIDATION', code: 'document_too_large' });
    expect(JSON.stringify(items)).not.toContain('hidden');
    expect(errors.get('404')).toMatchObject({ component: 'documents', stage: 'input' });
    expect(inside.requests).toEqual([]);
  });

  test('whose server drops the connection are fetched again with the next attempt', async () => {
    fails = 0;
    const [item] = await run([{ filename: 'a', url: at('/flaky') }], 'reads', 5);
    expect(item).toMatchObject({
      status: 'SUCCEEDED',
      attempts: 3,
      data: { documents: [['a', 'text/plain', 'at last']] },
    });
  });

  test('may be elements of the project, alone or beside others, and are read when the item runs', async () => {
    const made = await app.mutate('createStoredDatasource', 'datasource { id }', { name: 'library' });
    const datasourceId = dig(made, 'datasource', 'id');
    const library = (text: string) =>
      app.mutate('addDataElements', 'added { id }', {
        datasourceId,
        elements: [
          { filename: 'terms.md', text },
          { filename: 'two', documents: [{ text: 'one' }, { json: { two: 2 }, filename: 'two.json' }] },
        ],
      });
    await library('old terms');
    await library('new terms');
    const [alone, beside, gone, foreign] = await run([
      { filename: 'a', element: { datasourceId, elementId: 'terms.md' } },
      {
        filename: 'b',
        documents: [{ text: 'question' }, { filename: 't', element: { datasourceId, elementId: 'two', document: 1 } }],
      },
      { filename: 'c', element: { datasourceId, elementId: 'nope' } },
      { filename: 'd', element: { datasourceId: 'ds_aaaaaaaaaaaaaaaaaaaaa', elementId: 'terms.md' } },
    ]);
    expect(alone?.['data']).toEqual({ mediaType: 'text/markdown', documents: [['a', 'text/markdown', 'new terms']] });
    expect(beside?.['data']).toEqual({
      mediaType: 'text/plain',
      documents: [
        ['b', 'text/plain', 'question'],
        ['t', 'application/json', '{"two":2}'],
      ],
    });
    for (const item of [gone, foreign])
      expect(item).toMatchObject({ error: { code: 'element_not_found', category: 'DEPENDENCY', transient: false } });
    const circle = await app.mutate('addDataElements', 'added { id }', {
      datasourceId,
      elements: [{ filename: 'x', documents: [{ element: { datasourceId, elementId: 'x' } }] }],
    });
    expect(circle).toMatchObject({
      issues: [{ loc: ['input', 'elements', '0', 'documents', '0', 'element'], type: 'not_allowed' }],
    });
  });

  test('are refused at once when no server could have them', async () => {
    const answer = await app.mutate('createBatchExecution', 'batchExecution { id }', {
      source: {
        spec: {
          ...{ name: 'remote', agent: 'reads' },
          input: {
            items: [
              { filename: 'a', url: 'file:///etc/passwd' },
              { filename: 'b', url: 'https://user:pass@example.com/' },
              { filename: 'c', url: 'https://example.com/', text: 'both' },
              { filename: 'd', url: `https://example.com/${'x'.repeat(4_000)}` },
              { filename: 'e', element: { datasourceId: 'nonsense', elementId: 'x' } },
            ],
          },
        },
      },
    });
    const issues = dig(answer, 'issues') as { loc: string[]; type: string }[];
    expect(issues.map(({ loc, type }) => `${loc.slice(5).join('.')} ${type}`)).toEqual([
      ...['0.url url', '1.url url', '2 conflict', '3.url url', '4.element.datasourceId not_found'],
    ]);
  });

  test('may come as lines of a stream, too', async () => {
    const spec = { name: 'remote', agent: 'reads', input: {} };
    const draft = await app.mutate('createBatchExecution', 'batchExecution { id }', { draft: true, source: { spec } });
    const id = dig(draft, 'batchExecution', 'id');
    const lines = [
      { filename: 'a', url: at('/report') },
      { filename: 'b', documents: [{ url: at('/x') }] },
    ];
    const response = await fetch(`${app.url}/executions/${String(id)}/items?submit=true`, {
      method: 'POST',
      headers: { authorization: `Bearer ${app.key}`, 'content-type': 'application/jsonl' },
      body: lines.map((line) => JSON.stringify(line)).join('\n'),
    });
    expect(response.status, await response.text()).toBe(200);
    const nodes = dig(await app.ended(id, RESULTS), 'items', 'nodes') as Record<string, unknown>[];
    expect(nodes.map(({ data }) => dig(data, 'documents', 0, 2))).toEqual(['a;b', '/x']);
  });

  test('are given up when the execution is cancelled', async () => {
    const asked = Promise.withResolvers<void>();
    const closed = Promise.withResolvers<void>();
    waiting = (response) => {
      response.on('close', () => closed.resolve());
      asked.resolve();
    };
    const spec = { name: 'remote', agent: 'reads', input: { items: [{ filename: 'a', url: at('/waits') }] } };
    const created = await app.mutate('createBatchExecution', 'batchExecution { id }', { source: { spec } });
    const id = dig(created, 'batchExecution', 'id');
    await asked.promise;
    await app.mutate('cancelBatchExecution', 'batchExecution { status }', { batchExecutionId: id });
    await closed.promise;
    expect(await app.ended(id, 'status')).toMatchObject({ status: 'CANCELLED' });
  });

  test('change the hash of what was read when their content changes', async () => {
    const hashes: unknown[] = [];
    for (const text of ['first', 'second', 'first']) {
      changing = text;
      const [item] = await run([{ filename: 'a', url: at('/changing') }]);
      hashes.push(dig(item, 'tierResults', 0, 'contentHash'));
    }
    expect(hashes[0]).toMatch(/^[0-9a-f]{64}$/);
    expect(hashes[1]).not.toBe(hashes[0]);
    expect(hashes[2]).toBe(hashes[0]);
  });
});
