/** What an execution would take, told before it is made. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { newId } from '../../src/domain/ids.ts';
import { codeOf, dig } from '../support/server.ts';
import { startWholeApp, type WholeApp } from '../support/whole-app.ts';

const SHOW = `filters matches { count isComplete } datasource { id }
  elements(first: 2) { nodes { id } pageInfo { hasNextPage endCursor } }`;

describe.each(['embedded', 'postgres'] as const)('the preview of an input (%s)', (kind) => {
  let app: WholeApp;
  let datasourceId: string;
  beforeAll(async () => {
    app = await startWholeApp(kind);
    const made = await app.mutate('createStoredDatasource', 'datasource { id }', { name: 'inputs' });
    datasourceId = String(dig(made, 'datasource', 'id'));
    const elements = Array.from({ length: 2_500 }, (_, n) => ({ filename: `${n}.${n % 5 ? 'md' : 'png'}`, text: '' }));
    await app.mutate('addDataElements', '__typename', { datasourceId, elements });
  });
  afterAll(() => app.stop());

  const preview = (args: string, show = SHOW) => app.ask(`{ batchInputPreview(${args}) { ${show} } }`);

  test('it counts and lists what filters match, as the execution then takes it, and makes nothing', async () => {
    const count = async () => dig(await app.ask('{ batchExecutions { totalCount } }'), 'totalCount');
    const before = await count();
    for (const [filters, expected] of [
      ['', 2_500],
      ['regex: "^1[0-9]*[.]"', 1_111 + 0],
      ['mediaTypes: ["image/*"]', 500],
      ['regex: "^24[0-9]{2}[.]", mediaTypes: ["text/*"]', 80],
      ['elementIds: ["1.md", "0.png", "nothing"]', 2],
      ['elementIds: []', 0],
    ] as const) {
      const answer = await preview(`datasourceId: "${datasourceId}", filters: { ${filters} }`);
      expect(dig(answer, 'matches'), filters).toEqual({ count: expected, isComplete: true });
      expect(dig(answer, 'elements', 'pageInfo', 'hasNextPage')).toBe(expected > 2);
    }
    expect(await count()).toBe(before);
    const made = await app.mutate('createBatchExecution', 'batchExecution { id }', {
      source: {
        spec: {
          name: 'then',
          agent: 'echo',
          input: { datasourceId, filters: { regex: '^24', mediaTypes: ['text/*'] } },
        },
      },
    });
    const shown = await app.ended(
      dig(made, 'batchExecution', 'id'),
      'counts { total } items(first: 2) { nodes { inputDataElementId } }',
    );
    const foreseen = await preview(
      `datasourceId: "${datasourceId}", filters: { regex: "^24", mediaTypes: ["text/*"] }`,
    );
    expect(dig(shown, 'counts', 'total')).toBe(dig(foreseen, 'matches', 'count'));
    expect(
      (dig(shown, 'items', 'nodes') as { inputDataElementId: string }[]).map((one) => one.inputDataElementId),
    ).toEqual((dig(foreseen, 'elements', 'nodes') as { id: string }[]).map(({ id }) => id));
  });

  test('of a definition it goes by its filters, unless others are given', async () => {
    const made = await app.mutate('createBatchDefinition', 'batchDefinition { id }', {
      spec: { name: 'chosen', agent: 'echo', input: { datasourceId, filters: { mediaTypes: ['image/png'] } } },
    });
    const id = String(dig(made, 'batchDefinition', 'id'));
    const own = await preview(`definitionId: "${id}"`);
    expect(own).toMatchObject({
      ...{ filters: { mediaTypes: ['image/png'] }, matches: { count: 500 }, datasource: { id: datasourceId } },
      elements: { nodes: [{ id: '0.png' }, { id: '5.png' }] },
    });
    const next = await preview(
      `definitionId: "${id}"`,
      `elements(first: 1, after: "${String(dig(own, 'elements', 'pageInfo', 'endCursor'))}") { nodes { id } }`,
    );
    expect(next).toEqual({ elements: { nodes: [{ id: '10.png' }] } });
    expect(await preview(`definitionId: "${id}", filters: { elementIds: ["1.md"] }`)).toMatchObject({
      ...{ filters: { elementIds: ['1.md'] }, matches: { count: 1 } },
    });
  });

  test('of results it counts those that are there', async () => {
    const items = [1, 2, 3].map((n) => ({ filename: `${n}`, text: `${n}` }));
    const made = await app.mutate('createBatchExecution', 'batchExecution { id outputDatasource { id } }', {
      source: { spec: { name: 'counted', agent: 'echo', input: { items } } },
    });
    await app.ended(dig(made, 'batchExecution', 'id'), 'status');
    const id = String(dig(made, 'batchExecution', 'outputDatasource', 'id'));
    expect(await preview(`datasourceId: "${id}"`)).toMatchObject({ matches: { count: 3, isComplete: true } });
    expect(await preview(`datasourceId: "${id}", filters: { regex: "^2" }`)).toMatchObject({ matches: { count: 1 } });
  });

  test('unknown sources are null, and bad arguments are refused', async () => {
    expect(await preview(`datasourceId: "${newId('Datasource')}"`)).toBeNull();
    expect(await preview('definitionId: "def_nothing"')).toBeNull();
    for (const args of [
      '',
      `(datasourceId: "${datasourceId}", definitionId: "x")`,
      `(datasourceId: "${datasourceId}", filters: { regex: "(" })`,
    ]) {
      expect(codeOf(await app.post(`{ batchInputPreview${args} { filters } }`)), args).toBe('BAD_USER_INPUT');
    }
  });
});
