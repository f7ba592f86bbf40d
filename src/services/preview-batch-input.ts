/** Which elements an execution would take now, without making anything. */
import { LIMITS } from '../domain/limits.ts';
import type { Actor, Datasource } from '../domain/model.ts';
import type { InputFilters } from '../domain/spec.ts';
import { findDatasource } from '../store/datasources.ts';
import { IssueList } from './issue-list.ts';
import type { ElementChunk, ServiceDeps } from './ports.ts';
import { getDatasource } from './read-datasources.ts';
import { getBatchDefinition } from './read-definitions.ts';
import { whileThere } from './read-elements.ts';
import { type FiltersInput, filtersOf, filtersSchema } from './spec-input.ts';

const SCAN = 1_000;

/** What to look at: a datasource, or the one of a definition by the definition's filters unless others are given. */
export interface PreviewInput {
  readonly source: { readonly datasourceId: string } | { readonly definitionId: string };
  readonly filters?: FiltersInput | null | undefined;
}

/** A datasource and the filters that choose from it. */
export interface BatchInputPreview {
  readonly datasource: Datasource;
  readonly filters: InputFilters;
}

/** How many elements match; `isComplete` is false where counting stopped early. */
export interface MatchCount {
  readonly count: number;
  readonly isComplete: boolean;
}

/** What would be taken from where; null when the project has no such definition or datasource. Throws ValidationError. */
export async function previewBatchInput(
  deps: Pick<ServiceDeps, 'db'>,
  actor: Actor,
  { source, filters }: PreviewInput,
): Promise<BatchInputPreview | null> {
  const issues = new IssueList();
  const given = issues.check(filtersSchema.nullish(), filters, ['filters']);
  issues.throwIfAny();
  // As in an execution's overrides: filters without a condition take everything.
  const checked = given == null ? undefined : (filtersOf(given) ?? {});
  if ('datasourceId' in source) {
    const datasource = await getDatasource(deps, actor, source.datasourceId);
    return datasource && { datasource, filters: checked ?? {} };
  }
  const definition = await getBatchDefinition(deps, actor, { id: source.definitionId });
  if (definition === null) return null;
  const { input } = definition.spec;
  const datasource = await findDatasource(deps.db, actor.projectId, input.datasourceId);
  return datasource && { datasource, filters: checked ?? input.filters ?? {} };
}

/**
 * How many elements match now, at most `LIMITS.previewMatches`; all of them where there are no filters.
 *
 * Throws InvalidStateError when the datasource's folder is gone.
 */
export async function countMatches(
  { sources }: Pick<ServiceDeps, 'sources'>,
  { datasource, filters }: BatchInputPreview,
): Promise<MatchCount> {
  const { regex, mediaTypes, elementIds } = filters;
  if (regex === undefined && mediaTypes === undefined && elementIds === undefined) {
    return { count: await whileThere(() => sources.count(datasource)), isComplete: true };
  }
  let count = 0;
  let cursor: string | null = null;
  do {
    const after: string | null = cursor;
    const chunk: ElementChunk = await whileThere(() => sources.page(datasource, filters, after, SCAN));
    count += chunk.elements.length;
    cursor = chunk.cursor;
  } while (cursor !== null && count < LIMITS.previewMatches);
  return { count, isComplete: cursor === null };
}
