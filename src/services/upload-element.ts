/** Elements whose content comes as it is, in the body of a request. */
import { isUtf8 } from 'node:buffer';
import { measureBytes } from '../domain/content.ts';
import { mediaTypeOf } from '../domain/media-type.ts';
import type { Actor, DataElement, Datasource, StoredDocument } from '../domain/model.ts';
import { NotFoundError } from '../domain/user-error.ts';
import { findElement, upsertElements } from '../store/data-elements.ts';
import { findDatasource, lockDatasource } from '../store/datasources.ts';
import { mustBeStored } from './add-data-elements.ts';
import { checkElement } from './element-input.ts';
import { IssueList } from './issue-list.ts';
import type { ServiceDeps } from './ports.ts';
import { requireRole } from './require-role.ts';

/** What an element is called whose content is bytes. */
export interface UploadedElementInput {
  readonly datasourceId: string;
  readonly elementId: string;
  /** The id by default. */
  readonly filename?: string | undefined;
  /** What the filename's extension says by default. */
  readonly mediaType?: string | undefined;
  readonly metadata?: unknown;
}

/** The STORED datasource that elements are about to go to; throws as they would, before anything is read of them. */
export async function findWritableDatasource(
  { db }: Pick<ServiceDeps, 'db'>,
  actor: Actor,
  datasourceId: string,
): Promise<Datasource> {
  requireRole(actor, 'MEMBER');
  const datasource = await findDatasource(db, actor.projectId, datasourceId);
  if (datasource === null) throw new NotFoundError('datasource', datasourceId);
  mustBeStored(datasource);
  return datasource;
}

/**
 * Stores one element with these bytes, in the place of one with its id; `created` is false for that.
 *
 * Kept as text where it is UTF-8, else as base64; the same bytes come out. Needs MEMBER; throws ValidationError,
 * NotFoundError, or InvalidStateError for a datasource that is not STORED.
 */
export async function uploadElement(
  deps: Pick<ServiceDeps, 'db' | 'now'>,
  actor: Actor,
  input: UploadedElementInput,
  bytes: Buffer,
): Promise<{ readonly element: DataElement; readonly created: boolean }> {
  requireRole(actor, 'MEMBER');
  const { elementId, filename = elementId, mediaType = mediaTypeOf(filename), metadata } = input;
  const issues = new IssueList();
  // Its rules are those of any element; only its content is looked at once instead of several times.
  const about = { dataElementId: elementId, filename, mediaType, metadata, text: '' };
  const row = checkElement(about, elementId, [], issues);
  issues.throwIfAny();
  if (row === null) throw new Error('An element was refused without an issue.');
  // PostgreSQL keeps no U+0000 in a text.
  const document: StoredDocument =
    isUtf8(bytes) && !bytes.includes(0)
      ? { filename, mediaType, text: bytes.toString('utf8') }
      : { filename, mediaType, base64: bytes.toString('base64') };
  const stored = { ...row, ...measureBytes(document, bytes), documents: JSON.stringify([document]) };
  return await deps.db.transaction().execute(async (tx) => {
    const datasource = await lockDatasource(tx, actor.projectId, input.datasourceId);
    if (datasource === null) throw new NotFoundError('datasource', input.datasourceId);
    mustBeStored(datasource);
    const fresh = await upsertElements(tx, datasource.id, [stored], deps.now());
    const element = await findElement(tx, datasource.id, elementId);
    if (element === null) throw new Error(`the element ${elementId} was not stored`);
    return { element, created: fresh.has(elementId) };
  });
}
