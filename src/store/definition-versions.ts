/** Making and deleting versions of definitions. */
import type { BatchDefinition } from '../domain/model.ts';
import type { Db, Tx } from './database.ts';
import { DEFINITION_COLUMNS } from './definitions.ts';
import { named } from './statement-name.ts';

/** A version to store; its number follows from those that are there. */
export type NewDefinition = Omit<BatchDefinition, 'version' | 'parentId' | 'deletedAt'> & {
  readonly specHash: string;
};

/** The newest version that is not deleted, and the hash of its content. */
export type NewestDefinition = BatchDefinition & { readonly specHash: string };

/**
 * The version of a definition with this content: the newest that is there, or a new one behind the newest.
 *
 * Race-safe: the project's row serializes writers of one project's definitions.
 */
export async function obtainDefinition(
  tx: Tx,
  definition: NewDefinition,
): Promise<{ definition: BatchDefinition; created: boolean }> {
  const { projectId, name, specHash } = definition;
  const alike = liveVersions(tx, 'obtainDefinition', projectId, name).where('specHash', '=', specHash);
  // Nearly always there: kept from a deletion, which changes no key, it needs no lock of the others.
  const kept = await alike.forShare().executeTakeFirst();
  if (kept !== undefined) return { definition: kept, created: false };
  await lockDefinitions(tx, projectId);
  const same = await alike.executeTakeFirst();
  if (same !== undefined) return { definition: same, created: false };
  const newest = await newestDefinition(tx, projectId, name);
  return { definition: await insertVersion(tx, definition, newest?.id ?? null), created: true };
}

/** Locks a project's definitions against other writers of them until the transaction ends. */
export async function lockDefinitions(tx: Tx, projectId: string): Promise<void> {
  await named(tx, 'lockProject')
    .selectFrom('project')
    .select('id')
    .where('id', '=', projectId)
    .forNoKeyUpdate()
    .execute();
}

/** The newest version of the name that is not deleted, or null. */
export async function newestDefinition(db: Db, projectId: string, name: string): Promise<NewestDefinition | null> {
  return (await liveVersions(db, 'newestDefinition', projectId, name).select('specHash').executeTakeFirst()) ?? null;
}

/** Stores a version behind all that its name ever had; the project's definitions must be locked. */
export async function insertVersion(
  tx: Tx,
  { spec, ...definition }: NewDefinition,
  parentId: string | null,
): Promise<BatchDefinition> {
  // Deleted ones count too: a name and a number stand for one version for ever.
  const last = await named(tx, 'lastVersion')
    .selectFrom('batchDefinition')
    .select('version')
    .where('projectId', '=', definition.projectId)
    .where('name', '=', definition.name)
    .orderBy('version', 'desc')
    .limit(1)
    .executeTakeFirst();
  return await named(tx, 'insertVersion')
    .insertInto('batchDefinition')
    .values({ ...definition, version: (last?.version ?? 0) + 1, parentId, spec: JSON.stringify(spec) })
    .returning(DEFINITION_COLUMNS)
    .executeTakeFirstOrThrow();
}

/**
 * Keeps a version from being deleted until the transaction ends; `false` when it was, or when there is none.
 *
 * FOR SHARE, because a deletion changes no key.
 */
export async function keepDefinition(tx: Tx, projectId: string, id: string): Promise<boolean> {
  const row = await named(tx, 'keepDefinition')
    .selectFrom('batchDefinition')
    .select('id')
    .where('id', '=', id)
    .where('projectId', '=', projectId)
    .where('deletedAt', 'is', null)
    .forShare()
    .executeTakeFirst();
  return row !== undefined;
}

/** Marks versions of a name as deleted, the one with this id alone if it is given; how many were not before. */
export async function deleteVersions(
  tx: Tx,
  { projectId, name, id }: { readonly projectId: string; readonly name: string; readonly id?: string },
  now: Date,
): Promise<number> {
  let update = named(tx, 'deleteVersions')
    .updateTable('batchDefinition')
    .set({ deletedAt: now })
    .where('projectId', '=', projectId)
    .where('name', '=', name)
    .where('deletedAt', 'is', null);
  if (id !== undefined) update = update.where('id', '=', id);
  return Number((await update.executeTakeFirst()).numUpdatedRows);
}

/** The version that a request with this idempotency key came to in the project, and the hash of its input. */
export async function findDefinitionRequest(
  db: Db,
  projectId: string,
  idempotencyKey: string,
): Promise<{ definitionId: string; requestHash: string } | null> {
  const row = await named(db, 'findDefinitionRequest')
    .selectFrom('definitionRequest')
    .select(['definitionId', 'requestHash'])
    .where('projectId', '=', projectId)
    .where('idempotencyKey', '=', idempotencyKey)
    .executeTakeFirst();
  return row ?? null;
}

/** Keeps which version a request came to; the project's definitions must be locked, and the key not be taken. */
export async function insertDefinitionRequest(
  tx: Tx,
  request: {
    readonly projectId: string;
    readonly idempotencyKey: string;
    readonly requestHash: string;
    readonly definitionId: string;
    readonly createdAt: Date;
  },
): Promise<void> {
  await named(tx, 'insertDefinitionRequest').insertInto('definitionRequest').values(request).execute();
}

function liveVersions(db: Db, statement: string, projectId: string, name: string) {
  return named(db, statement)
    .selectFrom('batchDefinition')
    .select(DEFINITION_COLUMNS)
    .where('projectId', '=', projectId)
    .where('name', '=', name)
    .where('deletedAt', 'is', null)
    .orderBy('version', 'desc')
    .limit(1);
}
