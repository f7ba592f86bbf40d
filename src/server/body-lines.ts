/** Splits the bytes of a body into lines. */
import type { Line } from '../services/item-line.ts';

const LINE_FEED = 0x0a;

/**
 * The lines of a body as they come in, each without its end.
 *
 * Of a line longer than `maxBytes` nothing is kept but its number. The last line needs no end; of a body that
 * breaks off with an error, the piece behind the last end is dropped with it.
 */
export async function* bodyLines(body: AsyncIterable<Buffer>, maxBytes: number): AsyncGenerator<Line, void> {
  let number = 1;
  let pieces: Buffer[] = [];
  let length = 0;
  for await (const chunk of body) {
    let start = 0;
    for (let end = chunk.indexOf(LINE_FEED); end >= 0; end = chunk.indexOf(LINE_FEED, start)) {
      const last = chunk.subarray(start, end);
      yield lineOf(number, pieces, last, length + last.length > maxBytes);
      [pieces, length] = [[], 0];
      number += 1;
      start = end + 1;
    }
    const rest = chunk.subarray(start);
    length += rest.length;
    if (length > maxBytes) pieces = [];
    else if (rest.length > 0) pieces.push(rest);
  }
  if (length > 0) yield lineOf(number, pieces, Buffer.alloc(0), length > maxBytes);
}

const lineOf = (number: number, pieces: readonly Buffer[], last: Buffer, isTooLong: boolean): Line => ({
  number,
  bytes: isTooLong ? null : pieces.length === 0 ? last : Buffer.concat([...pieces, last]),
});
