/** Results as a datasource: listed, filtered, and read by the next execution. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { newId } from '../../src/domain/ids.ts';
import { dig } from '../support/server.ts';
import { until } from '../support/until.ts';
import { startWholeApp, type WholeApp } from '../support/whole-app.ts';

/** Gives what its item's metadata says, or the item's text; fails where it says so, in the first round. */
const AGENT = `export default async function run({ item, round }) {
  const { fails, gives } = item.metadata ?? {};
  if (fails && round === 0) throw Object.assign(new Error('Not now.'), { transient: false });
  return gives === undefined ? item.text() : gives;
}`;
/** What of an item an agent sees. */
const SEER = `export default async ({ item }) => ({ text: await item.text(), filename: item.filename, mediaType: item.mediaType, metadata: item.metadata, documents: item.documents.length });`;

const item = (name: string, metadata: unknown = null, text = `text of ${name}`) => ({ filename: name, text, metadata });
const SHOW = 'status counts { total succeeded failed } outputDatasource { id kind name }';

describe.each(['embedded', 'postgres'] as const)('outputs (%s)', (kind) => {
  let app: WholeApp;
  let count = 0;
  beforeAll(async () => {
    app = await startWholeApp(kind, { 'giver.mjs': AGENT, 'seer.mjs': SEER });
  });
  afterAll(() => app.stop());

  const create = (spec: Record<string, unknown>, more: Record<string, unknown> = {}) => {
    count += 1;
    return app.mutate('createBatchExecution', `batchExecution { id ${SHOW} }`, {
      source: { spec: { name: `outputs-${count}`, ...spec } },
      ...more,
    });
  };
  async function run(spec: Record<string, unknown>, more: Record<string, unknown> = {}, show = SHOW) {
    const id = String(dig(await create(spec, more), 'batchExecution', 'id'));
    return { id, execution: await app.ended(id, show) };
  }
  async function results(name: string): Promise<string> {
    const made = await app.mutate('createResultsDatasource', 'datasource { id kind }', { name });
    expect(made).toMatchObject({ datasource: { kind: 'RESULTS' } });
    return String(dig(made, 'datasource', 'id'));
  }
  const elements = (id: unknown, args = '') =>
    app.ask(
      `query ($id: ID!) { datasource(id: $id) { elements${args && `(${args})`} { nodes { id filename mediaType metadata sizeBytes createdAt } pageInfo { hasNextPage endCursor } } } }`,
      { id },
    );
  const idsOf = (answer: unknown) =>
    (dig(answer, 'elements', 'nodes') as { id: string }[]).map((element) => element.id);
  const outputOf = (execution: unknown) => String(dig(execution, 'outputDatasource', 'id'));
  const itemId = (executionId: string, ordinal: number) => `${executionId.replace('exec_', 'item_')}_${ordinal}`;

  test('an execution that names no output has a datasource of its own, which the next one reads', async () => {
    const first = await run({
      agent: 'giver',
      input: {
        items: [
          item('a.md', { gives: { z: 1, a: [null, 'ü'], 10: 0 }, k: 'v' }),
          item('b.txt', null, 'Plain\n"text" 🎉'),
          item('c.json', { gives: null }),
          item('d', { fails: true }),
        ],
      },
      execution: { retryLimit: 0 },
    });
    expect(first.execution).toMatchObject({
      counts: { total: 4, succeeded: 3, failed: 1 },
      outputDatasource: { kind: 'EXECUTION_RESULTS', name: `results-of-${first.id}` },
    });
    const output = outputOf(first.execution);
    expect(dig(await elements(output), 'elements', 'nodes')).toMatchObject([
      { id: itemId(first.id, 0), filename: 'a.md.json', mediaType: 'application/json', metadata: { k: 'v' } },
      { id: itemId(first.id, 1), filename: 'b.txt', mediaType: 'text/plain', metadata: null, sizeBytes: 17 },
      { id: itemId(first.id, 2), filename: 'c.json', mediaType: 'application/json', sizeBytes: 4 },
    ]);
    const next = await run(
      { agent: 'seer', input: { datasourceId: output } },
      {},
      `${SHOW} items { nodes { inputDataElementId data } }`,
    );
    expect(dig(next.execution, 'items', 'nodes')).toEqual([
      {
        inputDataElementId: itemId(first.id, 0),
        data: expect.objectContaining({ filename: 'a.md.json', mediaType: 'application/json', documents: 1 }),
      },
      {
        inputDataElementId: itemId(first.id, 1),
        data: {
          ...{ text: 'Plain\n"text" 🎉', filename: 'b.txt', mediaType: 'text/plain', metadata: null, documents: 1 },
        },
      },
      {
        inputDataElementId: itemId(first.id, 2),
        data: expect.objectContaining({ text: 'null', metadata: { gives: null } }),
      },
    ]);
    const text = String(dig(next.execution, 'items', 'nodes', 0, 'data', 'text'));
    expect(JSON.parse(text)).toEqual({ z: 1, a: [null, 'ü'], 10: 0 });
    // What an element came from is found by its id.
    expect(
      await app.ask('query ($id: ID!) { node(id: $id) { __typename ... on BatchItem { filename } } }', {
        id: itemId(first.id, 1),
      }),
    ).toEqual({ __typename: 'BatchItem', filename: 'b.txt' });

    // A retried item is an element from then on, in its place.
    await app.mutate('retryFailedItems', 'retriedCount', { batchExecutionId: first.id, mode: 'ALL' });
    await app.ended(first.id, 'status');
    expect(idsOf(await elements(output))).toEqual([0, 1, 2, 3].map((ordinal) => itemId(first.id, ordinal)));
  });

  test('a result that was corrected is the element as corrected', async () => {
    const { id, execution } = await run({ agent: 'giver', input: { items: [item('a', { gives: { total: 1 } })] } });
    const itemId0 = itemId(id, 0);
    expect(await app.mutate('correctBatchItem', '__typename', { itemId: itemId0, data: 'By hand.' })).toMatchObject({
      __typename: 'CorrectBatchItemSuccess',
    });
    const output = outputOf(execution);
    expect(dig(await elements(output), 'elements', 'nodes')).toMatchObject([
      { id: itemId0, filename: 'a.txt', mediaType: 'text/plain', sizeBytes: 8 },
    ]);
    const read = await run({ agent: 'seer', input: { datasourceId: output } }, {}, 'items { nodes { data } }');
    expect(read.execution).toMatchObject({ items: { nodes: [{ data: { text: 'By hand.', filename: 'a.txt' } }] } });
  });

  test('of several tiers the result of the last is the element', async () => {
    const { id, execution } = await run({
      tiers: [{ agent: 'giver' }, { agent: 'seer' }],
      input: { items: [item('a', { gives: 'first' })] },
    });
    const read = await run(
      { agent: 'seer', input: { datasourceId: outputOf(execution) } },
      {},
      'items { nodes { data } }',
    );
    const data = dig(read.execution, 'items', 'nodes', 0, 'data');
    expect(JSON.parse(String(dig(data, 'text')))).toMatchObject({ filename: 'a', text: 'text of a' });
    expect(id).toBeTruthy();
  });

  test('a named output gathers executions in their order; pages and filters choose from all of them', async () => {
    const output = { datasourceId: await results('gathered') };
    const runs = [];
    for (const names of [['a.md', 'b.md', 'c.txt'], ['d.md'], ['e.txt', 'f.md']]) {
      const spec = { agent: 'giver', input: { items: names.map((name) => item(name, { gives: [name] })) }, output };
      runs.push((await run(spec)).id);
    }
    const all = runs.flatMap((id, n) => Array.from({ length: [3, 1, 2][n] ?? 0 }, (_, at) => itemId(id, at)));
    expect(idsOf(await elements(output.datasourceId))).toEqual(all);
    const paged: string[] = [];
    for (let after = ''; ; ) {
      const page = await elements(output.datasourceId, `first: 2${after}`);
      paged.push(...idsOf(page));
      if (dig(page, 'elements', 'pageInfo', 'hasNextPage') !== true) break;
      after = `, after: "${String(dig(page, 'elements', 'pageInfo', 'endCursor'))}"`;
    }
    expect(paged).toEqual(all);
    const filtered = async (filters: string) => idsOf(await elements(output.datasourceId, `filters: { ${filters} }`));
    expect(await filtered('regex: "md\\\\.json$"')).toEqual([0, 1, 3, 5].map((n) => all[n]));
    expect(await filtered('mediaTypes: ["text/*"]')).toEqual([]);
    expect(
      await filtered(
        `elementIds: ["${all[5]}", "${all[1]}", "${all[1]}", "nothing", "${itemId(newId('BatchExecution'), 0)}"]`,
      ),
    ).toEqual([all[1], all[5]]);
    const one = async (id: unknown) =>
      app.ask('query ($id: ID!, $of: ID!) { datasource(id: $of) { element(id: $id) { id } } }', {
        ...{ id, of: output.datasourceId },
      });
    expect(await one(all[3])).toEqual({ element: { id: all[3] } });
    expect(await one('x')).toEqual({ element: null });

    for (const [filters, total] of [
      [{ regex: 'md' }, 4],
      [{ elementIds: [all[2], all[0]] }, 2],
      [{ mediaTypes: ['application/json'], elementIds: [all[4]] }, 1],
    ] as const) {
      const { execution } = await run({ agent: 'echo', input: { datasourceId: output.datasourceId, filters } });
      expect(execution, JSON.stringify(filters)).toMatchObject({ status: 'COMPLETED', counts: { total } });
    }
  });

  test('thousands of results of several executions are frozen whole, once each and in order', async () => {
    const output = { datasourceId: await results('thousands') };
    const all: string[] = [];
    for (const size of [1_300, 1, 999]) {
      const items = Array.from({ length: size }, (_, n) => item(`${size}-${n}`));
      const { id } = await run({ agent: 'echo', input: { items }, output, execution: { concurrency: 100 } });
      all.push(...items.map((_, n) => itemId(id, n)));
    }
    const { id } = await run({ agent: 'echo', input: output, execution: { concurrency: 100 } });
    const frozen: unknown[] = [];
    for (let after: unknown = null; ; ) {
      const page = await app.ask(
        'query ($id: ID!, $after: String) { batchExecution(id: $id) { status items(first: 1000, after: $after) { nodes { inputDataElementId status } pageInfo { hasNextPage endCursor } } } }',
        { id, after },
      );
      const nodes = dig(page, 'items', 'nodes') as { inputDataElementId: string; status: string }[];
      frozen.push(...nodes.map((node) => node.inputDataElementId));
      after = dig(page, 'items', 'pageInfo', 'endCursor');
      if (dig(page, 'items', 'pageInfo', 'hasNextPage') !== true) break;
    }
    expect(frozen).toEqual(all);
  });

  test('of an output that is still being written an execution takes what is there, and it cannot be deleted', async () => {
    const datasourceId = await results('unfinished');
    const items = [1, 2, 3, 4, 5].map((n) => item(`${n}`));
    const created = await create({ agent: 'echo', input: { items }, output: { datasourceId } }, { sampleSize: 2 });
    const writer = String(dig(created, 'batchExecution', 'id'));
    await until(async () => {
      const shown = await app.ask('query ($id: ID!) { batchExecution(id: $id) { status } }', { id: writer });
      return dig(shown, 'status') === 'PAUSED';
    });
    const remove = () => app.mutate('deleteDatasource', 'deletedId', { datasourceId });
    expect(await remove()).toMatchObject({ code: 'INVALID_STATE', status: 'IN_USE' });
    const reader = await run({ agent: 'echo', input: { datasourceId } });
    expect(reader.execution).toMatchObject({ status: 'COMPLETED', counts: { total: 2 } });
    await app.mutate('resumeBatchExecution', 'batchExecution { id }', { batchExecutionId: writer });
    await app.ended(writer, 'status');
    expect(idsOf(await elements(datasourceId))).toHaveLength(5);
    expect(await remove()).toMatchObject({ code: 'INVALID_STATE', status: 'REFERENCED' });
  });

  test('an output that nothing reads is deleted once its writers have ended, and they stay whole', async () => {
    const datasourceId = await results('passing');
    const { id } = await run({ agent: 'echo', input: { items: [item('a')] }, output: { datasourceId } });
    expect(await app.mutate('deleteDatasource', 'deletedId', { datasourceId })).toMatchObject({
      deletedId: datasourceId,
    });
    const shown = await app.ended(id, `${SHOW} items { nodes { status data } }`);
    expect(shown).toMatchObject({ outputDatasource: null, items: { nodes: [{ status: 'SUCCEEDED' }] } });
  });

  test('the overrides of an execution name another output than its definition', async () => {
    const [one, other] = [await results('of the definition'), await results('of the override')];
    const spec = { agent: 'echo', input: { items: [item('a')] }, output: { datasourceId: one } };
    const { execution } = await run(
      spec,
      { inputOverrides: { output: { datasourceId: other } } },
      `${SHOW} inputOverrides spec definition { spec }`,
    );
    expect(execution).toMatchObject({
      outputDatasource: { id: other },
      inputOverrides: { output: { datasourceId: other } },
      spec: { output: { datasourceId: other } },
      definition: { spec: { output: { datasourceId: one } } },
    });
    expect(idsOf(await elements(other))).toHaveLength(1);
    const own = await run(
      spec,
      { inputOverrides: { output: { datasourceId: null } } },
      `${SHOW} inputOverrides spec definition { id }`,
    );
    expect(own.execution).toMatchObject({
      outputDatasource: { kind: 'EXECUTION_RESULTS' },
      inputOverrides: { output: { datasourceId: null } },
    });
    expect(dig(own.execution, 'spec', 'output')).toBeUndefined();
    const again = await app.mutate('rerunBatchExecution', `batchExecution { ${SHOW} }`, { batchExecutionId: own.id });
    expect(again).toMatchObject({ batchExecution: { outputDatasource: { kind: 'EXECUTION_RESULTS' } } });
    expect(idsOf(await elements(one))).toEqual([]);
  });

  test('a definition whose output was deleted runs with an override of it', async () => {
    const gone = await results('soon gone');
    const { execution } = await run(
      { agent: 'echo', input: { items: [] }, output: { datasourceId: gone } },
      {},
      'definition { id }',
    );
    const source = { definitionId: dig(execution, 'definition', 'id') };
    await app.mutate('deleteDatasource', 'deletedId', { datasourceId: gone });
    const execute = (more: object) =>
      app.mutate('createBatchExecution', 'batchExecution { outputDatasource { kind } }', { source, ...more });
    expect(await execute({})).toMatchObject({ issues: [{ type: 'not_found' }] });
    expect(await execute({ inputOverrides: { output: { datasourceId: null } } })).toMatchObject({
      batchExecution: { outputDatasource: { kind: 'EXECUTION_RESULTS' } },
    });
  });

  test('results go to a datasource of results that is there and is not the one that is read', async () => {
    const made = await app.mutate('createStoredDatasource', 'datasource { id }', { name: 'no results' });
    const stored = String(dig(made, 'datasource', 'id'));
    const own = outputOf((await run({ agent: 'echo', input: { items: [] } })).execution);
    const named = await results('both');
    const refused = async (input: object, output: unknown, more: Record<string, unknown> = {}) => {
      const answer = await create({ agent: 'echo', input, output }, more);
      return (dig(answer, 'issues') as { loc: string[]; type: string }[]).map(({ loc, type }) => [loc.join('.'), type]);
    };
    const loc = 'input.source.spec.output.datasourceId';
    expect(await refused({ items: [] }, { datasourceId: stored })).toEqual([[loc, 'datasource_kind']]);
    expect(await refused({ items: [] }, { datasourceId: own })).toEqual([[loc, 'datasource_kind']]);
    expect(await refused({ items: [] }, { datasourceId: newId('Datasource') })).toEqual([[loc, 'not_found']]);
    expect(await refused({ datasourceId: named }, { datasourceId: named })).toEqual([[loc, 'conflict']]);
    const overrides = { inputOverrides: { output: { datasourceId: named } } };
    expect(await refused({ datasourceId: named }, undefined, overrides)).toEqual([
      ['input.inputOverrides.output.datasourceId', 'conflict'],
    ]);
    expect(
      await app.mutate('addDataElements', '__typename', {
        datasourceId: named,
        elements: [{ filename: 'a', text: '' }],
      }),
    ).toMatchObject({ code: 'INVALID_STATE', status: 'RESULTS' });
  });

  test('the datasources of single executions are listed only when asked for', async () => {
    const { execution } = await run({ agent: 'echo', input: { items: [] } });
    const list = async (args: string) =>
      JSON.stringify(await app.ask(`{ datasources(first: 1000${args}) { nodes { id kind } } }`));
    expect(await list('')).not.toContain('EXECUTION_RESULTS');
    expect(await list(', kinds: [EXECUTION_RESULTS]')).toContain(outputOf(execution));
    expect(await list(', kinds: [RESULTS]')).not.toContain('EXECUTION_RESULTS');
  });
});
