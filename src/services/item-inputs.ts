/** The inputs of claimed items, for the engine: what is listed at once, content when an agent asks for it. */
import type { AgentDocument, AgentItem } from '../domain/agent-context.ts';
import type { Datasource, DocumentName } from '../domain/model.ts';
import type { ItemInput, ItemInputs } from '../engine/ports.ts';
import type { Db } from '../store/database.ts';
import { findExecutionDatasource } from '../store/datasources.ts';
import { type InputRow, readInputs } from '../store/item-inputs.ts';
import { type ContentParts, ItemContent } from './item-content.ts';

/** The engine's view of the datasources. */
export function createItemInputs(db: Db, parts: ContentParts): ItemInputs {
  return {
    async load(executionId, ordinals) {
      const [datasource, rows] = await Promise.all([
        findExecutionDatasource(db, executionId),
        readInputs(db, executionId, ordinals),
      ]);
      if (datasource === null) return new Map();
      const inputs = new Map<number, ItemInput>();
      for (const row of rows) inputs.set(row.ordinal, new ListedInput(row, parts, datasource));
      return inputs;
    },
  };
}

/** Waits by the hundred for its start: until then it holds no more than it was listed with. */
class ListedInput implements ItemInput {
  readonly #row: InputRow;
  readonly #parts: ContentParts;
  readonly #datasource: Datasource;
  #item: AgentItem | null = null;
  #content: ItemContent | null = null;

  constructor(row: InputRow, parts: ContentParts, datasource: Datasource) {
    this.#row = row;
    this.#parts = parts;
    this.#datasource = datasource;
  }

  get item(): AgentItem {
    this.#item ??= itemOf(this.#row, this);
    return this.#item;
  }

  /** Many agents ask for nothing of it. */
  get content(): ItemContent {
    this.#content ??= new ItemContent(this.#parts, this.#datasource, this.#row.elementId);
    return this.#content;
  }

  contentHash(): string | null {
    return this.#content?.hash ?? null;
  }

  get begin(): ItemInput['begin'] {
    const { documentNames } = this.#row;
    if (!documentNames?.some(({ remote }) => remote !== undefined)) return null;
    const { content, item } = this;
    return (signal) => beginCall(content, item.documents, documentNames, signal);
  }
}

/** None of its functions needs `this`: agents take it apart. */
function itemOf(row: InputRow, input: ListedInput): AgentItem {
  const { ordinal, elementId, filename, mediaType, metadata, documentNames } = row;
  const listed = documentNames?.map((name, index) => lazyDocument(name, input, index));
  const first = listed?.[0] ?? lazyDocument(row, input, 0);
  const documents = listed ?? [first];
  const { text, bytes, json } = first;
  const exists = (path: string) => input.content.exists(path);
  const item = {
    ordinal,
    dataElementId: elementId,
    filename,
    mediaType,
    metadata,
    documents,
    text,
    bytes,
    json,
    exists,
  };
  // The type of an element that was given none is that of its first document.
  const [name] = documentNames ?? [];
  if (name?.remote === 'UNTYPED' && name.mediaType === mediaType) typedLate(item, () => first.mediaType);
  return item;
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

function lazyDocument({ filename, mediaType, remote }: DocumentName, input: ListedInput, index: number): AgentDocument {
  let known = mediaType;
  const bytes = async (): Promise<Buffer> => {
    const read = await input.content.document(index, filename);
    if (remote !== undefined) known = read.mediaType;
    return read.bytes;
  };
  const document = {
    filename,
    mediaType,
    bytes,
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
