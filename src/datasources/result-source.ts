/** Elements that are results of executions: of datasources of kinds RESULTS and EXECUTION_RESULTS. */
import { measureContent } from '../domain/content.ts';
import { compileFilters } from '../domain/filters.ts';
import type { DataElement } from '../domain/model.ts';
import type { ElementSources } from '../services/ports.ts';
import type { Db } from '../store/database.ts';
import { countResults, listResults, readResult } from '../store/result-elements.ts';
import { createPauser } from './pauser.ts';
import { elementNotFound } from './source-error.ts';

/** Rows read at once while a filter looks for those it takes. */
const SCAN = 1_000;

/**
 * The element source for results, in the order of executions and in one of its ordinals; a cursor is an element's id.
 *
 * What succeeds behind a cursor that was read before is not seen by who goes on from there.
 */
export function createResultSource(db: Db): ElementSources {
  return {
    async page(datasource, filters, after, limit, readerId) {
      const matches = compileFilters(filters);
      const pauser = createPauser();
      const elements: DataElement[] = [];
      const isPlain = filters.regex === undefined && filters.mediaTypes === undefined;
      const full = () => ({ elements, cursors: elements.map(({ id }) => id) });
      let last = after;
      for (;;) {
        const asked = isPlain ? limit - elements.length : SCAN;
        const range = { after: last, before: readerId ?? null, limit: asked };
        const rows = await listResults(db, datasource.id, range, filters.elementIds);
        for (const element of rows) {
          if (elements.length === limit) return { ...full(), cursor: last };
          last = element.id;
          if (pauser.isDue()) await pauser.pause();
          if (matches(element)) elements.push(element);
        }
        if (rows.length < asked) return { ...full(), cursor: null };
        if (elements.length === limit) return { ...full(), cursor: last };
      }
    },

    count: (datasource) => countResults(db, datasource.id),

    async find(datasource, elementId) {
      const range = { after: null, before: null, limit: 1 };
      return (await listResults(db, datasource.id, range, [elementId]))[0] ?? null;
    },

    async read(datasource, elementId) {
      const document = await readResult(db, datasource.id, elementId);
      if (document === null) throw elementNotFound(elementId);
      return { documents: [document], contentHash: measureContent([document]).contentHash };
    },

    exists: () => Promise.resolve(null),
  };
}
