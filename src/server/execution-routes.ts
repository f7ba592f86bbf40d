/** The routes below `/executions/<id>`: its items in, its results out. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { UserError } from '../domain/user-error.ts';
import type { ServiceDeps } from '../services/ports.ts';
import { paramCredentials } from './credentials.ts';
import { type StreamParts, serveItems } from './items-route.ts';
import { errorBody, sendJson, sendUserError } from './responses.ts';
import type { Authenticate, GraphqlParts } from './yoga.ts';

/** What these routes are made of. */
export interface ExecutionRouteParts extends StreamParts {
  readonly authenticate: Authenticate;
  readonly contextFor: GraphqlParts['contextFor'];
}

/** A path below `/executions/`. */
export interface ExecutionPath {
  readonly executionId: string;
  readonly leaf: 'items';
}

const PATH = /^\/executions\/([A-Za-z0-9_-]{1,100})\/(items)$/;
const METHODS = { items: ['GET', 'HEAD', 'POST'] } as const;

/** What a path names, or null for one that is not ours. */
export function executionPath(path: string): ExecutionPath | null {
  const [, executionId, leaf] = PATH.exec(path) ?? [];
  return executionId !== undefined && leaf === 'items' ? { executionId, leaf } : null;
}

/** Serves a request below `/executions/` to whoever has a key for it. */
export async function serveExecution(
  parts: ExecutionRouteParts,
  { executionId, leaf }: ExecutionPath,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const methods: readonly string[] = METHODS[leaf];
  if (!methods.includes(request.method ?? '')) {
    response.setHeader('allow', methods.join(', '));
    sendJson(response, 405, errorBody('BAD_USER_INPUT', `Only ${methods.join(', ')}.`));
    return;
  }
  try {
    const actor = await parts.authenticate(paramCredentials(request.headers));
    const deps: ServiceDeps = parts.contextFor(actor).deps;
    await serveItems(parts, deps, actor, executionId, request, response);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    await sendUserError(request, response, error);
  }
}
