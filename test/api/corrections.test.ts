/** Correcting results, as clients do it. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createOutputChecker } from '../../src/agents/output/output-checker.ts';
import { itemId } from '../../src/domain/ids.ts';
import type { PinnedSpec } from '../../src/domain/spec.ts';
import type { Db } from '../../src/store/database.ts';
import { describeDatabases } from '../support/databases.ts';
import { checkWhole } from '../support/engine-harness.ts';
import { addChange, addItems, addResults, makeExecutionWith } from '../support/execution-rows.ts';
import { type ExecutionServer, startExecutionServer } from '../support/execution-server.ts';
import { makeProject, type ProjectRows } from '../support/rows.ts';
import { dig, post } from '../support/server.ts';

const CORRECT = `mutation ($input: CorrectBatchItemInput!) {
  correctBatchItem(input: $input) {
    __typename
    ... on CorrectBatchItemSuccess { batchItem { revision data correctedData } correction { number data isCurrent } }
    ... on ValidationError { issues { loc msg type ctx } }
    ... on UserError { code message }
  }
}`;
const ITEM = `query ($id: ID!) { node(id: $id) { ... on BatchItem { data correctedData
  corrections { number data notes round isCurrent createdAt createdBy patches { op path value } } } } }`;

describeDatabases('corrections', (open) => {
  const outputs = createOutputChecker();
  let db: Db;
  let server: ExecutionServer;
  let project: ProjectRows;
  beforeAll(async () => {
    db = await open();
    project = await makeProject(db);
    server = await startExecutionServer(db, { outputs });
  });
  afterAll(async () => {
    await server.stop();
    await outputs.stop();
  });

  /** An ended execution whose first item succeeded with this data; the second failed. */
  async function ended(data: unknown, outputSchema?: unknown): Promise<string> {
    const at = new Date();
    const counts = { total: 2, succeeded: 1, failed: 1, startedAt: at, endedAt: at };
    const id = await makeExecutionWith(db, project.projectId, { ...counts, status: 'COMPLETED_WITH_ERRORS' });
    await addItems(db, id, [{ status: 'SUCCEEDED' }, { status: 'FAILED' }]);
    await addResults(db, id, [{ ordinal: 0, data }]);
    await addChange(db, id, 5, [0, 1]);
    if (outputSchema !== undefined) {
      const { spec } = await db
        .selectFrom('batchExecution')
        .select('spec')
        .where('id', '=', id)
        .executeTakeFirstOrThrow();
      const ruled: PinnedSpec = { ...spec, tiers: spec.tiers.map((tier) => ({ ...tier, outputSchema })) };
      await db
        .updateTable('batchExecution')
        .set({ spec: JSON.stringify(ruled) })
        .where('id', '=', id)
        .execute();
    }
    return id;
  }
  const correct = async (id: string, input: Record<string, unknown>, key = project.key, ordinal = 0) =>
    dig(
      (await post(server, key, CORRECT, { input: { itemId: itemId(id, ordinal), ...input } })).data,
      'correctBatchItem',
    );
  const read = async (id: string) => dig((await post(server, project.key, ITEM, { id: itemId(id, 0) })).data, 'node');

  test('stand beside the result with who and when, and the next goes on from the last', async () => {
    const id = await ended({ total: 1, lines: ['a'], 'a/b': null });
    expect(await read(id)).toMatchObject({ correctedData: null, corrections: [] });
    const first = await correct(id, { data: { total: 2, lines: ['a'], 'a/b': null }, notes: 'misread' });
    expect(first).toMatchObject({
      batchItem: { revision: 6, data: { total: 1 }, correctedData: { total: 2 } },
      correction: { number: 1, isCurrent: true },
    });
    const patches = [
      { path: '/a~1b', value: 7 },
      { op: 'ADD', path: '/lines/-', value: 'b' },
      { op: 'TEST', path: '/total', value: 2 },
      { op: 'REMOVE', path: '/total' },
    ];
    expect(await correct(id, { patches, expectedCorrection: 1 })).toMatchObject({
      batchItem: { revision: 7, correctedData: { lines: ['a', 'b'], 'a/b': 7 } },
    });
    const { actor } = project;
    expect(await read(id)).toMatchObject({
      data: { total: 1, lines: ['a'], 'a/b': null },
      correctedData: { lines: ['a', 'b'], 'a/b': 7 },
      corrections: [
        { number: 1, notes: 'misread', isCurrent: false, createdBy: actor.keyId, patches: null },
        { number: 2, notes: null, isCurrent: true, createdAt: expect.any(String), patches: { length: 4 } },
      ],
    });
    const both = { data: { a: 1 }, patches: [{ op: 'ADD', path: '/b', value: 2 }] };
    expect(await correct(id, both)).toMatchObject({ correction: { number: 3, data: { a: 1, b: 2 } } });
    await checkWhole(db, id);
  });

  test('reach those who follow the execution', async () => {
    const id = await ended(1);
    const before = `{ batchExecution(id: "${id}") { revision items(filter: {updatedAfterRevision: 5}) { nodes { ordinal correctedData } } } }`;
    expect((await post(server, project.key, before)).data).toEqual({
      batchExecution: { revision: 5, items: { nodes: [] } },
    });
    await correct(id, { data: 2 });
    expect((await post(server, project.key, before)).data).toEqual({
      batchExecution: { revision: 6, items: { nodes: [{ ordinal: 0, correctedData: 2 }] } },
    });
  });

  test('of an earlier round do not cover the result of a later one', async () => {
    const id = await ended({ total: 1 });
    await correct(id, { data: { total: 2 } });
    await addResults(db, id, [{ ordinal: 0, round: 1, data: { total: 3 } }]);
    expect(await read(id)).toMatchObject({
      data: { total: 3 },
      correctedData: null,
      corrections: [{ isCurrent: false }],
    });
    expect(await correct(id, { patches: [{ path: '/total', value: 4 }] })).toMatchObject({
      correction: { number: 2, data: { total: 4 } },
    });
  });

  test.each([
    ['a field that is not there', [{ path: '/nothing', value: 1 }]],
    ['a field of a prototype', [{ op: 'ADD', path: '/__proto__/polluted', value: 1 }]],
    ['a field of a constructor', [{ op: 'ADD', path: '/constructor/prototype/polluted', value: 1 }]],
    ['an index beyond the end', [{ op: 'ADD', path: '/lines/9', value: 1 }]],
    ['an index with a zero in front', [{ path: '/lines/00', value: 1 }]],
    ['a length', [{ path: '/lines/length', value: 0 }]],
    ['a field of a text', [{ op: 'ADD', path: '/lines/0/x', value: 1 }]],
    ['a path without a slash', [{ path: 'total', value: 1 }]],
    ['a test that fails', [{ op: 'TEST', path: '/total', value: 2 }]],
  ])('that patch %s are refused with the patch to blame, all or none', async (_what, patches) => {
    const id = await ended({ total: 1, lines: ['a'] });
    const answer = await correct(id, { patches: [{ path: '/total', value: 1 }, ...patches] });
    expect(answer).toMatchObject({
      code: 'VALIDATION_FAILED',
      issues: [{ loc: ['input', 'patches', '1'], type: 'patch' }],
    });
    expect(await read(id)).toMatchObject({ correctedData: null, corrections: [] });
    expect(Reflect.get({}, 'polluted')).toBeUndefined();
  });

  test('are refused where the data would miss what the tier promises', async () => {
    const id = await ended({ total: 1 }, { properties: { total: { type: 'number' } } });
    expect(await correct(id, { data: { total: 'x' } })).toMatchObject({
      issues: [{ loc: ['input', 'data', 'total'], type: 'output_mismatch' }],
    });
    expect(await correct(id, { patches: [{ path: '/total', value: 'x' }] })).toMatchObject({
      issues: [{ loc: ['input', 'patches'], ctx: { path: '/total', code: 'type' } }],
    });
    expect(await correct(id, { data: { total: 2 } })).toMatchObject({ correction: { number: 1 } });
  });

  test('need a succeeded item of the project, the right of a member, and what the caller has seen', async () => {
    const id = await ended(1);
    expect(await correct(id, { data: 2 }, (await makeProject(db)).key)).toMatchObject({ code: 'NOT_FOUND' });
    expect(await correct(id, { data: 2 }, project.key, 7)).toMatchObject({ code: 'NOT_FOUND' });
    expect(await correct(id, { data: 2, patches: [] })).toMatchObject({ code: 'VALIDATION_FAILED' });
    expect(await correct(id, {})).toMatchObject({ code: 'VALIDATION_FAILED' });
    expect(await correct(id, { data: 2, expectedCorrection: 1 })).toMatchObject({ code: 'INVALID_STATE' });
    await addResults(db, id, [{ ordinal: 1, data: 1 }]);
    expect(await correct(id, { data: 2 }, project.key, 1)).toMatchObject({ code: 'INVALID_STATE' });
    const reader = await makeProject(db, 'READER');
    const refused = await post(server, reader.key, CORRECT, { input: { itemId: itemId(id, 0), data: 2 } });
    expect(refused.errors?.[0]?.extensions).toMatchObject({ code: 'FORBIDDEN' });
  });

  test('made at the same time are all kept, one after the other', async () => {
    const id = await ended({ n: 0, list: [] });
    const answers = await Promise.all(
      [1, 2, 3].map((n) => correct(id, { patches: [{ op: 'ADD', path: '/list/-', value: n }] })),
    );
    expect(answers.map((answer) => dig(answer, 'correction', 'number')).sort()).toEqual([1, 2, 3]);
    expect(new Set(dig(await read(id), 'correctedData', 'list') as number[])).toEqual(new Set([1, 2, 3]));
  });
});
