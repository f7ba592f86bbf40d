/** The content of one item: read when it is asked for, and kept while the item is in its slot. */
import { createHash } from 'node:crypto';
import pLimit, { type LimitFunction } from 'p-limit';
import { documentBytes } from '../domain/content.ts';
import { contentHash } from '../domain/json.ts';
import { LIMITS } from '../domain/limits.ts';
import type { Datasource, StoredDocument } from '../domain/model.ts';
import type { ElementSources, FetchDocument } from './ports.ts';

/** Where content comes from. */
export interface ContentParts {
  readonly sources: ElementSources;
  readonly fetchDocument: FetchDocument;
}

/** The bytes of a document, and what they are. */
export interface Content {
  readonly bytes: Buffer;
  readonly mediaType: string;
}

/** What an element's documents by URL have come to. */
interface Remote {
  readonly fetched: Map<number, Promise<Content>>;
  readonly hashes: [index: number, hash: string][];
  sizeBytes: number;
  /** The limit on their bytes holds only where the next starts after the last. */
  readonly oneByOne: LimitFunction;
}

/** The documents of one element of a datasource. */
export class ItemContent {
  /** Aborts fetches; that of the present call. */
  signal: AbortSignal | null = null;
  readonly #parts: ContentParts;
  readonly #datasource: Datasource;
  readonly #elementId: string;
  #reading: Promise<readonly StoredDocument[]> | null = null;
  #hash: string | null = null;
  // Most items have nothing to fetch, and need none of it.
  #remote: Remote | null = null;

  constructor(parts: ContentParts, datasource: Datasource, elementId: string) {
    this.#parts = parts;
    this.#datasource = datasource;
    this.#elementId = elementId;
  }

  /** SHA-256 (hex) of what was read so far, also of what was fetched; null when nothing was. */
  get hash(): string | null {
    const hashes = this.#remote?.hashes ?? [];
    if (this.#hash === null || hashes.length === 0) return this.#hash;
    return contentHash([this.#hash, hashes.toSorted(([a], [b]) => a - b)]);
  }

  /** Whether there is a file or folder at a path that starts from the element's own. */
  exists(path: string): Promise<boolean | null> {
    return this.#parts.sources.exists(this.#datasource, this.#elementId, path);
  }

  /** A document by its place. Throws what keeps it from being read; then the next call reads again. */
  async document(index: number, filename: string): Promise<Content> {
    const document = (await this.#read())[index];
    if (document === undefined) throw new MissingDocument(filename);
    const { url } = document;
    if (url === undefined) return { bytes: documentBytes(document), mediaType: document.mediaType };
    this.#remote ??= { fetched: new Map(), hashes: [], sizeBytes: 0, oneByOne: pLimit(1) };
    const remote = this.#remote;
    const known = remote.fetched.get(index);
    if (known !== undefined) return await known;
    const fetching = remote.oneByOne(() => this.#fetch(remote, url, index, document));
    remote.fetched.set(index, fetching);
    fetching.catch(() => remote.fetched.delete(index));
    return await fetching;
  }

  async #fetch(remote: Remote, url: string, index: number, document: StoredDocument): Promise<Content> {
    // All documents of an element together have a limit, wherever they come from.
    const left = LIMITS.elementBytes - remote.sizeBytes;
    const { bytes, mediaType } = await this.#parts.fetchDocument(url, left, this.signal);
    remote.sizeBytes += bytes.byteLength;
    remote.hashes.push([index, createHash('sha256').update(bytes).digest('hex')]);
    return { bytes, mediaType: document.remote === 'UNTYPED' ? (mediaType ?? document.mediaType) : document.mediaType };
  }

  #read(): Promise<readonly StoredDocument[]> {
    this.#reading ??= this.#parts.sources.read(this.#datasource, this.#elementId).then(
      (content) => {
        this.#hash = content.contentHash;
        return content.documents;
      },
      (error: unknown) => {
        this.#reading = null;
        throw error;
      },
    );
    return this.#reading;
  }
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
