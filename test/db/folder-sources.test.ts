import { execFileSync } from 'node:child_process';
import { mkdirSync, renameSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { createSources } from '../../src/datasources/sources.ts';
import { documentBytes } from '../../src/domain/content.ts';
import { newId } from '../../src/domain/ids.ts';
import { classifyThrown } from '../../src/domain/item-error.ts';
import { LIMITS } from '../../src/domain/limits.ts';
import type { Datasource } from '../../src/domain/model.ts';
import type { InputFilters } from '../../src/domain/spec.ts';
import type { ElementSources } from '../../src/services/ports.ts';
import type { Db } from '../../src/store/database.ts';
import { temporaryFolder } from '../support/data-folder.ts';
import { freshEmbedded } from '../support/databases.ts';
import { makeProject, type ProjectRows } from '../support/rows.ts';

const folderSource = ({ projectId }: { projectId: string }, folderPath = '', glob = '**'): Datasource => ({
  ...{ id: newId('Datasource'), projectId, kind: 'FOLDER', name: 'files', description: null, createdAt: new Date() },
  folder: { path: folderPath, glob },
});

/** Every element, in pages of `size`. */
async function listAll(sources: ElementSources, datasource: Datasource, filters: InputFilters = {}, size = 3) {
  const ids: string[] = [];
  let cursor: string | null = null;
  do {
    const page = await sources.page(datasource, filters, cursor, size);
    expect(page.elements.length).toBeLessThanOrEqual(size);
    expect(page.cursors).toHaveLength(page.elements.length);
    ids.push(...page.elements.map(({ id }) => id));
    cursor = page.cursor;
  } while (cursor !== null);
  return ids;
}

const codeOf = (reading: Promise<unknown>) =>
  reading.then(
    () => 'no error',
    (thrown: unknown) => classifyThrown(thrown).code,
  );

describe('folder sources', () => {
  let db: Db;
  beforeAll(async () => {
    const database = await freshEmbedded();
    db = database.db;
    return database.close;
  });

  /** A project with a folder of files, and the sources that read it. */
  async function folderOf(files: Record<string, string> = {}) {
    const project = await makeProject(db);
    const foldersDir = temporaryFolder();
    const root = path.join(foldersDir, project.projectId);
    mkdirSync(root);
    for (const [name, text] of Object.entries(files)) {
      mkdirSync(path.dirname(path.join(root, name)), { recursive: true });
      writeFileSync(path.join(root, name), text);
    }
    return { project, foldersDir, root, sources: createSources(db, foldersDir) };
  }

  test('a folder is listed by glob in code unit order, page by page, without hidden files', async () => {
    const names = [
      'b.md',
      'a/x.md',
      'a.md',
      'Z.md',
      'a/node_modules/p/README.md',
      'ü.md',
      'c.txt',
      '.hidden.md',
      '.git/x.md',
    ];
    const { project, sources } = await folderOf(Object.fromEntries(names.map((name) => [name, name])));
    const expected = ['Z.md', 'a.md', 'a/node_modules/p/README.md', 'a/x.md', 'b.md', 'ü.md'];
    for (const size of [1, 2, 100])
      expect(await listAll(sources, folderSource(project, '', '**/*.md'), {}, size)).toEqual(expected);
    expect(await listAll(sources, folderSource(project, 'a', '*.md'))).toEqual(['x.md']);
    expect(await listAll(sources, folderSource(project, '.', '.git/*'))).toEqual(['.git/x.md']);
    const [first] = (await sources.page(folderSource(project, 'a', '*.md'), {}, null, 1)).elements;
    expect(first).toMatchObject({
      id: 'x.md',
      filename: 'x.md',
      mediaType: 'text/markdown',
      sizeBytes: 6,
      contentHash: null,
    });
  });

  test('filters narrow a folder, and ids that are not there are ignored', async () => {
    const { project, sources } = await folderOf({ 'a.md': '', 'b.md': '', 'c.png': '', 'd/a.md': '', 'e.bin': '' });
    const files = folderSource(project);
    expect(await listAll(sources, files, { regex: '(^|/)a\\.' })).toEqual(['a.md', 'd/a.md']);
    expect(await listAll(sources, files, { mediaTypes: ['image/*', 'application/octet-stream'] })).toEqual([
      'c.png',
      'e.bin',
    ]);
    const elementIds = ['d/a.md', 'b.md', 'b.md', 'gone.md', '../a.md', '/etc/passwd', '', 'd'];
    expect(await listAll(sources, files, { elementIds })).toEqual(['b.md', 'd/a.md']);
    expect(await listAll(sources, folderSource(project, '', '*.md'), { elementIds })).toEqual(['b.md']);
  });

  test('content comes back byte for byte, as text or not, with a hash that tells a change', async () => {
    const { project, sources, root } = await folderOf({ 'a.txt': '\uFEFFTëxt\r\n', 'd/b.md': 'b' });
    const binary = Buffer.from([0xff, 0x00, 0x80]);
    writeFileSync(path.join(root, 'c.bin'), binary);
    const files = folderSource(project);
    const text = await sources.read(files, 'a.txt');
    expect(text.documents).toEqual([{ filename: 'a.txt', mediaType: 'text/plain', text: '\uFEFFTëxt\r\n' }]);
    const [document] = (await sources.read(files, 'c.bin')).documents;
    expect(document && documentBytes(document)).toEqual(binary);
    expect((await sources.read(files, 'd/b.md')).documents[0]?.filename).toBe('b.md');
    writeFileSync(path.join(root, 'a.txt'), 'other');
    expect((await sources.read(files, 'a.txt')).contentHash).not.toBe(text.contentHash);
    expect(await sources.find(files, 'a.txt')).toMatchObject({ id: 'a.txt', sizeBytes: 5 });
    expect(await sources.find(files, 'gone.txt')).toBeNull();
  });

  test('nothing outside the folder is reachable by any name', async () => {
    const { project, sources, root, foldersDir } = await folderOf({ 'in/a.md': 'inside', 'secret.md': 'beside' });
    writeFileSync(path.join(foldersDir, 'outside.md'), 'outside');
    mkdirSync(path.join(foldersDir, 'other'));
    writeFileSync(path.join(foldersDir, 'other', 'file.md'), 'outside');
    symlinkSync(path.join(foldersDir, 'outside.md'), path.join(root, 'in', 'link.md'));
    symlinkSync(path.join(foldersDir, 'other'), path.join(root, 'in', 'dir'));
    symlinkSync('a.md', path.join(root, 'in', 'within.md'));
    symlinkSync('/', path.join(root, 'in', 'slash'));
    execFileSync('/bin/sh', ['-c', 'mkfifo "$0"', path.join(root, 'in', 'pipe.md')]);
    const files = folderSource(project, 'in');
    expect(await listAll(sources, files)).toEqual(['a.md']);
    const names = [
      'link.md',
      'dir/file.md',
      'within.md',
      'slash/etc/passwd',
      'pipe.md',
      '../secret.md',
      'dir/../../secret.md',
    ];
    for (const name of [
      ...names,
      '/etc/passwd',
      'a.md\u0000',
      './a.md',
      'in/../a.md',
      '',
      '.',
      '..',
      'a.md/',
      'dir',
      'x'.repeat(5_000),
    ]) {
      expect.soft(await codeOf(sources.read(files, name)), name.slice(0, 30)).toBe('element_not_found');
      expect.soft(await sources.find(files, name), name.slice(0, 30)).toBeNull();
    }
    expect(await listAll(sources, files, { elementIds: names })).toEqual([]);
    for (const folderPath of ['in/dir', 'in/slash', 'in/slash/etc', '..', '../other', 'gone', 'in/a.md']) {
      expect(await codeOf(sources.page(folderSource(project, folderPath), {}, null, 1)), folderPath).toBe(
        'folder_not_found',
      );
    }
  });

  test('what exists beside an element is told for its folder alone', async () => {
    const { project, sources, root, foldersDir } = await folderOf({ 'in/a.md': '', 'in/b/c.md': '', 'secret.md': '' });
    symlinkSync('a.md', path.join(root, 'in', 'link.md'));
    symlinkSync(foldersDir, path.join(root, 'in', 'out'));
    const files = folderSource(project, 'in', '**/*.md');
    const cases: [string, boolean | null][] = [
      ['b/c.md', true],
      ['b', true],
      ['./b/../a.md', true],
      ['link.md', true],
      ['gone.md', false],
      ['out', false],
      ['../secret.md', null],
      ['/etc/passwd', null],
    ];
    for (const [beside, expected] of cases) expect(await sources.exists(files, 'a.md', beside), beside).toBe(expected);
    expect(await sources.exists(files, 'b/c.md', '../a.md')).toBe(true);
  });

  test('a directory that is swapped for a link while files are read never gives anything from behind it', async () => {
    const { project, sources, root, foldersDir } = await folderOf({ 'dir/a.md': 'inside' });
    const [dir, kept, outside] = [path.join(root, 'dir'), path.join(root, 'kept'), path.join(foldersDir, 'outside')];
    mkdirSync(outside);
    writeFileSync(path.join(outside, 'a.md'), 'outside');
    const files = folderSource(project);
    const seen = new Map<string, number>();
    for (let round = 0; round < 400; round += 1) {
      // Each step of a read runs on another thread, so the swaps fall between and into them.
      const reads = Array.from({ length: 4 }, () =>
        sources.read(files, 'dir/a.md').then(
          ({ documents }) => documents[0]?.text ?? '',
          (thrown: unknown) => classifyThrown(thrown).code,
        ),
      );
      for (let turn = 0; turn < 3; turn += 1) {
        renameSync(dir, kept);
        symlinkSync(outside, dir);
        await new Promise(setImmediate);
        rmSync(dir);
        renameSync(kept, dir);
        await new Promise(setImmediate);
      }
      for (const end of await Promise.all(reads)) seen.set(end, (seen.get(end) ?? 0) + 1);
    }
    expect([...seen.keys()].filter((end) => end !== 'inside' && end !== 'element_not_found')).toEqual([]);
    expect(seen.get('element_not_found'), 'the swaps were met').toBeGreaterThan(0);
  });

  test('a file above the limit is a permanent VALIDATION error', async () => {
    const { project, sources, root } = await folderOf({ 'big.bin': '' });
    truncateSync(path.join(root, 'big.bin'), LIMITS.elementBytes + 1);
    const error = await sources.read(folderSource(project), 'big.bin').catch(classifyThrown);
    expect(error).toMatchObject({ code: 'element_too_large', category: 'VALIDATION', transient: false });
  });

  test("a project's folder is found by id, else by a slug that no other project has", async () => {
    const [one, two] = [await makeProject(db), await makeProject(db)];
    const foldersDir = temporaryFolder();
    const sources = createSources(db, foldersDir);
    const slugOf = async ({ projectId }: ProjectRows) =>
      (await db.selectFrom('project').select('slug').where('id', '=', projectId).executeTakeFirstOrThrow()).slug;
    const slug = await slugOf(one);
    mkdirSync(path.join(foldersDir, slug));
    writeFileSync(path.join(foldersDir, slug, 'a.md'), '');
    expect(await listAll(sources, folderSource(one))).toEqual(['a.md']);
    await db.updateTable('project').set({ slug }).where('id', '=', two.projectId).execute();
    const fresh = createSources(db, foldersDir);
    for (const project of [one, two]) {
      expect(await codeOf(fresh.page(folderSource(project), {}, null, 1))).toBe('folder_not_found');
    }
    symlinkSync(path.join(foldersDir, slug), path.join(foldersDir, two.projectId));
    expect(await listAll(fresh, folderSource(two)), 'the operator may link a folder').toEqual(['a.md']);
    expect(await codeOf(createSources(db, null).page(folderSource(one), {}, null, 1))).toBe('folders_not_configured');
  });

  test('a list goes on where it was although files come and go, and a new one is never stale', async () => {
    const { project, sources, root } = await folderOf({ a: '', b: '', c: '', d: '' });
    const files = folderSource(project);
    const first = await sources.page(files, {}, null, 2);
    rmSync(path.join(root, 'b'));
    rmSync(path.join(root, 'c'));
    writeFileSync(path.join(root, 'aa'), '');
    const rest = await sources.page(files, {}, first.cursor, 10);
    expect([...first.elements, ...rest.elements].map(({ id }) => id)).toEqual(['a', 'b', 'd']);
    expect(rest.cursor).toBeNull();
    expect(await listAll(sources, files)).toEqual(['a', 'aa', 'd']);
    const other = createSources(db, path.dirname(root));
    expect((await other.page(files, {}, 'a', 10)).elements.map(({ id }) => id)).toEqual(['aa', 'd']);
  });

  test('every file of a large folder comes once, and pages from the middle are quick', async () => {
    const { project, sources, root } = await folderOf();
    for (let folder = 0; folder < 10; folder += 1) {
      mkdirSync(path.join(root, `d${folder}`));
      for (let file = 0; file < 300; file += 1) writeFileSync(path.join(root, `d${folder}`, `f${file}.md`), '');
    }
    const files = folderSource(project, '', '**/*.md');
    const ids = await listAll(sources, files, { regex: '(f[0-9]+)+\\.md$' }, 500);
    expect(new Set(ids).size).toBe(3_000);
    const started = performance.now();
    for (let page = 0; page < 20; page += 1) {
      expect((await sources.page(files, {}, 'd8/f9', 50)).elements).toHaveLength(50);
    }
    // One walk of the folder takes longer than a page from a list that is kept.
    expect(performance.now() - started).toBeLessThan(2_000);
  });
});
