import { beforeAll, expect, test } from 'vitest';
import { createSources } from '../../src/datasources/sources.ts';
import { newId } from '../../src/domain/ids.ts';
import type { Actor } from '../../src/domain/model.ts';
import { ValidationError } from '../../src/domain/user-error.ts';
import { checkOverrides, prepareSpec, storePrepared } from '../../src/services/batch-spec.ts';
import { createBatchDefinition } from '../../src/services/create-batch-definition.ts';
import { createStoredDatasource } from '../../src/services/create-datasource.ts';
import { deleteDatasource } from '../../src/services/delete-datasource.ts';
import { IssueList } from '../../src/services/issue-list.ts';
import type { ServiceDeps } from '../../src/services/ports.ts';
import { getBatchDefinition } from '../../src/services/read-definitions.ts';
import type { BatchSpecInput } from '../../src/services/spec-input.ts';
import type { Db } from '../../src/store/database.ts';
import { namedAgents } from '../support/agent-catalog.ts';
import { describeDatabases } from '../support/databases.ts';
import { makeProject } from '../support/rows.ts';

const SCHEMA = {
  type: 'object',
  required: ['lang'],
  properties: { lang: { enum: ['en', 'de'] }, depth: { type: 'integer' } },
  additionalProperties: false,
};

describeDatabases('batch specs', (open) => {
  let deps: ServiceDeps;
  beforeAll(async () => {
    const db: Db = await open();
    const parts = {
      db,
      newId,
      now: () => new Date(),
      sources: createSources(db, null),
      agents: namedAgents({ echo: null, strict: SCHEMA }),
    };
    // Nothing is run here, so there is neither an engine nor a feed.
    deps = parts as unknown as ServiceDeps;
  });

  const create = (actor: Actor, spec: BatchSpecInput, description?: string) =>
    createBatchDefinition(deps, actor, { spec, description });

  const inline = (...texts: string[]): BatchSpecInput => ({
    name: 'a-batch',
    agent: 'echo',
    input: { items: texts.map((text, index) => ({ filename: `${index}.txt`, text })) },
  });

  async function issuesOf(attempt: Promise<unknown>): Promise<string[]> {
    const error = await attempt.then(
      () => null,
      (thrown: unknown) => thrown,
    );
    if (!(error instanceof ValidationError)) throw error ?? new Error('was accepted');
    return error.issues.map(({ loc, type }) => `${loc.join('.')} ${type}`);
  }

  test('the stored spec is whole: defaults filled in, one tier for an agent, absent parts left out', async () => {
    const { actor } = await makeProject(deps.db);
    const { definition } = await create(actor, { ...inline('x'), userMessage: 'do it', config: null });
    expect(definition.spec).toEqual({
      name: 'a-batch',
      tiers: [{ agent: 'echo', userMessage: 'do it' }],
      input: { datasourceId: expect.stringMatching(/^ds_/) },
      execution: {
        ...{ concurrency: 10, retryLimit: 2, itemTimeoutMs: 300_000 },
        backoff: { baseMs: 1_000, factor: 2, maxMs: 300_000, jitter: 'FULL' },
      },
    });
    expect(definition).toMatchObject({ version: 1, parentId: null, createdBy: actor.keyId });
    expect(definition.urn).toBe(
      `urn:batchyard:batch-definition:${actor.customerId}:${actor.projectId}:${definition.id}`,
    );
  });

  test('every problem of a spec is told at once with its place, and nothing is stored', async () => {
    const { actor, projectId } = await makeProject(deps.db);
    const foreign = await createStoredDatasource(deps, (await makeProject(deps.db)).actor, { name: 'theirs' });
    const attempt = create(
      actor,
      {
        name: 'no label!',
        agent: 'echo',
        config: {},
        tiers: [
          { agent: 'strict', config: { lang: 'fr', extra: 1 } },
          { agent: '' },
          { agent: 'unknown' },
          { agent: newId('Agent') },
        ],
        input: {
          datasourceId: foreign.id,
          filters: { regex: '(', mediaTypes: ['text/*', 'text'], elementIds: ['x'.repeat(1_025)] },
        },
        execution: {
          concurrency: 0,
          retryLimit: -1,
          itemTimeoutMs: 86_400_001,
          backoff: { baseMs: -1, factor: 0.5, maxMs: 86_400_001 },
        },
        additionalProperties: { big: 'x'.repeat(70_000) },
      },
      'x'.repeat(2_001),
    );
    const found = await issuesOf(attempt);
    expect(found.sort()).toEqual(
      [
        'input.description too_big',
        'input.spec.additionalProperties custom',
        'input.spec.agent conflict',
        'input.spec.config conflict',
        'input.spec.execution.backoff.baseMs too_small',
        'input.spec.execution.backoff.factor too_small',
        'input.spec.execution.backoff.maxMs too_big',
        'input.spec.execution.concurrency too_small',
        'input.spec.execution.itemTimeoutMs too_big',
        'input.spec.execution.retryLimit too_small',
        'input.spec.input.datasourceId not_found',
        'input.spec.input.filters.elementIds.0 too_big',
        'input.spec.input.filters.mediaTypes.1 custom',
        'input.spec.input.filters.regex custom',
        'input.spec.name invalid_format',
        'input.spec.tiers.0.config.extra config',
        'input.spec.tiers.0.config.lang config',
        'input.spec.tiers.1.agent missing',
        'input.spec.tiers.2.agent not_found',
        'input.spec.tiers.3.agent not_found',
      ].sort(),
    );
    const rows = await deps.db.selectFrom('batchDefinition').select('id').where('projectId', '=', projectId).execute();
    const sources = await deps.db.selectFrom('datasource').select('id').where('projectId', '=', projectId).execute();
    expect([...rows, ...sources]).toEqual([]);
  });

  test('a spec needs an agent and elements, one kind of each', async () => {
    const { actor } = await makeProject(deps.db);
    const at = 'input.spec';
    expect(await issuesOf(create(actor, { name: 'a', input: {} }))).toEqual([`${at} missing`, `${at}.input missing`]);
    expect(await issuesOf(create(actor, { ...inline(), tiers: [], agent: null }))).toEqual([`${at}.tiers length`]);
    const both = { datasourceId: newId('Datasource'), items: [{ filename: 'a', text: '' }] };
    expect(await issuesOf(create(actor, { name: 'a', agent: 'echo', input: both }))).toEqual([`${at}.input conflict`]);
    const sameId = [
      { filename: 'a', dataElementId: 'item-1', text: '' },
      { filename: 'b', text: '' },
    ];
    expect(await issuesOf(create(actor, { ...inline(), input: { items: sameId } }))).toEqual([
      `${at}.input.items.1 duplicate`,
    ]);
    const badNames = ['', 'a b', '-a', 'a-', 'ä', 'x'.repeat(201), 'a/b'];
    for (const name of badNames) expect(await issuesOf(create(actor, { ...inline('x'), name })), name).not.toEqual([]);
    for (const name of ['a', 'nightly-2.1_b', '7'])
      expect((await create(actor, { ...inline('x'), name })).created).toBe(true);
  });

  test('at most 50 issues are listed, whatever the number of bad items', async () => {
    const { actor } = await makeProject(deps.db);
    const items = Array.from({ length: 10_000 }, (_, index) => ({ filename: `${index}` }));
    expect(await issuesOf(create(actor, { ...inline(), input: { items } }))).toHaveLength(50);
  });

  test('why an agent cannot be loaded is told to administrators alone', async () => {
    const { actor } = await makeProject(deps.db);
    const message = (role: Actor['role']) =>
      create({ ...actor, role }, { ...inline('x'), agent: 'broken' }).then(String, (error: unknown) => String(error));
    expect(await message('ADMIN')).toContain('a secret of the operator');
    expect(await message('MEMBER')).toContain('cannot be loaded');
    expect(await message('MEMBER')).not.toContain('secret');
  });

  test('equal content is one version, new content the next with its parent, and old content is found again', async () => {
    const { actor } = await makeProject(deps.db);
    const [one, again, two, back] = [
      await create(actor, inline('x'), 'first'),
      await create(actor, { ...inline('x'), execution: { concurrency: 10 } }, 'other words'),
      await create(actor, inline('x', 'y')),
      await create(actor, inline('x')),
    ];
    expect([one.created, again.created, two.created, back.created]).toEqual([true, false, true, false]);
    expect(again.definition).toEqual(one.definition);
    expect(back.definition.id).toBe(one.definition.id);
    expect(two.definition).toMatchObject({ version: 2, parentId: one.definition.id });
    expect((await getBatchDefinition(deps, actor, { name: 'a-batch', version: null }))?.version).toBe(2);
    expect((await getBatchDefinition(deps, actor, { name: 'a-batch', version: 1 }))?.id).toBe(one.definition.id);
    expect((await getBatchDefinition(deps, actor, { urn: one.definition.urn }))?.id).toBe(one.definition.id);
    const { actor: stranger } = await makeProject(deps.db);
    for (const reference of [
      { id: one.definition.id },
      { urn: one.definition.urn },
      { name: 'a-batch', version: null },
    ]) {
      expect(await getBatchDefinition(deps, stranger, reference)).toBeNull();
    }
  });

  test('versions made at once have no gaps, and equal ones are one', async () => {
    const { actor } = await makeProject(deps.db);
    const made = await Promise.all(['a', 'b', 'c', 'a', 'b', 'a'].map((text) => create(actor, inline(text))));
    expect(made.filter(({ created }) => created)).toHaveLength(3);
    expect([...new Set(made.map(({ definition }) => definition.version))].sort()).toEqual([1, 2, 3]);
  });

  test('equal inline items are one datasource of the project, in the order of the input', async () => {
    const [{ actor }, { actor: other }] = [await makeProject(deps.db), await makeProject(deps.db)];
    const idOf = async (owner: Actor, spec: BatchSpecInput) =>
      (await create(owner, spec)).definition.spec.input.datasourceId;
    const id = await idOf(actor, inline('x', 'y'));
    expect(await idOf(actor, { ...inline('x', 'y'), name: 'another' })).toBe(id);
    expect(await idOf(actor, inline('y', 'x'))).not.toBe(id);
    expect(await idOf(other, inline('x', 'y'))).not.toBe(id);
    const stored = await deps.db
      .selectFrom('dataElement')
      .select('id')
      .where('datasourceId', '=', id)
      .orderBy('position')
      .execute();
    expect(stored.map((row) => row.id)).toEqual(['item-0', 'item-1']);
    expect(await idOf(actor, inline())).toMatch(/^ds_/);
  });

  test('10,000 inline items are stored in order in a few seconds', async () => {
    const { actor } = await makeProject(deps.db);
    const items = Array.from({ length: 10_000 }, (_, index) => ({
      filename: 'row.json',
      json: { index },
      metadata: { index },
    }));
    const started = performance.now();
    const { definition } = await create(actor, { ...inline(), input: { items } });
    expect(performance.now() - started).toBeLessThan(15_000);
    const stored = await deps.db
      .selectFrom('dataElement')
      .select('id')
      .where('datasourceId', '=', definition.spec.input.datasourceId)
      .orderBy('position')
      .execute();
    expect(stored.map((row) => row.id)).toEqual(items.map((_, index) => `item-${index}`));
  });

  test('a datasource that is deleted between the check and the store is told of, and nothing is stored', async () => {
    const { actor } = await makeProject(deps.db);
    const { id: datasourceId } = await createStoredDatasource(deps, actor, { name: 'soon gone' });
    const issues = new IssueList();
    const input = { name: 'a', agent: 'echo', input: { datasourceId } };
    const prepared = await prepareSpec(deps, actor, input, ['input', 'spec'], issues);
    await deleteDatasource(deps, actor, datasourceId);
    const store = deps.db.transaction().execute(async (tx) => {
      if (prepared !== undefined) await storePrepared(tx, deps, actor, prepared);
    });
    expect(await issuesOf(store)).toEqual(['input.spec.input.datasourceId not_found']);
  });

  test('overrides are checked like the spec, and absent ones left out', () => {
    const issues = new IssueList();
    const overrides = checkOverrides(
      { concurrency: 3, filters: { regex: 'a', mediaTypes: null }, userMessage: null },
      ['input'],
      issues,
    );
    expect(overrides).toEqual({ concurrency: 3, filters: { regex: 'a' } });
    expect(checkOverrides({ filters: {}, output: {} }, ['input'], issues)).toEqual({
      ...{ filters: {}, output: { datasourceId: null } },
    });
    expect(checkOverrides(null, ['input'], issues)).toBeNull();
    issues.throwIfAny();
    expect(
      checkOverrides(
        { concurrency: 1_000, retryLimit: 1_000, itemTimeoutMs: 0, filters: { regex: '[' } },
        ['input'],
        issues,
      ),
    ).toBeNull();
    expect(() => issues.throwIfAny()).toThrow('and 3 more');
  });
});
