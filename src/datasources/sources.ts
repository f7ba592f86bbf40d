/** Lists and reads the elements of every kind of datasource. */
import { type Datasource, holdsResults } from '../domain/model.ts';
import type { ElementSources } from '../services/ports.ts';
import type { Db } from '../store/database.ts';
import { findDatasource } from '../store/datasources.ts';
import { createFolderRoots } from './folder-root.ts';
import { createFolderSource } from './folder-source.ts';
import { createResultSource } from './result-source.ts';
import { elementNotFound } from './source-error.ts';
import { createStoredSource } from './stored-source.ts';

/**
 * The sources behind all datasources. `foldersDir` is the folder below which projects have theirs, null for none.
 *
 * `page` and `exists` throw SourceError when a folder is gone; its fields say what an item's error needs.
 */
export function createSources(db: Db, foldersDir: string | null): ElementSources {
  const folders = createFolderSource(createFolderRoots(db, foldersDir));
  const rows = createStoredSource(db, async (projectId, { datasourceId, elementId }) => {
    const datasource = await findDatasource(db, projectId, datasourceId);
    // Items of executions are no one else's, and could stand for each other in a circle.
    if (datasource === null || datasource.kind === 'INLINE') throw elementNotFound(elementId);
    return await sourceOf(datasource).read(datasource, elementId);
  });
  const results = createResultSource(db);
  const sourceOf = (datasource: Datasource): ElementSources => {
    if (datasource.kind === 'FOLDER') return folders;
    return holdsResults(datasource) ? results : rows;
  };
  return {
    page: (datasource, ...rest) => sourceOf(datasource).page(datasource, ...rest),
    count: (datasource) => sourceOf(datasource).count(datasource),
    find: (datasource, ...rest) => sourceOf(datasource).find(datasource, ...rest),
    read: (datasource, ...rest) => sourceOf(datasource).read(datasource, ...rest),
    exists: (datasource, ...rest) => sourceOf(datasource).exists(datasource, ...rest),
  };
}
