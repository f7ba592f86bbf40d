/** What is deleted while an execution of it is being created: the one waits for the other, and both answer in words. */
import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Actor } from '../../src/domain/model.ts';
import { createBatchDefinition } from '../../src/services/create-batch-definition.ts';
import { createBatchExecution } from '../../src/services/create-batch-execution.ts';
import { createResultsDatasource, createStoredDatasource } from '../../src/services/create-datasource.ts';
import { deleteDatasource } from '../../src/services/delete-datasource.ts';
import type { ServiceDeps } from '../../src/services/ports.ts';
import type { Tx } from '../../src/store/database.ts';
import { deleteVersions, lockDefinitions } from '../../src/store/definition-versions.ts';
import { namedAgents } from '../support/agent-catalog.ts';
import { type FreshDatabase, freshPostgres } from '../support/databases.ts';
import { makeProject } from '../support/rows.ts';
import { databaseDeps } from '../support/server.ts';
import { until } from '../support/until.ts';

let fresh: FreshDatabase;
let deps: ServiceDeps;
let actor: Actor;
beforeAll(async () => {
  // Two connections at once: the embedded database has one, on which nothing can race.
  fresh = await freshPostgres();
  const engine = { wake: () => undefined, hold: () => undefined };
  deps = { ...databaseDeps(fresh.db), agents: namedAgents({ echo: null }), engine };
  ({ actor } = await makeProject(fresh.db));
});
afterAll(() => fresh.close());

/** A definition over a stored datasource, with a named output. */
async function define() {
  // An id may end in a sign that a definition's name may not end in.
  const name = `definition-${randomUUID()}`;
  const input = await createStoredDatasource(deps, actor, { name });
  const output = await createResultsDatasource(deps, actor, { name: `${name}-out` });
  const { definition } = await createBatchDefinition(deps, actor, {
    spec: { name, agent: 'echo', input: { datasourceId: input.id }, output: { datasourceId: output.id } },
  });
  return { definition, input, output };
}

/** Creates an execution while a transaction has deleted something that is committed once the creation waits for it. */
async function createDuring(definitionId: string, deletes: (tx: Tx) => Promise<unknown>) {
  const deleted = Promise.withResolvers<void>();
  const waited = Promise.withResolvers<void>();
  const deletion = deps.db.transaction().execute(async (tx) => {
    await deletes(tx);
    deleted.resolve();
    await waited.promise;
  });
  await Promise.race([deleted.promise, deletion]);
  const creation = createBatchExecution(deps, actor, { source: { definitionId } }).catch((error: unknown) => error);
  await until(async () => {
    const { rows } = await sql`select 1 from pg_stat_activity
      where datname = current_database() and wait_event_type = 'Lock'`.execute(deps.db);
    return rows.length > 0;
  });
  waited.resolve();
  await deletion;
  return await creation;
}

const removeDatasource = (id: string) => (tx: Tx) => tx.deleteFrom('datasource').where('id', '=', id).execute();

test('a datasource that goes while an execution of a definition is created makes it a ValidationError', async () => {
  const { definition, input } = await define();
  expect(await createDuring(definition.id, removeDatasource(input.id))).toMatchObject({
    code: 'VALIDATION_FAILED',
    issues: [{ type: 'not_found', msg: expect.stringContaining(input.id) }],
  });
});

test('an output that goes while an execution of a definition is created makes it a ValidationError', async () => {
  const { definition, output } = await define();
  expect(await createDuring(definition.id, removeDatasource(output.id))).toMatchObject({
    code: 'VALIDATION_FAILED',
    issues: [{ type: 'not_found', msg: expect.stringContaining(output.id) }],
  });
});

test('a definition that is deleted while an execution of it is created makes it an InvalidStateError', async () => {
  const { definition } = await define();
  const outcome = await createDuring(definition.id, async (tx) => {
    await lockDefinitions(tx, actor.projectId);
    return await deleteVersions(tx, definition, new Date());
  });
  expect(outcome).toMatchObject({ code: 'INVALID_STATE', status: 'DELETED' });
  const rows = await deps.db
    .selectFrom('batchExecution')
    .select('id')
    .where('definitionId', '=', definition.id)
    .execute();
  expect(rows).toEqual([]);
});

test('of creations and a deletion at once each creation stands or was refused, and what stands keeps its datasources', async () => {
  for (let round = 0; round < 10; round += 1) {
    const { definition, input, output } = await define();
    const outcomes = await Promise.allSettled([
      ...[1, 2, 3].map(() => createBatchExecution(deps, actor, { source: { definitionId: definition.id } })),
      deleteDatasource(deps, actor, round % 2 === 0 ? input.id : output.id),
    ]);
    for (const outcome of outcomes) {
      if (outcome.status === 'rejected')
        expect(outcome.reason).toMatchObject({ code: expect.stringMatching(/^(VALIDATION_FAILED|INVALID_STATE)$/) });
    }
    const made = outcomes.slice(0, 3).filter(({ status }) => status === 'fulfilled').length;
    if (outcomes[3]?.status === 'fulfilled') expect(made).toBe(0);
    else expect(made).toBeGreaterThan(0);
  }
});
