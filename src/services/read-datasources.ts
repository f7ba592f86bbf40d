/** Reading datasources, as the actor may see them. */
import { nodeTypeOf } from '../domain/ids.ts';
import type { Actor, Datasource, DatasourceKind } from '../domain/model.ts';
import type { Page } from '../domain/page.ts';
import * as store from '../store/datasources.ts';
import type { ServiceDeps } from './ports.ts';

/** The datasource with this id, or null when the project has none. */
export async function getDatasource(
  { db }: Pick<ServiceDeps, 'db'>,
  { projectId }: Actor,
  id: string,
): Promise<Datasource | null> {
  return nodeTypeOf(id) === 'Datasource' ? await store.findDatasource(db, projectId, id) : null;
}

/** The datasources with these ids, each or null in the order of the ids. */
export async function getDatasources(
  { db }: Pick<ServiceDeps, 'db'>,
  { projectId }: Actor,
  ids: readonly string[],
): Promise<readonly (Datasource | null)[]> {
  const found = new Map((await store.findDatasources(db, projectId, ids)).map((one) => [one.id, one]));
  return ids.map((id) => found.get(id) ?? null);
}

/** A page of the project's datasources of these kinds, oldest first. */
export const listDatasources = (
  { db }: Pick<ServiceDeps, 'db'>,
  { projectId }: Actor,
  page: Page,
  kinds: readonly DatasourceKind[],
): Promise<readonly Datasource[]> => store.listDatasources(db, projectId, page, kinds);
