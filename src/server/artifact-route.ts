/** `GET /executions/<id>/items/<ordinal>/artifacts/<artifactId>`: the bytes of an artifact that is kept here. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { MIMEType } from 'node:util';
import { create as contentDisposition } from 'content-disposition';
import { z } from 'zod';
import type { Actor } from '../domain/model.ts';
import type { ServiceDeps } from '../services/ports.ts';
import { readArtifact } from '../services/read-artifact.ts';
import { parseQuery } from './query.ts';

/** What the path names of an item's artifact. */
export interface ArtifactPlace {
  readonly ordinal: number;
  readonly artifactId: string;
}

const PLACE = /^items\/(0|[1-9][0-9]{0,9})\/artifacts\/([^/]+)$/;
const MAX_ORDINAL = 2_147_483_647;

const querySchema = z.strictObject({
  tier: z.coerce.number().int().min(0).max(MAX_ORDINAL).optional(),
  round: z.coerce.number().int().min(0).max(MAX_ORDINAL).optional(),
  token: z.string().optional(),
});

/** The artifact that the rest of a path below an execution names; null where it names none. */
export function artifactPlace(rest: string): ArtifactPlace | null {
  const [, ordinal, encoded] = PLACE.exec(rest) ?? [];
  if (ordinal === undefined || encoded === undefined || Number(ordinal) > MAX_ORDINAL) return null;
  try {
    return { ordinal: Number(ordinal), artifactId: decodeURIComponent(encoded) };
  } catch {
    return null;
  }
}

/** Sends the bytes as a download, whatever they are. Throws UserError before anything is sent. */
export async function serveArtifact(
  deps: ServiceDeps,
  actor: Actor,
  executionId: string,
  place: ArtifactPlace,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { tier, round } = parseQuery(request, querySchema);
  const { content, filename, mediaType } = await readArtifact(deps, actor, { executionId, ...place, tier, round });
  const bytes = Buffer.from(content, 'base64');
  response.writeHead(200, {
    'content-type': contentType(mediaType),
    // A download and in a sandbox: what an agent made must not run as a page of this service.
    'content-disposition': contentDisposition(filename),
    'content-security-policy': "default-src 'none'; sandbox",
    'x-content-type-options': 'nosniff',
    'cross-origin-resource-policy': 'same-origin',
    'cache-control': 'no-store',
    'referrer-policy': 'no-referrer',
    'content-length': bytes.byteLength,
  });
  response.end(request.method === 'HEAD' ? undefined : bytes);
}

/** The media type as a header can hold it; that of unknown bytes where the agent gave none that is one. */
function contentType(mediaType: string): string {
  try {
    return new MIMEType(mediaType).toString();
  } catch {
    return 'application/octet-stream';
  }
}
