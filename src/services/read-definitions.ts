/** Reading definitions, as the actor may see them. */
import { nodeTypeOf } from '../domain/ids.ts';
import type { Actor, BatchDefinition } from '../domain/model.ts';
import type { Page } from '../domain/page.ts';
import * as store from '../store/definitions.ts';
import type { ServiceDeps } from './ports.ts';

type Deps = Pick<ServiceDeps, 'db'>;

/** What a definition is looked up by. */
export type DefinitionReference =
  | { readonly id: string }
  | { readonly urn: string }
  | { readonly name: string; readonly version: number | null };

/** The definition, its newest version where only a name is given; null when the project has none. */
export async function getBatchDefinition(
  { db }: Deps,
  { projectId }: Actor,
  reference: DefinitionReference,
): Promise<BatchDefinition | null> {
  if ('urn' in reference) return await store.findDefinitionByUrn(db, projectId, reference.urn);
  if ('name' in reference) return await store.findDefinitionByName(db, projectId, reference.name, reference.version);
  return nodeTypeOf(reference.id) === 'BatchDefinition'
    ? await store.findDefinition(db, projectId, reference.id)
    : null;
}

/** The definitions with these ids, each or null in the order of the ids. */
export async function getBatchDefinitions(
  { db }: Deps,
  { projectId }: Actor,
  ids: readonly string[],
): Promise<readonly (BatchDefinition | null)[]> {
  const found = new Map((await store.findDefinitions(db, projectId, ids)).map((one) => [one.id, one]));
  return ids.map((id) => found.get(id) ?? null);
}

/** A page of the project's definition versions that are not deleted, newest first. */
export const listBatchDefinitions = (
  { db }: Deps,
  { projectId }: Actor,
  page: Page,
  filter: store.DefinitionFilter,
): Promise<readonly BatchDefinition[]> => store.listDefinitions(db, projectId, page, filter);

/** A page of the versions that share a definition's name and are not deleted, the highest number first. */
export const listDefinitionVersions = (
  { db }: Deps,
  { projectId, name }: BatchDefinition,
  page: Page,
): Promise<readonly BatchDefinition[]> => store.listVersions(db, projectId, name, page);
