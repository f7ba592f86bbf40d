/** `GET /executions/<id>/results.jsonl`, `.csv` and `.zip`: all items in input order, at any moment. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { constants, createGzip } from 'node:zlib';
import { makeZip } from 'client-zip';
import { z } from 'zod';
import type { Actor, Execution } from '../domain/model.ts';
import { NotFoundError } from '../domain/user-error.ts';
import { archiveEntries } from '../services/export-archive.ts';
import { exportResults, type ResultsFormat } from '../services/export-results.ts';
import { findExecutions } from '../services/find-executions.ts';
import type { ServiceDeps } from '../services/ports.ts';
import type { StreamParts } from './items-route.ts';
import { flag, parseQuery } from './query.ts';

const TYPES = {
  JSONL: 'application/x-ndjson; charset=utf-8',
  CSV: 'text/csv; charset=utf-8',
  ZIP: 'application/zip',
} as const;

const querySchema = z.strictObject({
  corrected: flag.default(false),
  after: z.coerce.number().int().min(-1).max(2_147_483_647).default(-1),
  token: z.string().optional(),
});

/**
 * Streams the results no faster than they are taken, and ends with the client, the key or the server.
 *
 * What was cut off goes on behind the last ordinal that arrived. Throws UserError before anything is sent.
 */
export async function serveResults(
  parts: StreamParts,
  deps: ServiceDeps,
  actor: Actor,
  executionId: string,
  format: ResultsFormat,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { after, corrected } = parseQuery(request, querySchema);
  const [execution] = await findExecutions(deps, actor, [executionId]);
  if (execution == null) throw new NotFoundError('batch execution', executionId);
  const zipped = acceptsGzip(request.headers['accept-encoding'] ?? '');
  response.writeHead(200, headersOf(execution, format, zipped));
  if (request.method === 'HEAD') {
    response.end();
    return;
  }
  const unwatch = parts.keyWatch.watch(actor.keyId, () => response.destroy());
  try {
    const choice = { after, corrected };
    const text =
      format === 'ZIP'
        ? Readable.from(makeZip(archiveEntries(deps, actor, executionId, choice)))
        : exportResults(deps, actor, executionId, format, choice);
    // The fastest level: the reader is mostly faster than the best would be.
    if (zipped) await pipeline(text, createGzip({ level: constants.Z_BEST_SPEED }), response);
    else await pipeline(text, response);
  } catch (error) {
    const hasLeft = error instanceof Error && Reflect.get(error, 'code') === 'ERR_STREAM_PREMATURE_CLOSE';
    if (!hasLeft) throw error;
    parts.log.debug({ executionId }, 'a reader of results left');
  } finally {
    unwatch();
  }
}

function headersOf({ id, name, status }: Execution, format: ResultsFormat, zipped: boolean): Record<string, string> {
  return {
    'content-type': TYPES[format],
    // A name is letters, digits, ".", "_" and "-" only.
    'content-disposition': `attachment; filename="${name}-${id}.${format.toLowerCase()}"`,
    'x-batch-execution-status': status,
    'cache-control': 'no-store',
    'referrer-policy': 'no-referrer',
    'x-content-type-options': 'nosniff',
    vary: 'accept-encoding, origin',
    ...(zipped && { 'content-encoding': 'gzip' }),
  };
}

/** Whether a client takes gzip: it names it, or everything, and does not give it the weight of nothing. */
function acceptsGzip(accepted: string): boolean {
  const weights = new Map(
    accepted.split(',').map((entry) => {
      const [name = '', ...params] = entry.split(';').map((part) => part.trim().toLowerCase());
      const weight = params.find((param) => param.startsWith('q='));
      return [name, weight === undefined ? 1 : Number(weight.slice(2))] as const;
    }),
  );
  return (weights.get('gzip') ?? weights.get('*') ?? 0) > 0;
}
