/**
 * `/datasources/<id>/elements`: elements of a stored datasource in, their content out.
 *
 * `PUT …/elements/<element id>` takes the content of one element as the body, up to `LIMITS.elementBytes`; `GET` gives
 * it back. `POST …/elements` takes any number of elements as JSON lines.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { z } from 'zod';
import { LIMITS } from '../domain/limits.ts';
import type { Actor } from '../domain/model.ts';
import { UserError } from '../domain/user-error.ts';
import { ElementIntake } from '../services/ingest-elements.ts';
import type { ServiceDeps } from '../services/ports.ts';
import { readContent } from '../services/read-content.ts';
import { findWritableDatasource, uploadElement } from '../services/upload-element.ts';
import { bodyLines } from './body-lines.ts';
import { ByteBudget } from './byte-budget.ts';
import type { StreamParts } from './items-route.ts';
import { parseQuery } from './query.ts';
import { refuseLines } from './request-guard.ts';
import { errorBody, sendEarly, sendJson, sendUserError } from './responses.ts';

/** A sender that is silent for so long is taken to be gone. */
const IDLE_MS = 120_000;

/** Bodies of uploads that are in memory at one time, in bytes; each is there several times over while it is stored. */
const UPLOADS = new ByteBudget(LIMITS.elementBytes);

/** A path of these routes; `elementId` is null for all elements. */
export interface ElementsPath {
  readonly datasourceId: string;
  readonly elementId: string | null;
}

const PATH = /^\/datasources\/([A-Za-z0-9_-]{1,100})\/elements(?:\/(.+))?$/;

/** What a path names, or null for one that is not ours. */
export function elementsPath(path: string): ElementsPath | null {
  const [, datasourceId, rest] = PATH.exec(path) ?? [];
  if (datasourceId === undefined) return null;
  if (rest === undefined) return { datasourceId, elementId: null };
  try {
    return { datasourceId, elementId: decodeURIComponent(rest) };
  } catch {
    return null;
  }
}

/** The methods that a path takes. */
export const elementsMethods = ({ elementId }: ElementsPath): readonly string[] =>
  elementId === null ? ['POST'] : ['GET', 'HEAD', 'PUT'];

const parsedJson = z.string().transform((text, ctx) => {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    ctx.addIssue({ code: 'custom', message: 'is not JSON' });
    return z.NEVER;
  }
});
const uploadQuery = z.strictObject({ filename: z.string().optional(), metadata: parsedJson.optional() });
const contentQuery = z.strictObject({ document: z.coerce.number().int().min(0).default(0) });

/** Serves a request for elements of whoever has a key for it. Throws UserError before anything is sent. */
export async function serveElements(
  parts: StreamParts,
  deps: ServiceDeps,
  actor: Actor,
  { datasourceId, elementId }: ElementsPath,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  if (elementId !== null && request.method !== 'PUT') {
    const { document } = parseQuery(request, contentQuery);
    sendContent(request, response, await readContent(deps, actor, { datasourceId, elementId, document }));
    return;
  }
  const datasource = await findWritableDatasource(deps, actor, datasourceId);
  const unwatch = parts.keyWatch.watch(actor.keyId, () => request.destroy());
  const { socket } = request;
  socket.setTimeout(IDLE_MS);
  try {
    if (elementId === null) await takeLines(deps, actor, datasource.id, request, response);
    else await takeContent(deps, actor, { datasourceId: datasource.id, elementId }, request, response);
  } catch (error) {
    if (error instanceof UserError || request.errored === null) throw error;
    parts.log.debug({ datasourceId }, 'an upload broke off');
  } finally {
    unwatch();
    socket.setTimeout(0);
  }
}

async function takeLines(
  deps: ServiceDeps,
  actor: Actor,
  datasourceId: string,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const refusal = refuseLines(request);
  if (refusal !== null) {
    await sendEarly(request, response, refusal.status, errorBody(refusal.code, refusal.message));
    return;
  }
  const intake = new ElementIntake(deps, actor, datasourceId);
  try {
    await intake.take(bodyLines(request, LIMITS.elementBytes));
    const { report } = intake;
    sendJson(response, report.rejectedCount > 0 ? 422 : 200, { datasourceId, ...report });
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    await sendUserError(request, response, error, intake.report);
  }
}

async function takeContent(
  deps: ServiceDeps,
  actor: Actor,
  about: { readonly datasourceId: string; readonly elementId: string },
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { filename, metadata } = parseQuery(request, uploadQuery);
  const { 'content-type': mediaType, 'content-encoding': encoding = 'identity' } = request.headers;
  if (encoding !== 'identity') {
    await sendEarly(request, response, 415, errorBody('BAD_USER_INPUT', 'The request body must not be compressed.'));
    return;
  }
  const length = Number(request.headers['content-length'] ?? LIMITS.elementBytes);
  const giveBack = await UPLOADS.take(length);
  try {
    const bytes = length > LIMITS.elementBytes ? null : await readBody(request, LIMITS.elementBytes);
    if (bytes === null) {
      const message = `An element may have at most ${LIMITS.elementBytes} bytes.`;
      await sendEarly(request, response, 413, errorBody('LIMIT_EXCEEDED', message));
      return;
    }
    const { element, created } = await uploadElement(deps, actor, { ...about, filename, mediaType, metadata }, bytes);
    sendJson(response, created ? 201 : 200, { ...element, created });
  } finally {
    giveBack();
  }
}

/** The whole body; null when it is longer than it may be, and then it was read no further. */
async function readBody(request: IncomingMessage, maxBytes: number): Promise<Buffer | null> {
  const chunks: Buffer[] = [];
  let length = 0;
  // Not the iterator: leaving it would end the connection, and the answer with it.
  const { promise, resolve, reject } = Promise.withResolvers<Buffer | null>();
  const take = (chunk: Buffer): void => {
    length += chunk.length;
    if (length <= maxBytes) chunks.push(chunk);
    else {
      request.off('data', take);
      request.pause();
      resolve(null);
    }
  };
  request.on('data', take);
  request.once('end', () => resolve(Buffer.concat(chunks)));
  request.once('error', reject);
  request.once('close', () => reject(new Error('The connection was closed.')));
  return await promise;
}

/** Sends content as a download: it is the user's own, and no page of ours. */
function sendContent(
  request: IncomingMessage,
  response: ServerResponse,
  { filename, mediaType, bytes }: Awaited<ReturnType<typeof readContent>>,
): void {
  const name = filename.split('/').at(-1) ?? '';
  response.writeHead(200, {
    'content-type': /^[\x20-\x7e]+$/.test(mediaType) ? mediaType : 'application/octet-stream',
    'content-length': bytes.length,
    'content-disposition': `attachment; filename*=UTF-8''${encodeURIComponent(name)}`,
    'content-security-policy': 'sandbox',
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
  });
  response.end(request.method === 'HEAD' ? undefined : bytes);
}
