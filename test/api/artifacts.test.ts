/** Artifacts and archives of results, over real HTTP. */
import { get } from 'node:http';
import { unzipSync } from 'fflate';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { itemId } from '../../src/domain/ids.ts';
import { LIMITS } from '../../src/domain/limits.ts';
import type { Db } from '../../src/store/database.ts';
import { describeDatabases } from '../support/databases.ts';
import { addItems, addResults, makeExecutionWith } from '../support/execution-rows.ts';
import { type ExecutionServer, startExecutionServer } from '../support/execution-server.ts';
import { makeProject, type ProjectRows } from '../support/rows.ts';
import { dig, post } from '../support/server.ts';
import { until } from '../support/until.ts';

const HTML = '<script>alert(1)</script>';
const PIXEL = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0, 255]);

describeDatabases('artifacts', (open) => {
  let db: Db;
  let server: ExecutionServer;
  let project: ProjectRows;
  let now = new Date();
  beforeAll(async () => {
    db = await open();
    project = await makeProject(db);
    server = await startExecutionServer(db, { now: () => now });
  });
  afterAll(() => server.stop());

  const artifact = (id: string, filename: string, mediaType: string, bytes: Buffer | null) => ({
    ...{ id, filename, mediaType, sizeBytes: bytes?.byteLength ?? null },
    ...{ content: bytes?.toString('base64') ?? null, url: bytes === null ? 'https://example.com/a' : null },
  });
  /** An execution whose first item has artifacts in its only tier. */
  async function withArtifacts(): Promise<string> {
    const id = await makeExecutionWith(db, project.projectId, { status: 'RUNNING' });
    await addItems(db, id, [{ status: 'SUCCEEDED' }, { status: 'SUCCEEDED' }, {}]);
    await addResults(db, id, [
      {
        ...{ ordinal: 0, data: { n: 1 } },
        artifacts: [
          artifact('page', 'seite ä.html', 'text/html', Buffer.from(HTML)),
          artifact('a/b #1', '../../etc/pass"wd\r\n', 'nonsense\r\nx-evil: 1', PIXEL),
          { ...artifact('far', 'far.bin', 'application/pdf', null), sizeBytes: 5_000_000_000 },
        ],
      },
      { ordinal: 1, data: 2 },
    ]);
    return id;
  }
  const headers = () => ({ authorization: `Bearer ${project.key}` });
  const fetchArtifact = (id: string, name: string, query = '') =>
    fetch(`${server.url}/executions/${id}/items/0/artifacts/${encodeURIComponent(name)}${query}`, {
      headers: headers(),
    });

  test('are shown with content or URL, and those with content can be downloaded by a link without a key', async () => {
    const id = await withArtifacts();
    const query = `{ node(id: "${itemId(id, 0)}") { ... on BatchItem {
      outputArtifacts { id filename mediaType sizeBytes content url downloadUrl } } } }`;
    const shown = dig((await post(server, project.key, query)).data, 'node', 'outputArtifacts') as Record<
      string,
      unknown
    >[];
    expect(shown).toMatchObject([
      { id: 'page', mediaType: 'text/html', sizeBytes: HTML.length, content: btoa(HTML), url: null },
      { id: 'a/b #1', sizeBytes: 6, url: null },
      // More than an Int of GraphQL holds.
      { id: 'far', sizeBytes: 5_000_000_000, content: null, url: 'https://example.com/a', downloadUrl: null },
    ]);
    const link = `${server.url}${String(shown[1]?.['downloadUrl'])}`;
    const response = await fetch(link);
    expect([response.status, Buffer.from(await response.arrayBuffer())]).toEqual([200, PIXEL]);
    expect((await fetch(link.replace('/items/0/', '/items/1/'))).status).toBe(404);
    expect((await fetch(link.replace(id, await withArtifacts()))).status).toBe(401);
    now = new Date(now.getTime() + (LIMITS.resultsUrlMinutes + 1) * 60_000);
    expect((await fetch(link)).status).toBe(401);
    now = new Date();
  });

  test('of an earlier round are downloaded as they were, also when the item was done again', async () => {
    const id = await withArtifacts();
    const again = [artifact('page', 'again.html', 'text/html', Buffer.from('again'))];
    await addResults(db, id, [{ ordinal: 0, round: 1, data: { n: 2 }, artifacts: again }]);
    const query = `{ node(id: "${itemId(id, 0)}") { ... on BatchItem {
      first: tierResults(round: 0) { outputArtifacts { downloadUrl } }
      newest: tierResults { outputArtifacts { downloadUrl } } } } }`;
    const { data } = await post(server, project.key, query);
    const textOf = async (name: string) =>
      await (
        await fetch(`${server.url}${String(dig(data, 'node', name, 0, 'outputArtifacts', 0, 'downloadUrl'))}`)
      ).text();
    expect([await textOf('first'), await textOf('newest')]).toEqual([HTML, 'again']);
  });

  test('come as downloads in a sandbox, and nothing that an agent wrote gets into a header unchecked', async () => {
    const id = await withArtifacts();
    const page = await fetchArtifact(id, 'page');
    expect(await page.text()).toBe(HTML);
    expect(Object.fromEntries(page.headers)).toMatchObject({
      ...{ 'content-type': 'text/html', 'x-content-type-options': 'nosniff', 'content-length': `${HTML.length}` },
      'content-disposition': expect.stringMatching(
        /^attachment; filename="seite .*"; filename\*=UTF-8''seite%20%C3%A4.html$/,
      ),
      'content-security-policy': "default-src 'none'; sandbox",
    });
    const odd = await fetchArtifact(id, 'a/b #1', '?tier=0');
    expect([odd.status, odd.headers.get('content-type'), odd.headers.get('x-evil')]).toEqual([
      200,
      'application/octet-stream',
      null,
    ]);
    expect(odd.headers.get('content-disposition')).toMatch(/^attachment; filename/);
    const head = await fetch(odd.url, { method: 'HEAD', headers: headers() });
    expect([head.status, head.headers.get('content-length'), await head.text()]).toEqual([200, '6', '']);
  });

  test('are not there for others, for another tier, behind a URL, or by a wrong method', async () => {
    const id = await withArtifacts();
    for (const [name, query] of [
      ['far', ''],
      ['nothing', ''],
      ['page', '?tier=1'],
    ] as const) {
      expect((await fetchArtifact(id, name, query)).status).toBe(404);
    }
    const url = `${server.url}/executions/${id}/items/0/artifacts/page`;
    expect((await fetch(url)).status).toBe(401);
    const foreign = { authorization: `Bearer ${(await makeProject(db)).key}` };
    expect((await fetch(url, { headers: foreign })).status).toBe(404);
    expect((await fetch(url, { method: 'POST', headers: headers() })).status).toBe(405);
    expect((await fetchArtifact(id, 'page', '?tier=x')).status).toBe(422);
    for (const place of ['items/x/artifacts/page', 'items/99999999999/artifacts/page', 'items/0/artifacts/%ff']) {
      expect((await fetch(`${server.url}/executions/${id}/${place}`, { headers: headers() })).status).toBe(404);
    }
  });

  test('are in the archive with one file for each item, under names that stay in their folder', async () => {
    const id = await withArtifacts();
    const response = await fetch(`${server.url}/executions/${id}/results.zip`, { headers: headers() });
    expect(Object.fromEntries(response.headers)).toMatchObject({
      ...{ 'content-type': 'application/zip', 'content-disposition': `attachment; filename="a-batch-${id}.zip"` },
    });
    const files = unzipped(Buffer.from(await response.arrayBuffer()));
    expect([...files.keys()]).toEqual([
      'items/00000000.json',
      'artifacts/00000000/0-seite ä.html',
      'artifacts/00000000/1-.._.._etc_pass_wd__',
      'items/00000001.json',
      'items/00000002.json',
    ]);
    expect(files.get('artifacts/00000000/1-.._.._etc_pass_wd__')).toEqual(PIXEL);
    const lines = await (await fetch(`${server.url}/executions/${id}/results.jsonl`, { headers: headers() })).text();
    const items = [0, 1, 2].map((n) => String(files.get(`items/0000000${n}.json`)));
    expect(items.join('')).toBe(lines);
  });

  test('an archive is read no faster than it is taken, and no more once its reader has left', async () => {
    const count = 16;
    const id = await makeExecutionWith(db, project.projectId, {});
    await addItems(
      db,
      id,
      Array.from({ length: count }, () => ({ status: 'SUCCEEDED' as const })),
    );
    const big = Buffer.alloc(2_000_000, 'x');
    for (let ordinal = 0; ordinal < count; ordinal += 1) {
      await addResults(db, id, [{ ordinal, data: ordinal, artifacts: [artifact('a', 'a.bin', 'text/plain', big)] }]);
    }
    let reads = 0;
    const counting = await startExecutionServer(db, {}, (same) =>
      same.withPlugin({
        transformQuery: ({ node }) => {
          const text = JSON.stringify(node);
          if (text.includes('item_result') || text.includes('results_of'))
            reads += text.includes('readResultRows') ? 0 : 1;
          return node;
        },
        transformResult: async ({ result }) => result,
      }),
    );
    try {
      const leave = await new Promise<() => void>((resolve, reject) => {
        get(`${counting.url}/executions/${id}/results.zip`, { headers: headers() }, (response) => {
          response.on('error', () => undefined);
          resolve(() => response.destroy());
        }).on('error', reject);
      });
      let seen = -1;
      await until(() => {
        const stands = reads > 0 && reads === seen;
        seen = reads;
        return stands;
      });
      expect(reads).toBeLessThan(count - 2);
      leave();
      await until(() => counting.log.some((entry) => entry.includes('a reader of results left')));
      expect(counting.log.filter((entry) => entry.includes('unexpected'))).toEqual([]);
    } finally {
      await counting.stop();
    }
  });

  test('exports have the corrected data where it is asked for, and say which correction it is', async () => {
    const id = await withArtifacts();
    const correction = { executionId: id, ordinal: 0, tier: 0, round: 0, createdBy: null, notes: null, patches: null };
    await db
      .insertInto('itemCorrection')
      .values([
        { ...correction, number: 1, data: '"first"' },
        { ...correction, number: 2, data: '{"n":  9}' },
        { ...correction, ordinal: 1, number: 1, round: 5, data: '"of another round"' },
      ])
      .execute();
    const read = async (leaf: string) =>
      await (await fetch(`${server.url}/executions/${id}/${leaf}`, { headers: headers() })).text();
    const dataOf = (text: string) =>
      text
        .trim()
        .split('\n')
        .map((line) => {
          const { data, correction: number } = JSON.parse(line) as Record<string, unknown>;
          return [data, number];
        });
    expect(dataOf(await read('results.jsonl'))).toEqual([
      [{ n: 1 }, undefined],
      [2, undefined],
      [null, undefined],
    ]);
    expect(dataOf(await read('results.jsonl?corrected=true'))).toEqual([
      [{ n: 9 }, 2],
      [2, null],
      [null, null],
    ]);
    const [header, first] = (await read('results.csv?corrected')).split('\r\n');
    expect(header?.endsWith(',endedAt,correction')).toBe(true);
    expect(first).toContain('"{""n"":  9}"');
    const query = `{ batchExecution(id: "${id}") { resultsUrl(format: ZIP, corrected: true) } }`;
    const url = String(dig((await post(server, project.key, query)).data, 'batchExecution', 'resultsUrl'));
    expect(url).toMatch(/results\.zip\?token=.*&corrected=true$/);
    const files = unzipped(Buffer.from(await (await fetch(server.url + url)).arrayBuffer()));
    expect(JSON.parse(String(files.get('items/00000000.json')))).toMatchObject({ data: { n: 9 }, correction: 2 });
  });
});

/** The files of an archive, in their order. */
const unzipped = (archive: Buffer): Map<string, Buffer> =>
  new Map(Object.entries(unzipSync(archive)).map(([name, bytes]) => [name, Buffer.from(bytes)]));
