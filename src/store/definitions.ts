/** Batch definitions: immutable versions under a name. */
import type { BatchDefinition } from '../domain/model.ts';
import type { Page } from '../domain/page.ts';
import type { Db, Tx } from './database.ts';
import { keysetPage } from './keyset.ts';
import { named } from './statement-name.ts';

const COLUMNS = [
  'id',
  'projectId',
  'name',
  'version',
  'parentId',
  'urn',
  'description',
  'spec',
  'createdAt',
  'createdBy',
] as const;

/** A version to store; its number and parent follow from those that are there. */
export type NewDefinition = Omit<BatchDefinition, 'version' | 'parentId'> & { readonly specHash: string };

/**
 * The version of a definition with this content: one that is there, or a new one behind the newest.
 *
 * Race-safe: the project's row serializes writers of one project's definitions.
 */
export async function obtainDefinition(
  tx: Tx,
  { spec, specHash, ...definition }: NewDefinition,
): Promise<{ definition: BatchDefinition; created: boolean }> {
  const { projectId, name } = definition;
  await named(tx, 'lockProject')
    .selectFrom('project')
    .select('id')
    .where('id', '=', projectId)
    .forNoKeyUpdate()
    .execute();
  const versions = named(tx, 'obtainDefinition')
    .selectFrom('batchDefinition')
    .where('projectId', '=', projectId)
    .where('name', '=', name);
  const same = await versions.select(COLUMNS).where('specHash', '=', specHash).executeTakeFirst();
  if (same !== undefined) return { definition: same, created: false };
  const newest = await versions.select(['id', 'version']).orderBy('version', 'desc').limit(1).executeTakeFirst();
  const stored = await named(tx, 'insertDefinition')
    .insertInto('batchDefinition')
    .values({
      ...definition,
      version: (newest?.version ?? 0) + 1,
      parentId: newest?.id ?? null,
      spec: JSON.stringify(spec),
      specHash,
    })
    .returning(COLUMNS)
    .executeTakeFirstOrThrow();
  return { definition: stored, created: true };
}

/** The project's definition version with this id, or null. */
export async function findDefinition(db: Db, projectId: string, id: string): Promise<BatchDefinition | null> {
  return (await selectDefinitions(db, 'findDefinition', projectId).where('id', '=', id).executeTakeFirst()) ?? null;
}

/** The project's definition versions with these ids, in no order. */
export async function findDefinitions(
  db: Db,
  projectId: string,
  ids: readonly string[],
): Promise<readonly BatchDefinition[]> {
  return ids.length === 0
    ? []
    : await selectDefinitions(db, 'findDefinitions', projectId).where('id', 'in', ids).execute();
}

/** The project's definition version with this URN, or null. */
export async function findDefinitionByUrn(db: Db, projectId: string, urn: string): Promise<BatchDefinition | null> {
  return (
    (await selectDefinitions(db, 'findDefinitionByUrn', projectId).where('urn', '=', urn).executeTakeFirst()) ?? null
  );
}

/** A version of the project's definition of this name, the newest when no version is given; null when there is none. */
export async function findDefinitionByName(
  db: Db,
  projectId: string,
  name: string,
  version: number | null,
): Promise<BatchDefinition | null> {
  let query = selectDefinitions(db, 'findDefinitionByName', projectId).where('name', '=', name);
  if (version !== null) query = query.where('version', '=', version);
  return (await query.orderBy('version', 'desc').limit(1).executeTakeFirst()) ?? null;
}

/** A page of the project's definition versions, newest first; with `name` only the versions of that one. */
export async function listDefinitions(
  db: Db,
  projectId: string,
  page: Page,
  name: string | null,
): Promise<readonly BatchDefinition[]> {
  let query = selectDefinitions(db, 'listDefinitions', projectId);
  if (name !== null) query = query.where('name', '=', name);
  return await keysetPage(query, ['createdAt', 'id'], page, true).execute();
}

function selectDefinitions(db: Db, statement: string, projectId: string) {
  return named(db, statement).selectFrom('batchDefinition').select(COLUMNS).where('projectId', '=', projectId);
}
