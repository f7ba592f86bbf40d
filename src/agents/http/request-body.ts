/** The body that an http agent posts for an item; `docs/agents.md` describes it for who receives it. */
import { isUtf8 } from 'node:buffer';
import type { AgentContext, AgentDocument } from '../../domain/agent-context.ts';
import { OutgoingError } from '../net/outgoing-error.ts';
import type { HttpAgentConfig } from './config.ts';

/** The JSON text of the body. Throws OutgoingError `request_too_large`. */
export async function requestBody(
  { graphql, sendDocuments, maxRequestBytes }: HttpAgentConfig,
  context: AgentContext,
): Promise<string> {
  const { item, previous, userMessage, config, tier, round, attempt, idempotencyKey } = context;
  const { ordinal, dataElementId, filename, mediaType, metadata } = item;
  const documents = sendDocuments ? await contents(item.documents, maxRequestBytes) : undefined;
  const facts = { ordinal, dataElementId, filename, mediaType, metadata, ...(documents && { documents }) };
  const call = { item: facts, previous, userMessage, config, tier, round, attempt, idempotencyKey };
  const body = JSON.stringify(graphql === null ? call : { query: graphql, variables: call });
  if (body.length > maxRequestBytes || Buffer.byteLength(body) > maxRequestBytes) throw tooLarge(maxRequestBytes);
  return body;
}

async function contents(documents: readonly AgentDocument[], maxBytes: number): Promise<object[]> {
  const sent: object[] = [];
  let size = 0;
  for (const document of documents) {
    const { filename, mediaType } = document;
    const bytes = await document.bytes();
    size += bytes.byteLength;
    // Encoded it is no smaller, so there is no need to encode it first.
    if (size > maxBytes) throw tooLarge(maxBytes);
    sent.push({ filename, mediaType, ...contentOf(mediaType, bytes) });
  }
  return sent;
}

/** As `json` where the media type says so and it is, else as `text` where it is UTF-8, else as `base64`. */
function contentOf(mediaType: string, bytes: Uint8Array): object {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (!isUtf8(buffer)) return { base64: buffer.toString('base64') };
  const text = buffer.toString('utf8');
  if (!isJsonType(mediaType)) return { text };
  try {
    return { json: JSON.parse(text) };
  } catch {
    return { text };
  }
}

/** Whether a media type is JSON: `application/json`, or a type of its own that ends in `+json`. */
export const isJsonType = (mediaType: string): boolean =>
  /^\s*(?:[a-z]+\/json|[^;\s]+\+json)\s*(?:;|$)/i.test(mediaType);

const tooLarge = (maxBytes: number): OutgoingError =>
  new OutgoingError('request_too_large', `The call has more than ${maxBytes} bytes (maxRequestBytes).`);
