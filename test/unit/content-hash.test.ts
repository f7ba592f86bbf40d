import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { measureBytes, measureContent } from '../../src/domain/content.ts';
import type { StoredDocument } from '../../src/domain/model.ts';

/** The hash as it was first defined; what is stored must go on to be comparable with what comes. */
function hashOf(documents: readonly { filename: string; mediaType: string; bytes: Buffer }[]): string {
  const hash = createHash('sha256');
  for (const { filename, mediaType, bytes } of documents)
    hash.update(JSON.stringify([filename, mediaType, bytes.byteLength])).update(bytes);
  return hash.digest('hex');
}
const named = { filename: 'ä.txt', mediaType: 'text/plain' };

test.each(['', 'plain', 'ä€𝄞', '€'.repeat(21_000), '€'.repeat(30_000)])(
  'a text hashes as its bytes do (%#)',
  (text) => {
    const bytes = Buffer.from(text);
    const expected = { sizeBytes: bytes.byteLength, contentHash: hashOf([{ ...named, bytes }]) };
    expect(measureContent([{ ...named, text }])).toEqual(expected);
    expect(measureContent([{ ...named, base64: bytes.toString('base64') }])).toEqual(expected);
    expect(measureBytes(named, bytes)).toEqual(expected);
  },
);

test('several documents hash in their order, whatever they are made of', () => {
  const documents: StoredDocument[] = [
    { ...named, text: 'one' },
    { ...named, base64: Buffer.from([0, 255]).toString('base64') },
    { ...named, json: { b: 1, a: [2] } },
  ];
  const contents = ['one', Buffer.from([0, 255]), '{"b":1,"a":[2]}'].map((part) => Buffer.from(part));
  const expected = hashOf(contents.map((bytes) => ({ ...named, bytes })));
  expect(measureContent(documents)).toEqual({ sizeBytes: 20, contentHash: expected });
  expect(measureContent(documents.toReversed()).contentHash).not.toBe(expected);
});
