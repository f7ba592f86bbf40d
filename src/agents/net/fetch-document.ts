/** Fetches documents by URL for items that run, by the rules of every call to another host. */
import { classifyThrown, type ErrorCategory } from '../../domain/item-error.ts';
import { isMediaType } from '../../domain/media-type.ts';
import type { FetchDocument } from '../../services/ports.ts';
import type { Outgoing } from './outgoing.ts';
import { OutgoingError } from './outgoing-error.ts';
import { readBody } from './read-body.ts';
import { retryAfterMs } from './retry-after.ts';

const LIMITS = {
  ...{ connections: 16, connectTimeoutMs: 10_000, headersTimeoutMs: 60_000, bodyTimeoutMs: 60_000 },
  maxRedirects: 5,
} as const;

interface Facts {
  readonly category: ErrorCategory;
  readonly transient?: boolean | undefined;
  readonly retryAfterMs?: number | undefined;
  readonly details?: unknown;
}

/** Why a document could not be fetched; its fields are the words that the engine goes by. */
class DocumentError extends Error {
  readonly component = 'documents';
  readonly stage = 'input';
  readonly code: string;
  readonly category: ErrorCategory;
  readonly transient?: boolean;
  readonly retryAfterMs?: number;
  readonly details?: unknown;
  constructor(code: string, message: string, { category, transient, retryAfterMs: wait, details }: Facts) {
    super(message);
    this.name = 'DocumentError';
    // It would tell the item's owner of this service's files, and nothing of the item.
    delete this.stack;
    this.code = code;
    this.category = category;
    if (transient !== undefined) this.transient = transient;
    if (wait !== undefined) this.retryAfterMs = wait;
    if (details !== undefined) this.details = details;
  }
}

/** The fetch for documents. It throws errors that say what an item's error needs, and never the URL: it may be signed. */
export function createDocumentFetch(outgoing: Outgoing, now: () => Date): FetchDocument {
  const fetch = outgoing.openFetch(LIMITS);
  return async (url, maxBytes, signal) => {
    try {
      const response = await fetch(url, { headers: { accept: '*/*', 'user-agent': 'batchyard' }, signal });
      if (!response.ok) throw await statusError(response, now());
      const bytes = await readBody(response, maxBytes);
      const mediaType = response.headers.get('content-type')?.trim() ?? '';
      // Servers that do not know a type say octet-stream; then the name knows better.
      const isTelling = isMediaType(mediaType) && !/^application\/octet-stream/i.test(mediaType);
      return { bytes, mediaType: isTelling ? mediaType : null };
    } catch (error) {
      signal?.throwIfAborted();
      throw documentError(error, new URL(url).host);
    }
  };
}

async function statusError(response: Response, now: Date): Promise<DocumentError> {
  await response.body?.cancel();
  const { status } = response;
  const { category } = classifyThrown({ status });
  return new DocumentError(`document_http_${status}`, `The document's server answered ${status}.`, {
    // The item is not to blame for what its URL answers, so what is told of a request is told of the URL.
    category: status < 400 || category === 'VALIDATION' ? 'DEPENDENCY' : category,
    retryAfterMs: retryAfterMs(response.headers, now) ?? undefined,
    details: { status },
  });
}

function documentError(thrown: unknown, host: string): DocumentError {
  if (thrown instanceof DocumentError) return thrown;
  const { category, code, message, declared } = classifyThrown(thrown);
  const refused = thrown instanceof OutgoingError;
  const said = refused ? message : `The document could not be fetched from ${host}: ${message}`;
  return new DocumentError(code === 'response_too_large' ? 'document_too_large' : code, said, {
    category: category === 'RUNTIME' ? 'NETWORK' : category,
    transient: declared ?? undefined,
  });
}
