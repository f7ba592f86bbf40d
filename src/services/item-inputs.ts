/** The inputs of claimed items, for the engine: what is listed at once, content when an agent asks for it. */
import type { AgentDocument } from '../domain/agent-context.ts';
import { documentBytes } from '../domain/content.ts';
import type { Datasource, DocumentName, StoredDocument } from '../domain/model.ts';
import type { ItemInput, ItemInputs } from '../engine/ports.ts';
import type { Db } from '../store/database.ts';
import { findExecutionDatasource, type InputRow, readInputs } from '../store/item-inputs.ts';
import type { ElementSources } from './ports.ts';

/** The engine's view of the datasources. */
export function createItemInputs(db: Db, sources: ElementSources): ItemInputs {
  return {
    async load(executionId, ordinals) {
      const [datasource, rows] = await Promise.all([
        findExecutionDatasource(db, executionId),
        readInputs(db, executionId, ordinals),
      ]);
      if (datasource === null) return new Map();
      return new Map(rows.map((row) => [row.ordinal, inputOf(sources, datasource, row)]));
    },
  };
}

function inputOf(sources: ElementSources, datasource: Datasource, row: InputRow): ItemInput {
  let hash: string | null = null;
  // Read once and kept while the item is in its slot; a failed read is tried again by the next call.
  let reading: Promise<readonly StoredDocument[]> | null = null;
  const read = (): Promise<readonly StoredDocument[]> => {
    reading ??= sources.read(datasource, row.elementId).then(
      (content) => {
        hash = content.contentHash;
        return content.documents;
      },
      (error: unknown) => {
        reading = null;
        throw error;
      },
    );
    return reading;
  };
  const names = row.documentNames ?? [{ filename: row.filename, mediaType: row.mediaType }];
  const documents = names.map((name, index) => lazyDocument(name, async () => (await read())[index]));
  const first =
    documents[0] ??
    lazyDocument({ filename: row.filename, mediaType: row.mediaType }, () => Promise.resolve(undefined));
  return {
    contentHash: () => hash,
    item: {
      ordinal: row.ordinal,
      dataElementId: row.elementId,
      filename: row.filename,
      mediaType: row.mediaType,
      metadata: row.metadata,
      documents,
      text: () => first.text(),
      bytes: () => first.bytes(),
      json: () => first.json(),
      exists: (path) => sources.exists(datasource, row.elementId, path),
    },
  };
}

function lazyDocument(name: DocumentName, read: () => Promise<StoredDocument | undefined>): AgentDocument {
  const bytes = async (): Promise<Buffer> => {
    const document = await read();
    if (document === undefined) throw new MissingDocument(name.filename);
    return documentBytes(document);
  };
  return {
    ...name,
    bytes,
    text: async () => (await bytes()).toString('utf8'),
    json: async () => JSON.parse((await bytes()).toString('utf8')),
  };
}

/** The element has fewer documents now than when its items were frozen. */
class MissingDocument extends Error {
  readonly code = 'document_not_found';
  readonly category = 'DEPENDENCY';
  readonly transient = false;
  constructor(filename: string) {
    super(`The element no longer has the document ${JSON.stringify(filename)}.`);
    this.name = 'MissingDocument';
  }
}
