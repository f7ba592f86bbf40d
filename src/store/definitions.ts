/** Reading batch definitions: immutable versions under a name. */
import type { BatchDefinition } from '../domain/model.ts';
import type { Page } from '../domain/page.ts';
import type { Db } from './database.ts';
import { keysetPage } from './keyset.ts';
import { named } from './statement-name.ts';

/** The columns of a domain BatchDefinition. */
export const DEFINITION_COLUMNS = [
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
  'deletedAt',
] as const;

/** The project's definition version with this id, also a deleted one, or null. */
export async function findDefinition(db: Db, projectId: string, id: string): Promise<BatchDefinition | null> {
  return (await selectDefinitions(db, 'findDefinition', projectId).where('id', '=', id).executeTakeFirst()) ?? null;
}

/** The project's definition versions with these ids, also deleted ones, in no order. */
export async function findDefinitions(
  db: Db,
  projectId: string,
  ids: readonly string[],
): Promise<readonly BatchDefinition[]> {
  return ids.length === 0
    ? []
    : await selectDefinitions(db, 'findDefinitions', projectId).where('id', 'in', ids).execute();
}

/** The project's definition version with this URN, also a deleted one, or null. */
export async function findDefinitionByUrn(db: Db, projectId: string, urn: string): Promise<BatchDefinition | null> {
  return (
    (await selectDefinitions(db, 'findDefinitionByUrn', projectId).where('urn', '=', urn).executeTakeFirst()) ?? null
  );
}

/** A version of the project's definition of this name, the newest when no version is given; null when there is none that is not deleted. */
export async function findDefinitionByName(
  db: Db,
  projectId: string,
  name: string,
  version: number | null,
): Promise<BatchDefinition | null> {
  let query = selectDefinitions(db, 'findDefinitionByName', projectId)
    .where('name', '=', name)
    .where('deletedAt', 'is', null);
  if (version !== null) query = query.where('version', '=', version);
  return (await query.orderBy('version', 'desc').limit(1).executeTakeFirst()) ?? null;
}

/** Which versions to list. */
export interface DefinitionFilter {
  /** The versions of this name alone. */
  readonly name?: string | null | undefined;
  /** Only the newest version of each name. */
  readonly newestOnly?: boolean | null | undefined;
}

/** A page of the project's definition versions that are not deleted, newest first. */
export async function listDefinitions(
  db: Db,
  projectId: string,
  page: Page,
  { name, newestOnly }: DefinitionFilter,
): Promise<readonly BatchDefinition[]> {
  let query = selectDefinitions(db, 'listDefinitions', projectId).where('deletedAt', 'is', null);
  if (name != null) query = query.where('name', '=', name);
  if (newestOnly === true) {
    query = query.where(({ not, exists, selectFrom, ref }) =>
      not(
        exists(
          selectFrom('batchDefinition as newer')
            .select('newer.id')
            .where('newer.projectId', '=', projectId)
            .where('newer.deletedAt', 'is', null)
            .whereRef('newer.name', '=', ref('batchDefinition.name'))
            .whereRef('newer.version', '>', ref('batchDefinition.version')),
        ),
      ),
    );
  }
  return await keysetPage(query, ['createdAt', 'id'], page, true).execute();
}

/** A page of the versions of a name that are not deleted, the highest number first. */
export async function listVersions(
  db: Db,
  projectId: string,
  name: string,
  page: Page,
): Promise<readonly BatchDefinition[]> {
  const query = selectDefinitions(db, 'listVersions', projectId)
    .where('name', '=', name)
    .where('deletedAt', 'is', null);
  return await keysetPage(query, ['version'], page, true).execute();
}

function selectDefinitions(db: Db, statement: string, projectId: string) {
  return named(db, statement)
    .selectFrom('batchDefinition')
    .select(DEFINITION_COLUMNS)
    .where('projectId', '=', projectId);
}
