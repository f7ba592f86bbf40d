/** What a tier promises of its results, from the spec to the item that breaks the promise. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createOutputChecker } from '../../src/agents/output/output-checker.ts';
import { createSources } from '../../src/datasources/sources.ts';
import { newId } from '../../src/domain/ids.ts';
import { mismatchErrors } from '../../src/domain/output-rules.ts';
import { ValidationError } from '../../src/domain/user-error.ts';
import { createBatchDefinition } from '../../src/services/create-batch-definition.ts';
import type { ServiceDeps } from '../../src/services/ports.ts';
import type { BatchSpecInput } from '../../src/services/spec-input.ts';
import type { Db } from '../../src/store/database.ts';
import { namedAgents } from '../support/agent-catalog.ts';
import { describeDatabases } from '../support/databases.ts';
import { checkWhole, startEngine } from '../support/engine-harness.ts';
import { makeProject } from '../support/rows.ts';

const SCHEMA = { type: 'object', required: ['total'], properties: { total: { type: 'number' } } };

describeDatabases('output rules', (open) => {
  const outputs = createOutputChecker();
  let db: Db;
  let deps: ServiceDeps;
  beforeAll(async () => {
    db = await open();
    const parts = { db, newId, now: () => new Date(), sources: createSources(db, null), outputs };
    // Nothing is run by these, so there is neither an engine nor a feed.
    deps = { ...parts, agents: namedAgents({ echo: null }) } as unknown as ServiceDeps;
  });
  afterAll(() => outputs.stop());

  const input = { items: [{ filename: 'a.txt', text: 'a' }] };
  const create = async (spec: Partial<BatchSpecInput>) => {
    const { actor } = await makeProject(db);
    return await createBatchDefinition(deps, actor, { spec: { name: 'a-batch', input, ...spec } });
  };

  test('are part of the definition, as they were given', async () => {
    const artifacts = [{ name: 'report', type: 'JSON' as const, maxSizeBytes: 9, schema: { type: 'object' } }];
    const { definition } = await create({ agent: 'echo', outputSchema: SCHEMA, artifacts });
    expect(definition.spec.tiers).toEqual([
      { agent: 'echo', outputSchema: SCHEMA, artifacts: [{ ...artifacts[0], required: true }] },
    ]);
  });

  test('that cannot be checked are refused with the place in the schema, and nothing is stored', async () => {
    const attempt = create({
      tiers: [
        { agent: 'echo', outputSchema: { properties: { 'a/b': { type: 'numbr' } } } },
        {
          agent: 'echo',
          artifacts: [
            { name: 'x', type: 'CSV', schema: {} },
            { name: 'y', type: 'JSON', schema: { pattern: '(?<=a)' } },
          ],
        },
      ],
    });
    const error: unknown = await attempt.catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(ValidationError);
    expect(new Set((error as ValidationError).issues.map(({ loc, type }) => `${loc.join(' ')} ${type}`))).toEqual(
      new Set([
        'input spec tiers 1 artifacts 0 schema conflict',
        'input spec tiers 0 outputSchema properties a/b type json_schema',
        'input spec tiers 1 artifacts 1 schema pattern json_schema',
      ]),
    );
  });

  test('fail an item whose result misses them for good, with every miss; the others succeed', async () => {
    const harness = await startEngine(db, { outputs });
    try {
      let calls = 0;
      const run = ({ item }: { item: { ordinal: number } }) => {
        calls += 1;
        return item.ordinal === 1 ? { total: 'many' } : { total: item.ordinal };
      };
      const id = await harness.create(3, run, {}, {}, { outputSchema: SCHEMA });
      expect(await harness.ended(id)).toMatchObject({ status: 'COMPLETED_WITH_ERRORS', succeeded: 2, failed: 1 });
      expect(calls).toBe(3);
      const failure = await db.selectFrom('itemFailure').selectAll().where('executionId', '=', id).executeTakeFirst();
      expect(failure).toMatchObject({ ordinal: 1, category: 'VALIDATION', transient: false, code: 'output_mismatch' });
      expect(failure?.message).toBe('The result is not what its tier promises at /total: must be number.');
      expect(failure?.details).toEqual({
        fieldErrors: [{ path: '/total', code: 'type', message: 'must be number' }],
        ...{ total: 1, data: { total: 'many' } },
      });
      expect(mismatchErrors('output_mismatch', failure?.details)).toHaveLength(1);
      await checkWhole(db, id);
    } finally {
      await harness.engine.stop();
    }
  });
});
