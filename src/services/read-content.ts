import { documentBytes } from '../domain/content.ts';
import type { Actor, DocumentName } from '../domain/model.ts';
import { InvalidStateError, NotFoundError } from '../domain/user-error.ts';
import type { ServiceDeps } from './ports.ts';
import { getDatasource } from './read-datasources.ts';
import { getDataElement, whileThere } from './read-elements.ts';
import { requireRole } from './require-role.ts';

/** One document of an element, as it came. Needs READER; throws NotFoundError when it is not there, InvalidStateError when it is at a URL. */
export async function readContent(
  deps: Pick<ServiceDeps, 'db' | 'sources'>,
  actor: Actor,
  { datasourceId, elementId, document }: { datasourceId: string; elementId: string; document: number },
): Promise<DocumentName & { readonly bytes: Buffer }> {
  requireRole(actor, 'READER');
  const datasource = await getDatasource(deps, actor, datasourceId);
  if (datasource === null) throw new NotFoundError('datasource', datasourceId);
  if ((await getDataElement(deps, datasource, elementId)) === null) throw new NotFoundError('element', elementId);
  const { documents } = await whileThere(() => deps.sources.read(datasource, elementId));
  const found = documents[document];
  if (found === undefined) throw new NotFoundError('document', `${elementId}?document=${document}`);
  if (found.url !== undefined) {
    throw new InvalidStateError(`The document is at ${found.url}, and is fetched from there when it runs.`, 'REMOTE');
  }
  return { filename: found.filename, mediaType: found.mediaType, bytes: documentBytes(found) };
}
