import pLimit from 'p-limit';
import { z } from 'zod';
import { LIMITS } from '../domain/limits.ts';
import { mediaTypeOf } from '../domain/media-type.ts';
import type { Actor, DataElement, Datasource, Execution } from '../domain/model.ts';
import { NotFoundError, ValidationError } from '../domain/user-error.ts';
import { findElements, type NewElement } from '../store/data-elements.ts';
import { findDatasource } from '../store/datasources.ts';
import { lockDraft } from '../store/drafts.ts';
import { findExecution } from '../store/execution-rows.ts';
import { giveIndexes } from './add-batch-items.ts';
import { checkInput } from './check-input.ts';
import { mustBeDraft, storeDraftItems } from './draft-items.ts';
import type { ServiceDeps } from './ports.ts';
import { getDataElement } from './read-elements.ts';
import { requireRole } from './require-role.ts';
import { storableString } from './storable-string.ts';

const schema = z.object({
  batchExecutionId: z.string(),
  datasourceId: z.string(),
  elementIds: z.array(storableString(LIMITS.elementIdBytes).min(1)).min(1).max(LIMITS.inlineItems),
  skipValidation: z.boolean().nullish(),
});

/** Which elements to add to which draft. */
export type AddBatchElementsInput = z.input<typeof schema>;

/** An element that was not added; `place` is its place in the input, from 0. */
export interface RejectedElement {
  readonly place: number;
  readonly elementId: string;
  readonly code: 'element_not_found' | 'conflict';
  readonly message: string;
}

export interface AddBatchElementsAnswer {
  readonly execution: Execution;
  readonly addedCount: number;
  /** Elements that were there already. */
  readonly repeatedCount: number;
  readonly rejected: readonly RejectedElement[];
}

/** Looks at the files of a folder that are under way at once. */
const LOOKS = 8;

type Deps = Pick<ServiceDeps, 'db' | 'now' | 'publish' | 'sources'>;

/**
 * Adds elements of a datasource to a draft in their order, behind its last item, as far as they are there.
 *
 * An item stands for its element: the content is read when it runs. `skipValidation` spares the look whether they
 * are there; an item without one then fails as `element_not_found`. Needs MEMBER; throws ValidationError,
 * NotFoundError, or InvalidStateError when the execution is no DRAFT.
 */
export async function addBatchElements(
  deps: Deps,
  actor: Actor,
  input: AddBatchElementsInput,
): Promise<AddBatchElementsAnswer> {
  requireRole(actor, 'MEMBER');
  const { batchExecutionId: id, datasourceId, elementIds, skipValidation } = checkInput(schema, input);
  const datasource = await findDatasource(deps.db, actor.projectId, datasourceId);
  if (datasource === null) throw new NotFoundError('datasource', datasourceId);
  if (datasource.kind === 'INLINE') {
    const msg = 'is of kind INLINE: its items belong to an execution';
    throw new ValidationError([{ loc: ['input', 'datasourceId'], type: 'kind', msg }]);
  }
  const found = skipValidation === true ? null : await look(deps, datasource, elementIds);
  const rows: NewElement[] = [];
  const places = new Map<string, number>();
  const rejected: RejectedElement[] = [];
  let twice = 0;
  for (const [place, elementId] of elementIds.entries()) {
    const element = found === null ? unseen(elementId) : found.get(elementId);
    if (element === undefined) rejected.push(missing(place, elementId, datasource));
    else if (places.has(elementId)) twice += 1;
    else {
      rows.push({ ...rowOf(element), id: elementId, sourceDatasourceId: datasource.id, sourceElementId: elementId });
      places.set(elementId, place);
    }
  }
  const { added, repeated, conflicts, revision } = await deps.db.transaction().execute(async (tx) => {
    const draft = await mustBeDraft(tx, actor.projectId, id, await lockDraft(tx, actor.projectId, id));
    const own = rows.map(() => true);
    const indexed = await giveIndexes(tx, draft, rows, own, null);
    return await storeDraftItems(tx, draft, indexed, deps.now());
  });
  if (revision !== null) deps.publish(id, revision);
  const execution = await findExecution(deps.db, actor.projectId, id);
  // Deleted since.
  if (execution === undefined) throw new NotFoundError('batch execution', id);
  for (const { item, message } of conflicts) {
    rejected.push({ place: places.get(item.id) ?? 0, elementId: item.id, code: 'conflict', message });
  }
  rejected.sort((a, b) => a.place - b.place);
  return { execution, addedCount: added, repeatedCount: repeated + twice, rejected };
}

type Seen = Pick<DataElement, 'filename' | 'mediaType' | 'metadata' | 'documentNames' | 'sizeBytes' | 'contentHash'>;

/** The elements that are there, by their ids. Throws InvalidStateError when the datasource's folder is gone. */
async function look(deps: Deps, datasource: Datasource, ids: readonly string[]): Promise<ReadonlyMap<string, Seen>> {
  if (datasource.kind === 'STORED') {
    return new Map((await findElements(deps.db, datasource.id, ids)).map((element) => [element.id, element]));
  }
  const limit = pLimit(LOOKS);
  const found = await limit.map([...new Set(ids)], (id) => getDataElement(deps, datasource, id));
  return new Map(found.flatMap((element) => (element === null ? [] : [[element.id, element]])));
}

const unseen = (elementId: string): Seen => ({
  ...{ filename: elementId, mediaType: mediaTypeOf(elementId), metadata: null, documentNames: null },
  ...{ sizeBytes: 0, contentHash: null },
});

const rowOf = ({ metadata, documentNames, ...element }: Seen): Omit<NewElement, 'id'> => ({
  filename: element.filename,
  mediaType: element.mediaType,
  sizeBytes: element.sizeBytes,
  contentHash: element.contentHash,
  metadata: metadata === null ? null : JSON.stringify(metadata),
  documents: '[]',
  documentNames: documentNames === null ? null : JSON.stringify(documentNames),
});

const missing = (place: number, elementId: string, datasource: Datasource): RejectedElement => ({
  ...{ place, elementId, code: 'element_not_found' },
  message: `The datasource ${datasource.id} has no element ${JSON.stringify(elementId.slice(0, 200))}.`,
});
