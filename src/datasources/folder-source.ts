/** Elements that are files: ids and filenames are paths relative to the datasource's folder. */
import type { Stats } from 'node:fs';
import path from 'node:path';
import pLimit from 'p-limit';
import { documentOf, measureContent } from '../domain/content.ts';
import { compileFilters, type ElementMatcher } from '../domain/filters.ts';
import { resolveBeside } from '../domain/folder-path.ts';
import { mediaTypeOf } from '../domain/media-type.ts';
import type { DataElement, Datasource } from '../domain/model.ts';
import type { ElementSources } from '../services/ports.ts';
import { existsBelow, readFileBelow, statFile, statListed } from './folder-file.ts';
import { createFolderListings, globMatcher } from './folder-listing.ts';
import type { FolderRoots } from './folder-root.ts';
import { createPauser } from './pauser.ts';
import { elementNotFound } from './source-error.ts';

const STATS_AT_ONCE = 16;

/** The element source for datasources of kind FOLDER. */
export function createFolderSource(roots: FolderRoots): ElementSources {
  const listings = createFolderListings();

  async function locate(datasource: Datasource): Promise<{ folder: string; glob: string }> {
    const { path: folderPath, glob } = folderOf(datasource);
    return { folder: await roots.locate(datasource.projectId, folderPath), glob };
  }

  return {
    async page(datasource, filters, after, limit) {
      const { folder, glob } = await locate(datasource);
      const matches = compileFilters(filters);
      const pauser = createPauser();
      const byName = filters.elementIds !== undefined;
      const names = byName
        ? [...new Set(filters.elementIds)].filter(globMatcher(glob)).sort()
        : await (after === null ? listings.list(folder, glob) : listings.goOn(folder, glob));
      const stat = byName ? statFile : statListed;
      const elements: DataElement[] = [];
      let next = after === null ? 0 : firstAfter(names, after);
      while (next < names.length && elements.length < limit) {
        const picked: string[] = [];
        for (; next < names.length && elements.length + picked.length < limit; next += 1) {
          const name = names[next];
          if (name !== undefined && passes(matches, name)) picked.push(name);
          if (pauser.isDue()) await pauser.pause();
        }
        elements.push(...(await statAll(datasource, folder, picked, stat)));
      }
      return {
        elements,
        cursors: elements.map(({ id }) => id),
        cursor: next < names.length ? (names[next - 1] ?? after) : null,
      };
    },

    async count(datasource) {
      const { folder, glob } = await locate(datasource);
      return (await listings.list(folder, glob)).length;
    },

    async find(datasource, elementId) {
      const { folder, glob } = await locate(datasource);
      if (!globMatcher(glob)(elementId)) return null;
      const file = await statFile(folder, elementId);
      return file === null ? null : elementOf(datasource, elementId, file);
    },

    async read(datasource, elementId) {
      const { folder, glob } = await locate(datasource);
      if (!globMatcher(glob)(elementId)) throw elementNotFound(elementId);
      const bytes = await readFileBelow(folder, elementId);
      const documents = [documentOf(path.posix.basename(elementId), mediaTypeOf(elementId), bytes)];
      return { documents, contentHash: measureContent(documents).contentHash };
    },

    async exists(datasource, elementId, relative) {
      const target = resolveBeside(elementId, relative);
      if (target === null) return null;
      const { folder } = await locate(datasource);
      return await existsBelow(folder, target);
    },
  };
}

function folderOf(datasource: Datasource): { path: string; glob: string } {
  if (datasource.folder === null) throw new Error(`Datasource ${datasource.id} is no folder.`);
  return datasource.folder;
}

const passes = (matches: ElementMatcher, name: string): boolean =>
  matches({ id: name, filename: name, mediaType: mediaTypeOf(name) });

/** The elements of these names, without those that are gone or are no files. */
async function statAll(
  datasource: Datasource,
  folder: string,
  names: readonly string[],
  stat: typeof statFile,
): Promise<DataElement[]> {
  const found = await pLimit(STATS_AT_ONCE).map(names, async (name) => {
    const file = await stat(folder, name);
    return file === null ? [] : [elementOf(datasource, name, file)];
  });
  return found.flat();
}

function elementOf(datasource: Datasource, name: string, file: Stats): DataElement {
  return {
    id: name,
    datasourceId: datasource.id,
    filename: name,
    mediaType: mediaTypeOf(name),
    metadata: null,
    documentNames: null,
    sizeBytes: file.size,
    contentHash: null,
    createdAt: null,
    updatedAt: new Date(file.mtimeMs),
  };
}

/** The index of the first name that comes after `name`, by binary search. */
function firstAfter(names: readonly string[], name: string): number {
  let low = 0;
  let high = names.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((names[middle] ?? '') <= name) low = middle + 1;
    else high = middle;
  }
  return low;
}
