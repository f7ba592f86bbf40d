/** The inputs of claimed items, for the engine: what is listed at once, content when an agent asks for it. */
import type { AgentDocument } from '../domain/agent-context.ts';
import type { Datasource, DocumentName } from '../domain/model.ts';
import type { ItemInput, ItemInputs } from '../engine/ports.ts';
import type { Db } from '../store/database.ts';
import { findExecutionDatasource, type InputRow, readInputs } from '../store/item-inputs.ts';
import { type Content, type ContentParts, ItemContent } from './item-content.ts';

/** The engine's view of the datasources. */
export function createItemInputs(db: Db, parts: ContentParts): ItemInputs {
  return {
    async load(executionId, ordinals) {
      const [datasource, rows] = await Promise.all([
        findExecutionDatasource(db, executionId),
        readInputs(db, executionId, ordinals),
      ]);
      if (datasource === null) return new Map();
      return new Map(rows.map((row) => [row.ordinal, inputOf(parts, datasource, row)]));
    },
  };
}

function inputOf(parts: ContentParts, datasource: Datasource, row: InputRow): ItemInput {
  const content = new ItemContent(parts, datasource, row.elementId);
  const { ordinal, elementId, filename, mediaType, metadata, documentNames } = row;
  const names = documentNames ?? [{ filename, mediaType }];
  const documents = names.map((name, index) => lazyDocument(name, () => content.document(index, name.filename)));
  const first = documents[0] ?? lazyDocument(row, () => content.document(0, filename));
  const item = {
    ...{ ordinal, dataElementId: elementId, filename, mediaType, metadata, documents },
    text: () => first.text(),
    bytes: () => first.bytes(),
    json: () => first.json(),
    exists: (path: string) => parts.sources.exists(datasource, elementId, path),
  };
  const contentHash = () => content.hash;
  if (!names.some(({ remote }) => remote !== undefined)) return { contentHash, item };
  // The type of an element that was given none is that of its first document.
  const [name] = names;
  if (name?.remote === 'UNTYPED' && name.mediaType === mediaType) typedLate(item, () => first.mediaType);
  return { contentHash, item, begin: (signal) => beginCall(content, documents, names, signal) };
}

/** Fetches what has no media type of its own, so that the agent is told it; the rest waits until it is asked for. */
async function beginCall(
  content: ItemContent,
  documents: readonly AgentDocument[],
  names: readonly DocumentName[],
  signal: AbortSignal,
): Promise<void> {
  content.signal = signal;
  await Promise.all(documents.filter((_, index) => names[index]?.remote === 'UNTYPED').map((one) => one.bytes()));
}

function lazyDocument({ filename, mediaType, remote }: DocumentName, read: () => Promise<Content>): AgentDocument {
  let known = mediaType;
  const bytes = async (): Promise<Buffer> => {
    const content = await read();
    if (remote !== undefined) known = content.mediaType;
    return content.bytes;
  };
  const document = {
    ...{ filename, mediaType, bytes },
    text: async () => (await bytes()).toString('utf8'),
    json: async () => JSON.parse((await bytes()).toString('utf8')),
  };
  if (remote !== undefined) typedLate(document, () => known);
  return document;
}

/** Gives an object a media type that may still change; a getter in each item's literal would cost all of them. */
function typedLate(object: object, get: () => string): void {
  Object.defineProperty(object, 'mediaType', { get, enumerable: true });
}
