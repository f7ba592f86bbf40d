/** Elements that are results of executions: of datasources of kinds RESULTS and EXECUTION_RESULTS. */
import { measureContent } from '../domain/content.ts';
import { compileFilters } from '../domain/filters.ts';
import type { DataElement } from '../domain/model.ts';
import type { ElementSources } from '../services/ports.ts';
import type { Db } from '../store/database.ts';
import { countResults, findResults, listResults, readResult } from '../store/result-elements.ts';
import { createPauser } from './pauser.ts';
import { elementNotFound } from './source-error.ts';

/** Most items that are looked at at once. */
const SCAN = 1_000;

/**
 * The element source for results, in the order of executions and in one of its ordinals; a cursor is an item's place in that.
 *
 * What succeeds before a cursor that was given out is not seen by who goes on from there.
 */
export function createResultSource(db: Db): ElementSources {
  return {
    async page(datasource, filters, after, limit, readerId) {
      const { elementIds } = filters;
      const matches = compileFilters(filters);
      const pauser = createPauser();
      const elements: DataElement[] = [];
      const cursors: string[] = [];
      let cursor = after;
      for (let looks = limit; ; looks *= 4) {
        const range = { after: cursor, before: readerId ?? null, limit: Math.min(looks, SCAN) };
        const read =
          elementIds === undefined
            ? await listResults(db, datasource.id, range)
            : await findResults(db, datasource.id, elementIds, range);
        for (const { element, place } of read.elements) {
          if (elements.length === limit) return { elements, cursors, cursor };
          cursor = place;
          if (pauser.isDue()) await pauser.pause();
          if (!matches(element)) continue;
          elements.push(element);
          cursors.push(place);
        }
        cursor = read.cursor;
        if (cursor === null || elements.length === limit) return { elements, cursors, cursor };
      }
    },

    count: (datasource) => countResults(db, datasource.id),

    async find(datasource, elementId) {
      const range = { after: null, before: null, limit: 1 };
      return (await findResults(db, datasource.id, [elementId], range)).elements[0]?.element ?? null;
    },

    async read(datasource, elementId) {
      const document = await readResult(db, datasource.id, elementId);
      if (document === null) throw elementNotFound(elementId);
      return { documents: [document], contentHash: measureContent([document]).contentHash };
    },

    exists: () => Promise.resolve(null),
  };
}
