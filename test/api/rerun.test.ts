/** A past execution run again, as it was or with what is newest. */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { dig } from '../support/server.ts';
import { until } from '../support/until.ts';
import { startWholeApp, type WholeApp } from '../support/whole-app.ts';

const code = (text: string) =>
  `export default { run: ({ item, userMessage }) => ({ said: '${text}', to: item.filename, userMessage }) };`;

const SHOW = `id name status metadata inputOverrides spec priority sampleSize toleratedFailures deadlineAt
  definition { id version } agents { id version } rerunOf { id } inputDatasource { id } outputDatasource { id }
  items { nodes { inputDataElementId data } }`;

describe.each(['embedded', 'postgres'] as const)('rerunning (%s)', (kind) => {
  let app: WholeApp;
  let datasourceId: string;
  beforeAll(async () => {
    app = await startWholeApp(kind, { 'sayer.mjs': code('one') });
    const made = await app.mutate('createStoredDatasource', 'datasource { id }', { name: 'inputs' });
    datasourceId = String(dig(made, 'datasource', 'id'));
    const elements = ['a.txt', 'b.txt'].map((filename) => ({ filename, text: filename }));
    await app.mutate('addDataElements', 'added { id }', { datasourceId, elements });
  });
  afterAll(() => app.stop());

  const create = (input: Record<string, unknown>) =>
    app.mutate('createBatchExecution', 'batchExecution { id definition { id } }', input);
  const rerun = (batchExecutionId: unknown, input: Record<string, unknown> = {}) =>
    app.mutate('rerunBatchExecution', 'created batchExecution { id rerunOf { id } }', { batchExecutionId, ...input });
  const idOf = (answer: unknown) => dig(answer, 'batchExecution', 'id');
  const shown = async (answer: unknown) => await app.ended(idOf(answer), SHOW);
  const said = (execution: unknown) =>
    (dig(execution, 'items', 'nodes') as { data: { said: string } }[]).map(({ data }) => data.said);
  /** Changes the agent's code, and waits until new executions would run it. */
  async function change(text: string): Promise<void> {
    const version = async () =>
      dig(await app.ask('{ agent(name: "sayer") { currentVersion { id } } }'), 'currentVersion', 'id');
    const before = await version();
    writeFileSync(path.join(app.agentsDir, 'sayer.mjs'), code(text));
    await until(async () => (await version()) !== before);
  }

  test('it runs the same recipe, overrides, metadata and agents, over what the datasource has now', async () => {
    const past = await create({
      source: { spec: { name: 'again', agent: 'sayer', input: { datasourceId } } },
      inputOverrides: { filters: { regex: 'txt$' }, userMessage: 'Hi.', concurrency: 2, retryLimit: 0 },
      ...{ metadata: { z: 1, a: 2 }, priority: 3, toleratedFailures: { count: 5 } },
      deadlineAt: '2999-01-01T00:00:00.000Z',
    });
    const before = await shown(past);
    await change('two');
    const elements = ['c.txt', 'd.md'].map((filename) => ({ filename, text: filename }));
    await app.mutate('addDataElements', 'added { id }', { datasourceId, elements });
    const again = await rerun(idOf(past));
    expect(again).toMatchObject({ created: true, batchExecution: { rerunOf: { id: idOf(past) } } });
    const after = await shown(again);
    expect(after).toMatchObject({
      ...{ status: 'COMPLETED', metadata: { z: 1, a: 2 }, priority: 3, toleratedFailures: 5, deadlineAt: null },
      ...{ definition: dig(before, 'definition'), agents: dig(before, 'agents'), spec: dig(before, 'spec') },
      inputOverrides: { filters: { regex: 'txt$' }, userMessage: 'Hi.', concurrency: 2, retryLimit: 0 },
    });
    expect(dig(before, 'rerunOf')).toBeNull();
    expect(said(before)).toEqual(['one', 'one']);
    expect(dig(after, 'items', 'nodes')).toEqual(
      ['a.txt', 'b.txt', 'c.txt'].map((name) => ({
        inputDataElementId: name,
        data: { said: 'one', to: name, userMessage: 'Hi.' },
      })),
    );
    expect(dig(after, 'outputDatasource', 'id')).not.toBe(dig(before, 'outputDatasource', 'id'));
    const newest = await shown(await rerun(idOf(past), { agentVersion: 'LATEST', metadata: null }));
    expect(newest).toMatchObject({ metadata: null, definition: dig(before, 'definition') });
    expect(said(newest)).toEqual(['two', 'two', 'two']);
    expect(dig(newest, 'agents', 0, 'version')).not.toBe(dig(before, 'agents', 0, 'version'));
  });

  test('with the newest definition its content counts, with the agent versions that ran or the newest', async () => {
    const items = [{ filename: 'x', text: '' }];
    const past = await create({ source: { spec: { name: 'forked', agent: 'sayer', input: { items } } } });
    const before = await shown(past);
    const batchDefinitionId = dig(past, 'batchExecution', 'definition', 'id');
    await app.mutate('updateBatchDefinition', 'changed', { batchDefinitionId, changes: { userMessage: 'Forked.' } });
    await change('three');
    const pinned = await shown(await rerun(idOf(past), { definitionVersion: 'LATEST' }));
    expect(pinned).toMatchObject({
      ...{ definition: { version: 2 }, agents: dig(before, 'agents') },
      items: { nodes: [{ data: { said: said(before)[0], userMessage: 'Forked.' } }] },
    });
    const latest = await shown(await rerun(idOf(past), { definitionVersion: 'LATEST', agentVersion: 'LATEST' }));
    expect(said(latest)).toEqual(['three']);
    const same = await shown(await rerun(idOf(past)));
    expect(same).toMatchObject({ definition: { version: 1 }, agents: dig(before, 'agents') });
  });

  test("a draft's own items are run again, also by the newest definition", async () => {
    const items = [{ filename: 'drafted', text: '' }];
    const draft = await create({
      draft: true,
      source: { spec: { name: 'drafted', agent: 'sayer', input: { items } } },
    });
    expect(await rerun(idOf(draft))).toMatchObject({ __typename: 'InvalidStateError', status: 'DRAFT' });
    await app.mutate('submitBatchExecution', 'batchExecution { id }', { batchExecutionId: idOf(draft) });
    await shown(draft);
    const again = await shown(await rerun(idOf(draft)));
    expect(again).toMatchObject({ items: { nodes: [{ inputDataElementId: 'item-0', data: { to: 'drafted' } }] } });
    const made = await create({
      draft: true,
      source: { definitionId: String(dig(draft, 'batchExecution', 'definition', 'id')) },
    });
    await app.mutate('addBatchItems', 'addedCount', {
      ...{ batchExecutionId: idOf(made), items: [{ filename: 'other', text: '' }] },
    });
    await app.mutate('submitBatchExecution', 'batchExecution { id }', { batchExecutionId: idOf(made) });
    await shown(made);
    const other = await shown(await rerun(idOf(made), { definitionVersion: 'LATEST' }));
    expect(other).toMatchObject({ items: { nodes: [{ data: { to: 'other' } }] } });
  });

  test('a repeated call with its key answers the first one, and other input is a conflict', async () => {
    const past = await create({ source: { spec: { name: 'keyed', agent: 'sayer', input: { items: [] } } } });
    const idempotencyKey = 'rerun once';
    const answers = await Promise.all([1, 2, 3].map(() => rerun(idOf(past), { idempotencyKey })));
    expect(new Set(answers.map(idOf)).size).toBe(1);
    expect(answers.filter((answer) => dig(answer, 'created') === true)).toHaveLength(1);
    const first = idOf(answers[0]);
    expect(await rerun(idOf(past), { idempotencyKey, metadata: 1 })).toMatchObject({ existingId: first });
    expect(await rerun('exec_nothing')).toMatchObject({ __typename: 'NotFoundError' });
  });

  test('what is gone cannot be run again: the definition, or its output', async () => {
    const output = await app.mutate('createResultsDatasource', 'datasource { id }', { name: 'gone soon' });
    const outputId = String(dig(output, 'datasource', 'id'));
    const past = await create({
      source: { spec: { name: 'gone', agent: 'sayer', input: { items: [] }, output: { datasourceId: outputId } } },
    });
    await shown(past);
    await app.mutate('deleteDatasource', 'deletedId', { datasourceId: outputId });
    expect(await rerun(idOf(past))).toMatchObject({ issues: [{ type: 'not_found' }] });
    const batchDefinitionId = dig(past, 'batchExecution', 'definition', 'id');
    await app.mutate('deleteBatchDefinition', 'deletedCount', { batchDefinitionId });
    for (const definitionVersion of ['PINNED', 'LATEST']) {
      expect(await rerun(idOf(past), { definitionVersion })).toMatchObject({ status: 'DELETED' });
    }
  });

  test('overrides that the newest definition cannot have are told of, and nothing is made', async () => {
    const made = await app.mutate('createResultsDatasource', 'datasource { id }', { name: 'becomes an input' });
    const resultsId = String(dig(made, 'datasource', 'id'));
    const past = await create({
      source: { spec: { name: 'overridden', agent: 'sayer', input: { items: [] } } },
      inputOverrides: { output: { datasourceId: resultsId }, userMessage: '{{> other}}' },
    });
    await shown(past);
    const batchDefinitionId = dig(past, 'batchExecution', 'definition', 'id');
    const http = { baseURL: 'https://model.example/v1', model: 'm', user: '{{text}}' };
    await app.mutate('createAgent', 'agent { id }', { name: 'asks', config: { chat: http } });
    const changes = { agent: 'asks', input: { datasourceId: resultsId } };
    expect(await app.mutate('updateBatchDefinition', 'changed', { batchDefinitionId, changes })).toMatchObject({
      changed: true,
    });
    const refused = await rerun(idOf(past), { definitionVersion: 'LATEST' });
    expect((dig(refused, 'issues') as { type: string }[]).map(({ type }) => type)).toEqual(['template', 'conflict']);
    expect(await rerun(idOf(past))).toMatchObject({ created: true });
  });

  test('a definition that names a version of an agent runs that one whatever is newest', async () => {
    const frozen = dig(await app.ask('{ agent(name: "sayer") { currentVersion { id } } }'), 'currentVersion', 'id');
    const past = await create({
      source: { spec: { name: 'frozen', agent: String(frozen), input: { items: [{ filename: 'x', text: '' }] } } },
    });
    const before = await shown(past);
    await change('four');
    const after = await shown(await create({ source: { definitionId: dig(before, 'definition', 'id') } }));
    expect(after).toMatchObject({ agents: [{ id: frozen }] });
    expect(said(after)).toEqual(said(before));
    const unknown = { name: 'frozen', agent: 'agv_aaaaaaaaaaaaaaaaaaaaa', input: { items: [] } };
    expect(await create({ source: { spec: unknown } })).toMatchObject({ issues: [{ type: 'not_found' }] });
  });
});
