/** Data elements: the inputs that a datasource holds, and their connection. */
import type { DataElement, DocumentName } from '../domain/model.ts';
import type { ListedElement } from '../services/read-elements.ts';
import { builder } from './builder.ts';
import { connectionOf, keysetArgs, ordering, type PagingArgs, toConnection } from './connection.ts';

const DocumentNameType = builder.objectRef<DocumentName>('DocumentName').implement({
  description: 'What a document of an element is called.',
  fields: (t) => ({
    filename: t.exposeString('filename', { description: 'Its filename.' }),
    mediaType: t.exposeString('mediaType', { description: 'Its media type.' }),
  }),
});

export const DataElementType = builder.objectRef<DataElement>('DataElement').implement({
  description: 'One input of a datasource, without its content.',
  fields: (t) => ({
    id: t.exposeID('id', {
      description: 'The id within the datasource. In a folder: the path below it, with "/". It is no id for `node`.',
    }),
    datasourceId: t.exposeID('datasourceId', { description: 'The datasource that holds it.' }),
    filename: t.exposeString('filename', { description: 'The filename; in a folder the path below it, as the id.' }),
    mediaType: t.exposeString('mediaType', {
      description:
        'The media type; in a folder, and for a URL without one, by the extension, `application/octet-stream` for an unknown one.',
    }),
    metadata: t.expose('metadata', {
      type: 'JSON',
      nullable: true,
      description: 'What was attached, as it came; null when nothing.',
    }),
    documents: t.field({
      type: [DocumentNameType],
      description: 'What its documents are called, in order; one, unless it was stored with several.',
      resolve: ({ filename, mediaType, documentNames }) => [...(documentNames ?? [{ filename, mediaType }])],
    }),
    // Not Int, which ends at 2 GB: files of a folder are listed whatever their size.
    sizeBytes: t.exposeFloat('sizeBytes', {
      description:
        'Bytes of its documents together, a whole number; those that are elsewhere (`url`, `element`) count nothing.',
    }),
    contentHash: t.exposeString('contentHash', {
      nullable: true,
      description:
        'SHA-256 (hex) over its documents, over the reference for those that are elsewhere; null in a folder, where it would have to be read.',
    }),
    createdAt: t.expose('createdAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When it was added; null in a folder.',
    }),
    updatedAt: t.expose('updatedAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When its content last changed.',
    }),
  }),
});

export const DataElementConnection = connectionOf(DataElementType, 'DataElement');

const inOrder = ordering<ListedElement>('elements', { text: (row) => row.cursor });

/** The place to go on from and the size of a page of elements, which are read forwards only. */
export function elementsPage(args: Pick<PagingArgs, 'first' | 'after'>): { after: string | null; limit: number } {
  const { after, limit } = keysetArgs(args, inOrder);
  return { after: after === null ? null : String(after[0]), limit };
}

/** What an elements field answers. */
export function toElementConnection(rows: readonly ListedElement[], args: Pick<PagingArgs, 'first' | 'after'>) {
  const { edges, pageInfo } = toConnection(rows, keysetArgs(args, inOrder), inOrder);
  return { edges: edges.map(({ node, cursor }) => ({ node: node.element, cursor })), pageInfo };
}
