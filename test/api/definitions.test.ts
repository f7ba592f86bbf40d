/** Definitions as lines of versions: updated in parts, deleted, run with overrides. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { dig } from '../support/server.ts';
import { startWholeApp, type WholeApp } from '../support/whole-app.ts';

const AGENT = `export default { run: ({ item, userMessage, config }) => ({ name: item.filename, userMessage, config }) };`;

const VERSION = 'id name version urn description deletedAt createdBy spec parent { id version }';

describe.each(['embedded', 'postgres'] as const)('definitions (%s)', (kind) => {
  let app: WholeApp;
  let datasourceId: string;
  let count = 0;
  beforeAll(async () => {
    app = await startWholeApp(kind, { 'teller.mjs': AGENT });
    const made = await app.mutate('createStoredDatasource', 'datasource { id }', { name: 'letters' });
    datasourceId = String(dig(made, 'datasource', 'id'));
    const elements = ['a.txt', 'b.txt', 'c.md'].map((filename) => ({ filename, text: filename }));
    await app.mutate('addDataElements', 'added { id }', { datasourceId, elements });
  });
  afterAll(() => app.stop());

  /** A definition under a name of its own. */
  async function define(spec: Record<string, unknown> = {}, more: Record<string, unknown> = {}) {
    count += 1;
    const whole = { name: `line-${count}`, agent: 'teller', input: { datasourceId }, ...spec };
    const made = await app.mutate('createBatchDefinition', `created batchDefinition { ${VERSION} }`, {
      spec: whole,
      ...more,
    });
    return { made, id: String(dig(made, 'batchDefinition', 'id')), name: whole.name };
  }
  const update = (batchDefinitionId: string, input: Record<string, unknown> = {}) =>
    app.mutate('updateBatchDefinition', `changed batchDefinition { ${VERSION} }`, { batchDefinitionId, ...input });
  const remove = (batchDefinitionId: string, scope?: string) =>
    app.mutate('deleteBatchDefinition', 'deletedCount batchDefinition { id version deletedAt }', {
      batchDefinitionId,
      ...(scope && { scope }),
    });
  const execute = (definitionId: string, input: Record<string, unknown> = {}) =>
    app.mutate('createBatchExecution', 'created batchExecution { id definition { id version } }', {
      source: { definitionId },
      ...input,
    });
  const idOf = (answer: unknown) => String(dig(answer, 'batchDefinition', 'id'));

  test('a partial update makes the next version, with what it names changed and all else kept', async () => {
    const { id, made } = await define(
      {
        config: { a: 1 },
        userMessage: 'Hi.',
        execution: { concurrency: 3, retryLimit: 7 },
        additionalProperties: { k: [1] },
      },
      { description: 'First.' },
    );
    const changes = {
      execution: { concurrency: 5 },
      input: { filters: { mediaTypes: ['text/*'] } },
      userMessage: null,
    };
    const two = await update(id, { changes });
    expect(two).toMatchObject({
      changed: true,
      batchDefinition: { version: 2, parent: { id, version: 1 }, description: 'First.' },
    });
    const spec = dig(made, 'batchDefinition', 'spec') as { execution: object; input: object };
    expect(dig(two, 'batchDefinition', 'spec')).toEqual({
      ...spec,
      tiers: [{ agent: 'teller', config: { a: 1 } }],
      input: { ...spec.input, filters: { mediaTypes: ['text/*'] } },
      execution: { ...spec.execution, concurrency: 5 },
    });
    expect(await app.ask('query ($id: ID!) { batchDefinition(id: $id) { version spec } }', { id })).toEqual({
      version: 1,
      spec,
    });
    const three = await update(idOf(two), {
      description: null,
      changes: { config: null, input: { items: [{ filename: 'own.txt', text: 'x' }], filters: null }, execution: null },
    });
    expect(three).toMatchObject({ batchDefinition: { version: 3, description: null, parent: { version: 2 } } });
    expect(dig(three, 'batchDefinition', 'spec')).toMatchObject({
      tiers: [{ agent: 'teller' }],
      input: { datasourceId: expect.not.stringMatching(datasourceId) },
      execution: { concurrency: 10, retryLimit: 2 },
      additionalProperties: { k: [1] },
    });
    expect(dig(three, 'batchDefinition', 'spec', 'input', 'filters')).toBeUndefined();
  });

  test('an update that changes nothing answers the version that was there', async () => {
    const { id } = await define({ execution: { concurrency: 3 } });
    for (const input of [{}, { changes: {} }, { changes: { execution: { concurrency: 3 }, agent: 'teller' } }]) {
      expect(await update(id, input), JSON.stringify(input)).toMatchObject({
        changed: false,
        batchDefinition: { id, version: 1 },
      });
    }
  });

  test('an update keeps every value that a spec can have', async () => {
    const tier = {
      ...{ agent: 'teller', userMessage: 'Hi.', config: { a: 1 }, rateLimit: { starts: 5, per: 'MINUTE' } },
      outputSchema: { type: 'object' },
      artifacts: [{ name: 'a.txt', type: 'TEXT' }],
      prices: { inputPerMillion: 1, outputPerMillion: 2, currency: 'EUR' },
    };
    const execution = {
      ...{ concurrency: 3, retryLimit: 1, itemTimeoutMs: 9_000, tokenBudget: 1_000, costBudget: 0.5 },
      backoff: { baseMs: 5, factor: 3, maxMs: 50, jitter: 'NONE' },
      retryRules: [{ category: 'TIMEOUT', retryLimit: 2 }],
    };
    const output = await app.mutate('createResultsDatasource', 'datasource { id }', { name: 'of everything' });
    const { id, made } = await define({
      ...{ agent: undefined, tiers: [tier, { agent: 'teller' }], execution, additionalProperties: { k: 1 } },
      input: {
        datasourceId,
        filters: { regex: 'a', mediaTypes: ['*/*'], elementIds: ['a.txt'], additionalProperties: 1 },
      },
      output: { datasourceId: dig(output, 'datasource', 'id') },
    });
    expect(dig(made, '__typename')).toBe('CreateBatchDefinitionSuccess');
    expect(await update(id)).toMatchObject({ changed: false, batchDefinition: { id } });
    const two = await update(id, { changes: { execution: { concurrency: 4 } } });
    const spec = dig(made, 'batchDefinition', 'spec') as { execution: object };
    expect(dig(two, 'batchDefinition', 'spec')).toEqual({ ...spec, execution: { ...spec.execution, concurrency: 4 } });
  });

  test('of updates at once exactly one makes the next version, and the others are conflicts that name it', async () => {
    const { id, name } = await define();
    const answers = await Promise.all(
      [1, 2, 3, 4].map((concurrency) => update(id, { changes: { execution: { concurrency } } })),
    );
    const won = answers.filter((answer) => dig(answer, 'changed') === true);
    expect(won).toHaveLength(1);
    const lost = answers.filter((answer) => dig(answer, '__typename') === 'VersionConflictError');
    expect(lost).toHaveLength(3);
    for (const answer of lost)
      expect(answer).toMatchObject({ code: 'VERSION_CONFLICT', newestVersion: 2, newestId: idOf(won[0]) });
    expect(await app.ask('query ($name: String!) { batchDefinition(name: $name) { version } }', { name })).toEqual({
      version: 2,
    });
  });

  test('of equal updates at once one makes the version and the others answer it', async () => {
    const { id } = await define();
    const changes = { userMessage: 'The same.' };
    const answers = await Promise.all([1, 2, 3].map(() => update(id, { changes })));
    expect(new Set(answers.map(idOf)).size).toBe(1);
    expect(answers.filter((answer) => dig(answer, 'changed') === true)).toHaveLength(1);
  });

  test('an older version is gone back to by naming the newest, also when its content was there before', async () => {
    const { id, name } = await define({ userMessage: 'One.' });
    const two = await update(id, { changes: { userMessage: 'Two.' } });
    expect(await update(id, { changes: { userMessage: 'Other.' } })).toMatchObject({ newestVersion: 2 });
    expect(await update(idOf(two), { changes: { userMessage: 'One.' } })).toMatchObject({
      changed: true,
      batchDefinition: { version: 3, spec: { tiers: [{ userMessage: 'One.' }] } },
    });
    expect(await update(id, { changes: { userMessage: 'Four.' }, expectedVersion: 2 })).toMatchObject({
      newestVersion: 3,
    });
    expect(await update(id, { changes: { userMessage: 'Four.' }, expectedVersion: 3 })).toMatchObject({
      batchDefinition: { version: 4, parent: { version: 1 } },
    });
    const listed = await app.ask(
      'query ($name: String!) { batchDefinition(name: $name) { version versions(first: 3) { nodes { version } pageInfo { hasNextPage endCursor } } } }',
      { name },
    );
    expect(listed).toMatchObject({
      version: 4,
      versions: { nodes: [{ version: 4 }, { version: 3 }, { version: 2 }], pageInfo: { hasNextPage: true } },
    });
    const rest = await app.ask(
      'query ($name: String!, $after: String) { batchDefinition(name: $name) { versions(after: $after) { nodes { version } } } }',
      { name, after: dig(listed, 'versions', 'pageInfo', 'endCursor') },
    );
    expect(rest).toEqual({ versions: { nodes: [{ version: 1 }] } });
    const newest = await app.ask('{ batchDefinitions(newestOnly: true, first: 1000) { nodes { name version } } }');
    const ofName = (dig(newest, 'nodes') as { name: string }[]).filter((one) => one.name === name);
    expect(ofName).toEqual([{ name, version: 4 }]);
  });

  test('an older version is gone back to without changes too, and a repeat of that answers it', async () => {
    const { id, name } = await define({ userMessage: 'One.' });
    await update(id, { changes: { userMessage: 'Two.' } });
    expect(await update(id)).toMatchObject({ changed: false, batchDefinition: { version: 1 } });
    expect(await update(id, { expectedVersion: 1 })).toMatchObject({ code: 'VERSION_CONFLICT', newestVersion: 2 });
    const back = { version: 3, parent: { version: 1 }, spec: { tiers: [{ userMessage: 'One.' }] } };
    expect(await update(id, { expectedVersion: 2 })).toMatchObject({ changed: true, batchDefinition: back });
    expect(await update(id, { expectedVersion: 2 })).toMatchObject({ changed: false, batchDefinition: back });
    expect(await app.ask(`{ batchDefinition(name: "${name}") { version } }`)).toEqual({ version: 3 });
  });

  test('a problem of the only tier is told at the place where the changes have it', async () => {
    const { id } = await define();
    const answer = await update(id, { changes: { agent: 'nobody', artifacts: [{ name: '' }], userMessage: null } });
    expect((dig(answer, 'issues') as { loc: string[] }[]).map(({ loc }) => loc.join('.')).sort()).toEqual([
      'input.changes.agent',
      'input.changes.artifacts.0.name',
    ]);
  });

  test('every problem of an update is told at once, and nothing is made', async () => {
    const { id, name } = await define({ agent: undefined, tiers: [{ agent: 'teller' }, { agent: 'teller' }] });
    const answer = await update(id, {
      expectedVersion: 0,
      changes: {
        agent: 'nobody',
        execution: { concurrency: 0 },
        input: { datasourceId: 'ds_x', filters: { regex: '(' } },
      },
    });
    expect((dig(answer, 'issues') as { loc: string[] }[]).map(({ loc }) => loc.join('.')).sort()).toEqual([
      'input.changes.agent',
      'input.changes.execution.concurrency',
      'input.changes.input.datasourceId',
      'input.changes.input.filters.regex',
      'input.changes.tiers.0.agent',
      'input.changes.tiers.1.agent',
      'input.expectedVersion',
    ]);
    expect(await app.ask('query ($name: String!) { batchDefinition(name: $name) { version } }', { name })).toEqual({
      version: 1,
    });
    expect(await update('def_nothing')).toMatchObject({ __typename: 'NotFoundError' });
  });

  test('a repeated create or update with its key answers what the first made, and other input is a conflict', async () => {
    const key = `key-${kind}`;
    const spec = { name: 'keyed', agent: 'teller', input: { datasourceId } };
    const create = (input: Record<string, unknown>) =>
      app.mutate('createBatchDefinition', `created batchDefinition { ${VERSION} }`, { idempotencyKey: key, ...input });
    const answers = await Promise.all([1, 2, 3].map(() => create({ spec })));
    expect(new Set(answers.map(idOf)).size).toBe(1);
    const id = idOf(answers[0]);
    const changes = { userMessage: 'Next.' };
    const two = await update(id, { idempotencyKey: `${key}-2`, changes });
    await update(idOf(two), { changes: { userMessage: 'After.' } });
    expect(await update(id, { idempotencyKey: `${key}-2`, changes })).toMatchObject({
      changed: false,
      batchDefinition: { version: 2 },
    });
    expect(await create({ spec })).toMatchObject({ created: false, batchDefinition: { version: 1 } });
    for (const answer of [
      await create({ spec: { ...spec, userMessage: 'x' } }),
      await update(id, { idempotencyKey: key }),
    ])
      expect(answer).toMatchObject({ code: 'IDEMPOTENCY_CONFLICT', existingId: id });
  });

  test('a deleted definition leaves the lists and makes nothing new, while its executions stay whole', async () => {
    const { id, name, made } = await define();
    const two = await update(id, { changes: { userMessage: 'Two.' } });
    const ran = await execute(id);
    const executionId = dig(ran, 'batchExecution', 'id');
    expect(await remove(id)).toMatchObject({ deletedCount: 2, batchDefinition: { id, deletedAt: expect.any(String) } });
    expect(await remove(id)).toMatchObject({ deletedCount: 0 });

    const found = (args: string) => app.ask(`{ batchDefinition(${args}) { version deletedAt } }`);
    expect(await found(`name: "${name}"`)).toBeNull();
    expect(await found(`name: "${name}", version: 1`)).toBeNull();
    const deleted = { version: 1, deletedAt: expect.any(String) };
    expect(await found(`id: "${id}"`)).toEqual(deleted);
    expect(await found(`urn: "${String(dig(made, 'batchDefinition', 'urn'))}"`)).toEqual(deleted);
    expect(dig(await app.ask(`{ batchDefinitions(name: "${name}") { nodes { id } } }`), 'nodes')).toEqual([]);
    expect(await execute(id)).toMatchObject({ __typename: 'InvalidStateError', status: 'DELETED' });
    expect(await update(id)).toMatchObject({ __typename: 'InvalidStateError', status: 'DELETED' });

    const shown = await app.ended(executionId, 'status definition { version deletedAt } counts { succeeded }');
    expect(shown).toMatchObject({ status: 'COMPLETED', definition: deleted, counts: { succeeded: 3 } });

    // Its executions are found from it, each version's its own.
    const runs = async (version: string) =>
      dig(
        await app.ask('query ($id: ID!) { batchDefinition(id: $id) { executions { nodes { id } } } }', { id: version }),
        ...['executions', 'nodes'],
      );
    expect([await runs(id), await runs(idOf(two))]).toEqual([[{ id: executionId }], []]);

    // The name is free: the same content is a new version now, numbered behind all that were.
    const again = await app.mutate('createBatchDefinition', `created batchDefinition { ${VERSION} }`, {
      spec: { name, agent: 'teller', input: { datasourceId } },
    });
    expect(again).toMatchObject({ created: true, batchDefinition: { version: 3, parent: null } });
    expect(idOf(again)).not.toBe(idOf(two));
    expect(await remove(id)).toMatchObject({ deletedCount: 0 });
    expect(await found(`name: "${name}"`)).toEqual({ version: 3, deletedAt: null });
  });

  test('one version is deleted alone, and the newest is then the one before it', async () => {
    const { id, name } = await define();
    const two = await update(id, { changes: { userMessage: 'Two.' } });
    expect(await remove(idOf(two), 'THIS_VERSION')).toMatchObject({ deletedCount: 1 });
    expect(await app.ask(`{ batchDefinition(name: "${name}") { version } }`)).toEqual({ version: 1 });
    expect(await update(id, { changes: { userMessage: 'Three.' } })).toMatchObject({
      batchDefinition: { version: 3, parent: { version: 1 } },
    });
  });

  test('an execution keeps its overrides and runs by them', async () => {
    const { id } = await define({
      userMessage: 'Hi.',
      execution: { concurrency: 3, retryLimit: 7, itemTimeoutMs: 9_000 },
    });
    const inputOverrides = {
      filters: { elementIds: ['c.md', 'a.txt'], regex: 'c' },
      ...{ userMessage: 'Other.', concurrency: 1, retryLimit: 0, itemTimeoutMs: 5_000 },
    };
    const ran = await execute(id, { inputOverrides });
    const execution = await app.ended(
      dig(ran, 'batchExecution', 'id'),
      'inputOverrides spec concurrency retryLimit counts { total } definition { id spec } items { nodes { data } }',
    );
    expect(execution).toMatchObject({
      inputOverrides,
      ...{ concurrency: 1, retryLimit: 0, counts: { total: 1 } },
      spec: {
        tiers: [{ userMessage: 'Other.' }],
        input: { filters: inputOverrides.filters },
        execution: { concurrency: 1, retryLimit: 0, itemTimeoutMs: 5_000 },
      },
      definition: { id, spec: { tiers: [{ userMessage: 'Hi.' }], execution: { concurrency: 3, retryLimit: 7 } } },
      items: { nodes: [{ data: { name: 'c.md', userMessage: 'Other.' } }] },
    });
    // Filters without a condition are none: the preview and the execution take everything.
    const narrow = await define({ input: { datasourceId, filters: { elementIds: ['a.txt'] } } });
    const preview = await app.ask(
      'query ($id: ID!) { batchInputPreview(definitionId: $id, filters: {}) { matches { count } } }',
      { id: narrow.id },
    );
    expect(preview).toEqual({ matches: { count: 3 } });
    const whole = await execute(narrow.id, { inputOverrides: { filters: {} } });
    expect(await app.ended(dig(whole, 'batchExecution', 'id'), 'inputOverrides counts { total }')).toMatchObject({
      ...{ inputOverrides: { filters: {} }, counts: { total: 3 } },
    });
    const refused = await execute(id, {
      inputOverrides: { filters: { regex: '(' }, concurrency: 1_000, retryLimit: -1, itemTimeoutMs: 0 },
    });
    expect((dig(refused, 'issues') as { loc: string[] }[]).map(({ loc }) => loc.at(-1))).toEqual([
      'regex',
      'concurrency',
      'retryLimit',
      'itemTimeoutMs',
    ]);
  });
});
