/** Documents of an element: their bytes, their size and the hash that tells whether they changed. */
import { isUtf8 } from 'node:buffer';
import { createHash, hash } from 'node:crypto';
import type { StoredDocument } from './model.ts';

/** The bytes of a document; JSON as its text, and of one that is elsewhere those of its reference. */
export function documentBytes(document: StoredDocument): Buffer {
  if (document.text !== undefined) return Buffer.from(document.text);
  if (document.base64 !== undefined) return Buffer.from(document.base64, 'base64');
  return Buffer.from(JSON.stringify(document.url ?? document.element ?? document.json ?? null));
}

/** The document that bytes make: as text where they are UTF-8, else as base64; either gives back the same bytes. */
export function documentOf(filename: string, mediaType: string, bytes: Buffer): StoredDocument {
  return isUtf8(bytes)
    ? { filename, mediaType, text: bytes.toString('utf8') }
    : { filename, mediaType, base64: bytes.toString('base64') };
}

/** The base64 (standard alphabet, padded) without its line breaks, or null when the text is none. */
export function packedBase64(text: string): string | null {
  const packed = text.replace(/[\r\n\t ]+/g, '');
  return packed.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(packed) ? packed : null;
}

/** What `measureContent` says of one document whose bytes are at hand. */
export function measureBytes(
  { filename, mediaType }: Pick<StoredDocument, 'filename' | 'mediaType'>,
  bytes: Buffer,
): { sizeBytes: number; contentHash: string } {
  const header = JSON.stringify([filename, mediaType, bytes.byteLength]);
  return { sizeBytes: bytes.byteLength, contentHash: hashOf([header, bytes], bytes.byteLength) };
}

/** The bytes of all documents that are here together, and the SHA-256 (hex) over their names, types and bytes in order. */
export function measureContent(documents: readonly StoredDocument[]): { sizeBytes: number; contentHash: string } {
  const parts: (string | Buffer)[] = [];
  let [sizeBytes, length] = [0, 0];
  for (const document of documents) {
    const content = document.text ?? documentBytes(document);
    const bytes = Buffer.byteLength(content);
    if (document.remote === undefined) sizeBytes += bytes;
    length += bytes;
    // The length keeps the border between two documents apart from their content.
    parts.push(JSON.stringify([document.filename, document.mediaType, bytes]), content);
  }
  return { sizeBytes, contentHash: hashOf(parts, length) };
}

/** Up to this many bytes, putting text together costs less than a hash that is fed piece by piece. */
const SMALL_BYTES = 65_536;

function hashOf(parts: readonly (string | Buffer)[], length: number): string {
  if (length <= SMALL_BYTES && parts.every((part) => typeof part === 'string')) {
    return hash('sha256', parts.join(''), 'hex');
  }
  const pieces = createHash('sha256');
  for (const part of parts) pieces.update(part);
  return pieces.digest('hex');
}
