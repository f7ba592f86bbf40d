/** The routes that stream: items into an execution, its results out, elements into a datasource. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Actor } from '../domain/model.ts';
import { UserError } from '../domain/user-error.ts';
import { type ArtifactPlace, artifactPlace, serveArtifact } from './artifact-route.ts';
import { paramCredentials } from './credentials.ts';
import { type ElementsPath, elementsMethods, serveElements } from './elements-route.ts';
import { type StreamParts, serveItems } from './items-route.ts';
import { errorBody, sendJson, sendUserError } from './responses.ts';
import { serveResults } from './results-route.ts';
import type { Authenticate, GraphqlParts } from './yoga.ts';

/** What these routes are made of. */
export interface ExecutionRouteParts extends StreamParts {
  readonly authenticate: Authenticate;
  readonly contextFor: GraphqlParts['contextFor'];
  /** Who follows a link to the results of an execution; throws UnauthenticatedError for a token that is not good. */
  readonly openResultLink: (token: string, executionId: string) => Promise<Actor>;
}

/** A path below `/executions/`. */
export interface ExecutionPath {
  readonly executionId: string;
  readonly leaf: keyof typeof METHODS | ArtifactPlace;
}

const PATH = /^\/executions\/([A-Za-z0-9_-]{1,100})\/(.+)$/;
const READ = ['GET', 'HEAD'] as const;
const METHODS = {
  items: [...READ, 'POST'],
  'results.jsonl': READ,
  'results.csv': READ,
  'results.zip': READ,
} as const;

/** What a path names, or null for one that is not ours. */
export function executionPath(path: string): ExecutionPath | null {
  const [, executionId, rest] = PATH.exec(path) ?? [];
  if (executionId === undefined || rest === undefined) return null;
  const leaf = isLeaf(rest) ? rest : artifactPlace(rest);
  return leaf === null ? null : { executionId, leaf };
}

const FORMATS = { 'results.jsonl': 'JSONL', 'results.csv': 'CSV', 'results.zip': 'ZIP' } as const;

const isLeaf = (leaf: string): leaf is keyof typeof METHODS => Object.hasOwn(METHODS, leaf);

/** Serves a request below `/executions/` to whoever has a key for it. */
export async function serveExecution(
  parts: ExecutionRouteParts,
  { executionId, leaf }: ExecutionPath,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const methods: readonly string[] = typeof leaf === 'string' ? METHODS[leaf] : READ;
  if (!methods.includes(request.method ?? '')) return refuseMethod(response, methods);
  try {
    const actor = await actorOf(parts, executionId, leaf, request);
    const { deps } = parts.contextFor(actor);
    if (typeof leaf !== 'string') await serveArtifact(deps, actor, executionId, leaf, request, response);
    else if (leaf === 'items') await serveItems(parts, deps, actor, executionId, request, response);
    else await serveResults(parts, deps, actor, executionId, FORMATS[leaf], request, response);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    await sendUserError(request, response, error);
  }
}

/** Serves a request below `/datasources/` to whoever has a key for it. */
export async function serveDatasource(
  parts: ExecutionRouteParts,
  path: ElementsPath,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const methods = elementsMethods(path);
  if (!methods.includes(request.method ?? '')) return refuseMethod(response, methods);
  try {
    const actor = await parts.authenticate(paramCredentials(request.headers));
    await serveElements(parts, parts.contextFor(actor).deps, actor, path, request, response);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    await sendUserError(request, response, error);
  }
}

function refuseMethod(response: ServerResponse, methods: readonly string[]): void {
  response.setHeader('allow', methods.join(', '));
  sendJson(response, 405, errorBody('BAD_USER_INPUT', `Only ${methods.join(', ')}.`));
}

/** Who makes the request: by a link's token, which opens nothing but results, or by a key in the headers. */
async function actorOf(
  parts: ExecutionRouteParts,
  executionId: string,
  leaf: ExecutionPath['leaf'],
  request: IncomingMessage,
): Promise<Actor> {
  const token = URL.parse(request.url ?? '', 'http://localhost')?.searchParams.get('token');
  return leaf !== 'items' && token != null
    ? await parts.openResultLink(token, executionId)
    : await parts.authenticate(paramCredentials(request.headers));
}
