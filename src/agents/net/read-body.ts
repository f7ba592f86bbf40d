/** Reads the body of an answer without ever holding more than is allowed. */
import { OutgoingError, unwrapped } from './outgoing-error.ts';

/** The whole body. Throws OutgoingError `response_too_large` as soon as it is known to exceed `maxBytes`. */
export async function readBody(response: Response, maxBytes: number): Promise<Buffer> {
  const { bytes, whole } = await readUpTo(response, maxBytes, Number(response.headers.get('content-length')));
  if (!whole) throw new OutgoingError('response_too_large', `The answer has more than ${maxBytes} bytes.`);
  return bytes;
}

/** The first bytes of the body; the rest is not waited for. */
export async function readStart(response: Response, maxBytes: number): Promise<Buffer> {
  return (await readUpTo(response, maxBytes, 0)).bytes;
}

async function readUpTo(
  response: Response,
  maxBytes: number,
  announced: number,
): Promise<{ bytes: Buffer; whole: boolean }> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  if (response.body === null) return { bytes: Buffer.alloc(0), whole: true };
  const reader: ReadableStreamDefaultReader<Uint8Array> = response.body.getReader();
  try {
    // The announced length is that of the packed body, which is no longer than the unpacked one.
    while (announced <= maxBytes) {
      const { done, value } = await reader.read();
      if (done) return { bytes: Buffer.concat(chunks), whole: true };
      chunks.push(value);
      size += value.byteLength;
      if (size > maxBytes) break;
    }
  } catch (error) {
    throw unwrapped(error);
  }
  // A body that is neither read nor given up would keep its connection.
  await reader.cancel();
  return { bytes: Buffer.concat(chunks).subarray(0, maxBytes), whole: false };
}
