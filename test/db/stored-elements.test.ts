import { beforeAll, expect, test } from 'vitest';
import { createSources } from '../../src/datasources/sources.ts';
import { newId } from '../../src/domain/ids.ts';
import type { Actor, Datasource } from '../../src/domain/model.ts';
import type { InputFilters } from '../../src/domain/spec.ts';
import { ValidationError } from '../../src/domain/user-error.ts';
import { addDataElements } from '../../src/services/add-data-elements.ts';
import { createStoredDatasource } from '../../src/services/create-datasource.ts';
import { deleteDatasource } from '../../src/services/delete-datasource.ts';
import type { ElementInput } from '../../src/services/element-input.ts';
import { removeDataElements } from '../../src/services/remove-data-elements.ts';
import { sweepDeleted } from '../../src/services/sweep-deleted.ts';
import type { Db } from '../../src/store/database.ts';
import { describeDatabases } from '../support/databases.ts';
import { makeExecution, makeProject } from '../support/rows.ts';

describeDatabases('stored elements', (open) => {
  let db: Db;
  beforeAll(async () => {
    db = await open();
  });
  const parts = () => ({ db, newId, now: () => new Date(), sources: createSources(db, null) });

  async function storedIn(actor: Actor, elements: readonly ElementInput[] = []): Promise<Datasource> {
    const datasource = await createStoredDatasource(parts(), actor, { name: newId('Datasource') });
    if (elements.length > 0) await addDataElements(parts(), actor, { datasourceId: datasource.id, elements });
    return datasource;
  }

  async function list(datasource: Datasource, filters: InputFilters = {}, size = 2): Promise<string[]> {
    const { sources } = parts();
    const ids: string[] = [];
    for (let cursor: string | null = null; ; ) {
      const page = await sources.page(datasource, filters, cursor, size);
      ids.push(...page.elements.map(({ id }) => id));
      cursor = page.cursor;
      if (cursor === null) return ids;
    }
  }

  const refusal = async (attempt: Promise<unknown>) =>
    attempt.then(
      () => [],
      (error: unknown) => {
        if (!(error instanceof ValidationError)) throw error;
        return error.issues.map(({ loc, type }) => `${loc.slice(2).join('.')} ${type}`);
      },
    );

  test('text, base64, json and several documents come back as they came, in the order of insertion', async () => {
    const { actor } = await makeProject(db);
    const json = { b: 1, a: [null, '\u2028"\\'], '10': 0, nested: { z: {}, y: 1e21 } };
    const datasource = await storedIn(actor, [
      { filename: 'z.txt', text: 'Tëxt 🎉' },
      { filename: 'a.png', base64: 'iVBO\nRw==', metadata: { k: 'v', a: 1 } },
      { filename: 'c', json, mediaType: 'application/vnd.x+json' },
      { filename: 'pair', documents: [{ filename: 'one.md', text: '1' }, { json: [2] }], dataElementId: 'p/1' },
    ]);
    const { sources } = parts();
    expect(await list(datasource)).toEqual(['z.txt', 'a.png', 'c', 'p/1']);
    const read = async (id: string) => (await sources.read(datasource, id)).documents;
    expect(await read('z.txt')).toEqual([{ filename: 'z.txt', mediaType: 'text/plain', text: 'Tëxt 🎉' }]);
    expect(await read('a.png')).toEqual([{ filename: 'a.png', mediaType: 'image/png', base64: 'iVBORw==' }]);
    expect(JSON.stringify((await read('c'))[0]?.json)).toBe(JSON.stringify(json));
    expect(await read('p/1')).toEqual([
      { filename: 'one.md', mediaType: 'text/markdown', text: '1' },
      { filename: 'pair', mediaType: 'application/json', json: [2] },
    ]);
    const found = await sources.find(datasource, 'a.png');
    expect(found).toMatchObject({
      mediaType: 'image/png',
      metadata: { k: 'v', a: 1 },
      sizeBytes: 4,
      documentNames: null,
    });
    expect((await sources.find(datasource, 'p/1'))?.documentNames).toEqual([
      { filename: 'one.md', mediaType: 'text/markdown' },
      { filename: 'pair', mediaType: 'application/json' },
    ]);
    await expect(sources.read(datasource, 'gone')).rejects.toMatchObject({ code: 'element_not_found' });
  });

  test('an element whose id is there is replaced in place, and the answer says which', async () => {
    const { actor } = await makeProject(db);
    const datasource = await storedIn(actor, [
      { filename: 'a', text: '1' },
      { filename: 'b', text: '1' },
    ]);
    const before = await parts().sources.find(datasource, 'a');
    const answer = await addDataElements(parts(), actor, {
      datasourceId: datasource.id,
      elements: [
        { filename: 'c', text: '1' },
        { filename: 'renamed', dataElementId: 'a', text: '2' },
      ],
    });
    expect(answer.added.map(({ id }) => id)).toEqual(['c']);
    expect(answer.updated).toMatchObject([{ id: 'a', filename: 'renamed' }]);
    expect(answer.updated[0]?.contentHash).not.toBe(before?.contentHash);
    expect(await list(datasource)).toEqual(['a', 'b', 'c']);
  });

  test('calls that add to one datasource at once are all there, each in its order', async () => {
    const { actor } = await makeProject(db);
    const datasource = await storedIn(actor);
    await Promise.all(
      ['x', 'y', 'z'].map((name) =>
        addDataElements(parts(), actor, {
          datasourceId: datasource.id,
          elements: Array.from({ length: 700 }, (_, index) => ({ filename: `${name}${index}`, text: name })),
        }),
      ),
    );
    const ids = await list(datasource, {}, 1_000);
    expect(ids).toHaveLength(2_100);
    for (const name of ['x', 'y', 'z']) {
      expect(ids.filter((id) => id.startsWith(name))).toEqual(
        Array.from({ length: 700 }, (_, index) => `${name}${index}`),
      );
    }
  });

  test('filters narrow the list, also across many pages', async () => {
    const { actor } = await makeProject(db);
    const elements = Array.from({ length: 1_500 }, (_, index) => ({
      filename: `f${index}.${index % 3 ? 'md' : 'png'}`,
      text: '',
    }));
    const datasource = await storedIn(actor, elements);
    expect(await list(datasource, { regex: '^f1[0-9]{3}\\.png$' }, 7)).toHaveLength(166);
    expect(await list(datasource, { mediaTypes: ['image/*'] }, 499)).toHaveLength(500);
    expect(await list(datasource, { elementIds: ['f9.png', 'f1.md', 'gone'], mediaTypes: ['*/*'] })).toEqual([
      'f1.md',
      'f9.png',
    ]);
    expect(await list(datasource, { elementIds: [] })).toEqual([]);
    expect(await list(datasource, { elementIds: elements.map(({ filename }) => filename) }, 600)).toHaveLength(1_500);
  });

  test('every problem of every element is told at once with its place, and nothing is stored', async () => {
    const { actor } = await makeProject(db);
    const datasource = await storedIn(actor);
    let deep: unknown = 0;
    for (let level = 0; level < 70; level += 1) deep = [deep];
    const attempt = addDataElements(parts(), actor, {
      datasourceId: datasource.id,
      elements: [
        { filename: 'good', text: 'x' },
        { filename: 'none' },
        { filename: 'two', text: 'x', base64: 'eA==' },
        { filename: 'bad64', base64: 'a*b=' },
        { filename: 'short64', base64: 'abc' },
        { filename: 'good', text: 'again' },
        { filename: 'nul', text: 'a\u0000' },
        { filename: 'half', json: ['\ud800'] },
        { filename: 'deep', json: deep },
        { filename: 'meta', text: '', metadata: { big: 'x'.repeat(70_000) } },
        { filename: ' ', text: '', mediaType: 'nonsense' },
        { filename: 'both', text: '', documents: [{ text: '' }] },
        { filename: 'docs', documents: [{ text: 'a' }, {}, { text: 'b', json: 1 }] },
        { filename: 'empty', documents: [] },
        { filename: 'id', dataElementId: 'ü'.repeat(600), text: '' },
      ],
    });
    expect(await refusal(attempt)).toEqual([
      '1 missing',
      '2 conflict',
      '3.base64 base64',
      '4.base64 base64',
      '5 duplicate',
      '6.text not_storable',
      '7.json lone_surrogate',
      '8.json too_deep',
      '9.metadata too_large',
      '10.filename too_small',
      '10.mediaType media_type',
      '11 conflict',
      '12.documents.1 missing',
      '12.documents.2 conflict',
      '13.documents length',
      '14.dataElementId too_big',
    ]);
    expect(await list(datasource)).toEqual([]);
    const many = Array.from({ length: 10_001 }, (_, index) => ({ filename: `${index}`, text: '' }));
    expect(await refusal(addDataElements(parts(), actor, { datasourceId: datasource.id, elements: many }))).toEqual([
      ' too_big',
    ]);
  });

  test('removing answers what was there, and only a STORED datasource can be changed', async () => {
    const { actor } = await makeProject(db);
    const datasource = await storedIn(actor, [
      { filename: 'a', text: '' },
      { filename: 'b', text: '' },
    ]);
    const remove = (elementIds: string[]) =>
      removeDataElements(parts(), actor, { datasourceId: datasource.id, elementIds });
    expect((await remove(['gone', 'b', 'b'])).removedIds).toEqual(['b']);
    expect(await list(datasource)).toEqual(['a']);
    await db
      .updateTable('datasource')
      .set({ kind: 'INLINE', contentHash: 'x' })
      .where('id', '=', datasource.id)
      .execute();
    await expect(remove(['a'])).rejects.toMatchObject({ code: 'INVALID_STATE', status: 'INLINE' });
  });

  test('a datasource goes with its elements, unless an execution refers to it', async () => {
    const { actor, projectId } = await makeProject(db);
    const datasource = await storedIn(actor, [{ filename: 'a', text: '' }]);
    await deleteDatasource(parts(), actor, datasource.id);
    await sweepDeleted({ db, now: () => new Date() });
    expect(await list(datasource)).toEqual([]);
    await expect(deleteDatasource(parts(), actor, datasource.id)).rejects.toMatchObject({ code: 'NOT_FOUND' });
    const executionId = await makeExecution(db, projectId);
    const { inputDatasourceId } = await db
      .selectFrom('batchExecution')
      .select('inputDatasourceId')
      .where('id', '=', executionId)
      .executeTakeFirstOrThrow();
    await expect(deleteDatasource(parts(), actor, inputDatasourceId)).rejects.toMatchObject({ status: 'IN_USE' });
    await db
      .updateTable('batchExecution')
      .set({ status: 'COMPLETED', endedAt: new Date() })
      .where('id', '=', executionId)
      .execute();
    await expect(deleteDatasource(parts(), actor, inputDatasourceId)).rejects.toMatchObject({ status: 'REFERENCED' });
  });

  test("another project's datasource is as if it were not there, and a reader changes nothing", async () => {
    const [owner, other] = [await makeProject(db), await makeProject(db)];
    const { id: datasourceId } = await storedIn(owner.actor, [{ filename: 'a', text: '' }]);
    const changes = (actor: Actor) => [
      () => addDataElements(parts(), actor, { datasourceId, elements: [{ filename: 'a', text: '' }] }),
      () => removeDataElements(parts(), actor, { datasourceId, elementIds: ['a'] }),
      () => deleteDatasource(parts(), actor, datasourceId),
    ];
    for (const change of changes(other.actor)) await expect(change()).rejects.toMatchObject({ code: 'NOT_FOUND' });
    for (const change of changes({ ...owner.actor, role: 'READER' })) {
      await expect(change()).rejects.toMatchObject({ code: 'FORBIDDEN' });
    }
    const { name } = await db
      .selectFrom('datasource')
      .select('name')
      .where('id', '=', datasourceId)
      .executeTakeFirstOrThrow();
    await expect(createStoredDatasource(parts(), owner.actor, { name })).rejects.toMatchObject({
      existingId: datasourceId,
    });
    expect((await createStoredDatasource(parts(), other.actor, { name })).projectId).toBe(other.projectId);
  });
});
