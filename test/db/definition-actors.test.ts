/** Who may change, run and preview definitions, and name outputs: their own project, by role. */
import { beforeAll, expect, test } from 'vitest';
import type { Actor } from '../../src/domain/model.ts';
import { createBatchDefinition } from '../../src/services/create-batch-definition.ts';
import { createBatchExecution } from '../../src/services/create-batch-execution.ts';
import { createResultsDatasource } from '../../src/services/create-datasource.ts';
import { deleteBatchDefinition } from '../../src/services/delete-batch-definition.ts';
import type { ServiceDeps } from '../../src/services/ports.ts';
import { previewBatchInput } from '../../src/services/preview-batch-input.ts';
import { rerunBatchExecution } from '../../src/services/rerun-batch-execution.ts';
import { updateBatchDefinition } from '../../src/services/update-batch-definition.ts';
import { namedAgents } from '../support/agent-catalog.ts';
import { describeDatabases } from '../support/databases.ts';
import { makeProject } from '../support/rows.ts';
import { databaseDeps } from '../support/server.ts';

describeDatabases('definitions and their actors', (open) => {
  let deps: ServiceDeps;
  let owner: Actor;
  let other: Actor;
  beforeAll(async () => {
    const db = await open();
    const engine = { wake: () => undefined, hold: () => undefined };
    deps = { ...databaseDeps(db), agents: namedAgents({ echo: null }), engine };
    [owner, other] = [(await makeProject(db)).actor, (await makeProject(db)).actor];
  });

  const spec = { name: 'a-batch', agent: 'echo', input: { items: [{ filename: 'a', text: '' }] } };

  test("another project's definitions and executions are as if they were not there, and a reader changes nothing", async () => {
    const { definition } = await createBatchDefinition(deps, owner, { spec });
    const { execution } = await createBatchExecution(deps, owner, { source: { definitionId: definition.id } });
    const changes = (actor: Actor) => [
      () => updateBatchDefinition(deps, actor, { batchDefinitionId: definition.id }),
      () => deleteBatchDefinition(deps, actor, { batchDefinitionId: definition.id }),
      () => rerunBatchExecution(deps, actor, { batchExecutionId: execution.id }),
    ];
    for (const change of changes(other)) await expect(change()).rejects.toMatchObject({ code: 'NOT_FOUND' });
    const reader: Actor = { ...owner, role: 'READER' };
    for (const change of [...changes(reader), () => createResultsDatasource(deps, reader, { name: 'mine' })]) {
      await expect(change()).rejects.toMatchObject({ code: 'FORBIDDEN' });
    }
    for (const source of [{ definitionId: definition.id }, { datasourceId: definition.spec.input.datasourceId }]) {
      expect(await previewBatchInput(deps, other, { source })).toBeNull();
      expect(await previewBatchInput(deps, reader, { source })).not.toBeNull();
    }
    expect(await updateBatchDefinition(deps, owner, { batchDefinitionId: definition.id })).toMatchObject({
      definition: { deletedAt: null },
    });
  });

  test("another project's output cannot be named, in a spec, a definition, an update or an override", async () => {
    const { id: datasourceId } = await createResultsDatasource(deps, other, { name: 'theirs' });
    const { definition } = await createBatchDefinition(deps, owner, { spec });
    const output = { datasourceId };
    for (const naming of [
      () => createBatchDefinition(deps, owner, { spec: { ...spec, output } }),
      () => createBatchExecution(deps, owner, { source: { spec: { ...spec, output } } }),
      () => createBatchExecution(deps, owner, { source: { definitionId: definition.id }, inputOverrides: { output } }),
      () => updateBatchDefinition(deps, owner, { batchDefinitionId: definition.id, changes: { output } }),
    ]) {
      await expect(naming()).rejects.toMatchObject({ issues: [{ type: 'not_found' }] });
    }
  });

  test('the same name and key in two projects are two definitions, each with its own URN and maker', async () => {
    const make = (actor: Actor) =>
      createBatchDefinition(deps, actor, { idempotencyKey: 'same', spec: { ...spec, name: 'both' } });
    const [mine, theirs] = [await make(owner), await make(other)];
    expect([mine.created, theirs.created]).toEqual([true, true]);
    for (const [{ definition }, { customerId, projectId, keyId }] of [
      [mine, owner],
      [theirs, other],
    ] as const) {
      expect(definition).toMatchObject({ version: 1, parentId: null, createdBy: keyId });
      expect(definition.urn).toBe(`urn:batchyard:batch-definition:${customerId}:${projectId}:${definition.id}`);
    }
  });
});
