/** The steps between creating (or retrying) an execution and its being whole: freeze in chunks, seal, requeue. */
import { LIMITS } from '../domain/limits.ts';
import { type Datasource, holdsResults } from '../domain/model.ts';
import { isFinalExecution } from '../domain/states.ts';
import type { PrepareAnswer } from '../engine/ports.ts';
import { findExecutionDatasource } from '../store/datasources.ts';
import { analyzeItems, appendItems, findUnfrozen, sealItems, type Unfrozen } from '../store/freeze.ts';
import { appendResultItems, appendStoredItems, LONGEST_SPAN } from '../store/freeze-stored.ts';
import { moveRoundChunk } from '../store/rounds.ts';
import type { ElementChunk, ServiceDeps } from './ports.ts';

/** Small, so that the first item starts before the rest is listed. */
const FIRST_CHUNK = 200;
/** Rows that one statement copies within the database; on the embedded one everyone waits for it. */
const COPIED_ROWS = { embedded: LIMITS.sweepChunk, postgres: 4_000 } as const;
/** The same of rows that are mostly not copied. */
const PLACED_ROWS = { embedded: 4_000, postgres: LONGEST_SPAN } as const;
/** So many copied inputs would leave the planner's statistics far behind. */
const ANALYZE_FROM = 2_000;

/** Thrown when an execution can never be prepared; the engine ends it FAILED with the message. */
export class CannotGoOn extends Error {
  readonly code = 'execution_cannot_go_on';
}

type PrepareDeps = Pick<ServiceDeps, 'db' | 'sources' | 'now'> & { readonly kind?: keyof typeof COPIED_ROWS };

/**
 * Does the next step of preparing an execution; `more: false` when there is none.
 *
 * A step is one commit. Each applies only where the last one stopped, so two processes, or one that was killed
 * and started again, freeze every element once.
 */
export async function prepareExecution(deps: PrepareDeps, executionId: string): Promise<PrepareAnswer> {
  const [unfrozen, datasource] = await Promise.all([
    findUnfrozen(deps.db, executionId),
    findExecutionDatasource(deps.db, executionId),
  ]);
  if (unfrozen !== null) return await freeze(deps, executionId, unfrozen, datasource);
  const moved = await moveRoundChunk(deps.db, executionId, deps.now());
  return moved ?? { more: false, revision: null };
}

/** A chunk that was appended. */
interface Appended extends PrepareAnswer {
  /** How many items there are, once that is final; null while there may be more. */
  readonly total: number | null;
}

async function freeze(
  deps: PrepareDeps,
  executionId: string,
  unfrozen: Unfrozen,
  datasource: Datasource | null,
): Promise<PrepareAnswer> {
  // No cursor but items: the last chunk is in, and only the seal is missing.
  const isListed = unfrozen.cursor === null && unfrozen.total > 0;
  const chunk = isListed ? null : await appendNext(deps, executionId, unfrozen, datasource);
  if (chunk !== null && chunk.total === null) return chunk;
  const total = chunk?.total ?? unfrozen.total;
  if (total >= ANALYZE_FROM) await analyzeItems(deps.db, executionId, ANALYZE_FROM);
  const sealed = await sealItems(deps.db, executionId, total, deps.now());
  const ends = sealed !== null && isFinalExecution(sealed.status);
  return { more: false, revision: sealed?.revision ?? chunk?.revision ?? null, ends };
}

/** Appends the next elements that match; null when there are none. */
async function appendNext(
  deps: PrepareDeps,
  executionId: string,
  unfrozen: Unfrozen,
  datasource: Datasource | null,
): Promise<Appended | null> {
  if (datasource === null) throw new CannotGoOn('Its datasource is gone.');
  const { elementIds, regex, mediaTypes } = unfrozen.filters;
  const isPlain = regex === undefined && mediaTypes === undefined;
  const isResults = holdsResults(datasource);
  const first = unfrozen.total === 0 ? FIRST_CHUNK : null;
  if (datasource.kind !== 'FOLDER' && isPlain && !(isResults && elementIds !== undefined)) {
    // Rows of our own that need no look from here.
    const limit = first ?? (isResults ? COPIED_ROWS : PLACED_ROWS)[deps.kind ?? 'embedded'];
    const chunk = { from: unfrozen, datasourceId: datasource.id, elementIds, limit };
    const append = isResults ? appendResultItems : appendStoredItems;
    const { found, revision, total } = await append(deps.db, executionId, chunk, deps.now());
    return found === 0 ? null : appended(revision, found !== null && found < limit ? total : null);
  }
  const chunk = await nextChunk(deps, datasource, executionId, unfrozen, first ?? LIMITS.sweepChunk);
  if (chunk.elements.length === 0) return null;
  return appended(await appendItems(deps.db, executionId, { ...chunk, from: unfrozen }, deps.now()), null);
}

// Not applied: another node was faster, or the execution is being closed. Whoever looks next goes on.
const appended = (revision: number | null, total: number | null): Appended => ({
  ...{ more: revision !== null, revision, total },
});

/** The next elements that match, or an empty chunk when there are none. */
async function nextChunk(
  deps: Pick<ServiceDeps, 'sources'>,
  datasource: Datasource,
  executionId: string,
  unfrozen: Unfrozen,
  size: number,
): Promise<ElementChunk> {
  try {
    let cursor = unfrozen.cursor;
    for (;;) {
      const chunk = await deps.sources.page(datasource, unfrozen.filters, cursor, size, executionId);
      if (chunk.elements.length > 0 || chunk.cursor === null) return chunk;
      cursor = chunk.cursor;
    }
  } catch (error) {
    // A datasource says with `transient` whether listing it again may work.
    if (error instanceof Error && Reflect.get(error, 'transient') === false) throw new CannotGoOn(error.message);
    throw error;
  }
}
