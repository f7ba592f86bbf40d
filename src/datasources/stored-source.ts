/** Elements that are rows: of STORED datasources by mutation, of INLINE ones by a create call. */
import { measureContent } from '../domain/content.ts';
import { compileFilters } from '../domain/filters.ts';
import type { DataElement, StoredDocument } from '../domain/model.ts';
import type { ElementSources } from '../services/ports.ts';
import { countElements, findElement, listElements, readElement } from '../store/data-elements.ts';
import type { Db } from '../store/database.ts';
import { createPauser } from './pauser.ts';
import { elementNotFound } from './source-error.ts';

/** Rows read at once while a filter looks for those it takes. */
const SCAN = 1_000;

/** Reads the element of another datasource of the project; throws SourceError when either is gone. */
export type ReadElsewhere = (
  projectId: string,
  source: { readonly datasourceId: string; readonly elementId: string },
) => ReturnType<ElementSources['read']>;

/**
 * The element source for datasources of kinds STORED and INLINE; the order is that of insertion.
 *
 * An item of a draft may stand for an element of another datasource, which is read through `readElsewhere`.
 */
export function createStoredSource(db: Db, readElsewhere: ReadElsewhere): ElementSources {
  /** The document that a reference stands for, under the reference's name. */
  async function resolve(projectId: string, document: StoredDocument): Promise<StoredDocument> {
    const { element: reference, filename, mediaType, remote } = document;
    if (reference === undefined) return document;
    const found = (await readElsewhere(projectId, reference)).documents[reference.document];
    if (found === undefined) throw elementNotFound(reference.elementId);
    return { ...found, filename, mediaType: remote === 'TYPED' ? mediaType : found.mediaType };
  }

  return {
    async page(datasource, filters, after, limit, readerId) {
      const matches = compileFilters(filters);
      const pauser = createPauser();
      const elements: DataElement[] = [];
      const cursors: string[] = [];
      let position = after === null ? -1 : Number(after);
      for (;;) {
        const asked = filters.regex === undefined && filters.mediaTypes === undefined ? limit - elements.length : SCAN;
        const rows = await listElements(db, datasource.id, position, asked, { ids: filters.elementIds, readerId });
        for (const { position: place, ...element } of rows) {
          if (elements.length === limit) return { elements, cursors, cursor: String(position) };
          position = place;
          if (pauser.isDue()) await pauser.pause();
          if (!matches(element)) continue;
          elements.push(element);
          cursors.push(String(position));
        }
        if (rows.length < asked) return { elements, cursors, cursor: null };
        if (elements.length === limit) return { elements, cursors, cursor: String(position) };
      }
    },

    count: (datasource) => countElements(db, datasource.id),

    find: (datasource, elementId) => findElement(db, datasource.id, elementId),

    async read(datasource, elementId) {
      const element = await readElement(db, datasource.id, elementId);
      if (element === null) throw elementNotFound(elementId);
      if ('source' in element) return await readElsewhere(datasource.projectId, element.source);
      if (element.documents.every(({ element: reference }) => reference === undefined)) return element;
      const documents = await Promise.all(element.documents.map((one) => resolve(datasource.projectId, one)));
      return { documents, contentHash: measureContent(documents).contentHash };
    },

    exists: () => Promise.resolve(null),
  };
}
