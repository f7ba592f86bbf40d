/** Rows that most tests need first. */
import { createHash, randomBytes } from 'node:crypto';
import { newId } from '../../src/domain/ids.ts';
import type { Actor, KeyRole } from '../../src/domain/model.ts';
import { DEFAULT_BACKOFF } from '../../src/domain/retry-policy.ts';
import type { BatchSpec, PinnedSpec } from '../../src/domain/spec.ts';
import type { Db } from '../../src/store/database.ts';

/** A project of a customer of its own, an actor in it, and the key that the actor would send. */
export interface ProjectRows {
  readonly customerId: string;
  readonly projectId: string;
  readonly actor: Actor;
  readonly key: string;
}

/** Makes a customer, a project and a key with the role (ADMIN unless given), all under fresh names. */
export async function makeProject(db: Db, role: KeyRole = 'ADMIN'): Promise<ProjectRows> {
  const [customerId, projectId, keyId] = [newId('Customer'), newId('Project'), newId('ApiKey')];
  const slug = randomBytes(6).toString('hex');
  const key = `by_${randomBytes(24).toString('base64url')}`;
  await db.insertInto('customer').values({ id: customerId, slug, name: 'A customer' }).execute();
  await db.insertInto('project').values({ id: projectId, customerId, slug, name: 'A project' }).execute();
  const hash = createHash('sha256').update(key).digest('hex');
  const tenancy = { customerId, projectId, role };
  await db
    .insertInto('apiKey')
    .values({ id: keyId, ...tenancy, name: 'A key', prefix: key.slice(0, 8), hash })
    .execute();
  return { customerId, projectId, actor: { keyId, ...tenancy }, key };
}

/** Makes a sealed execution without items in the project (QUEUED unless told otherwise); its id. */
export async function makeExecution(
  db: Db,
  projectId: string,
  values: Partial<{ status: 'PREPARING' | 'QUEUED' | 'RUNNING'; concurrency: number; retryLimit: number }> = {},
): Promise<string> {
  const [id, definitionId, datasourceId] = [newId('BatchExecution'), newId('BatchDefinition'), newId('Datasource')];
  const { status = 'QUEUED', concurrency = 10, retryLimit = 2 } = values;
  await db
    .insertInto('datasource')
    .values({ id: datasourceId, projectId, kind: 'STORED', name: datasourceId })
    .execute();
  const spec: BatchSpec = {
    name: 'a-batch',
    tiers: [{ agent: 'echo' }],
    input: { datasourceId },
    execution: { concurrency, retryLimit, itemTimeoutMs: 60_000, backoff: DEFAULT_BACKOFF },
  };
  const agent = { agentId: newId('Agent'), agentName: 'echo', agentVersionId: newId('AgentVersion'), agentVersion: 1 };
  const pinned: PinnedSpec = { ...spec, tiers: [{ agent: 'echo', ...agent }] };
  const definition = { id: definitionId, projectId, name: definitionId, version: 1, urn: definitionId };
  await db
    .insertInto('batchDefinition')
    .values({ ...definition, spec: JSON.stringify(spec), specHash: definitionId })
    .execute();
  await db
    .insertInto('batchExecution')
    .values({
      ...{ id, projectId, definitionId, name: 'a-batch', status, concurrency, retryLimit },
      spec: JSON.stringify(pinned),
      inputDatasourceId: datasourceId,
      sealedAt: status === 'PREPARING' ? null : new Date(),
    })
    .execute();
  return id;
}

/** Adds `total` QUEUED items to an execution, with its counts; each with a row, as of an older version. */
export async function makeItems(db: Db, executionId: string, total: number): Promise<void> {
  for (let from = 0; from < total; from += 2_000) {
    const items = Array.from({ length: Math.min(2_000, total - from) }, (_, offset) => ({
      ...{ executionId, ordinal: from + offset, status: 'QUEUED' as const, revision: 1 },
    }));
    await db.insertInto('batchItem').values(items).execute();
  }
  await makeInputs(db, executionId, total);
}

/** Adds `total` items of which nothing has happened to an execution, with its counts. */
export async function makeInputs(db: Db, executionId: string, total: number): Promise<void> {
  for (let from = 0; from < total; from += 2_000) {
    const ordinals = Array.from({ length: Math.min(2_000, total - from) }, (_, offset) => from + offset);
    const inputs = ordinals.map((ordinal) => ({
      ...{ executionId, ordinal, elementId: `element-${ordinal}` },
      ...{ filename: `element-${ordinal}.txt`, mediaType: 'text/plain' },
    }));
    await db.insertInto('batchItemInput').values(inputs).execute();
  }
  await db
    .updateTable('batchExecution')
    .set((eb) => ({ total: eb('total', '+', total), queued: eb('queued', '+', total) }))
    .where('id', '=', executionId)
    .execute();
}
