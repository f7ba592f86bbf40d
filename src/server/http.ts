/** The routes: what is refused first, then GraphQL, the page, the session exchange and the probes. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { nanoid } from 'nanoid';
import { ServiceUnavailableError } from '../domain/service-unavailable.ts';
import type { Logger } from '../log.ts';
import { answerCors } from './cors.ts';
import { elementsPath } from './elements-route.ts';
import { type ExecutionRouteParts, executionPath, serveDatasource, serveExecution } from './execution-routes.ts';
import { sendGraphiqlAsset, sendGraphiqlPage, wantsPage } from './graphiql-assets.ts';
import type { LoginTokens } from './login-links.ts';
import { type AllowedNames, refuseBody, refuseHost, refuseOrigin } from './request-guard.ts';
import { errorBody, REQUEST_ID, requestIdOf, sendJson, sendRefusal } from './responses.ts';
import { exchangeToken, type OpenSession } from './session-route.ts';
import { GRAPHQL_PATH } from './yoga.ts';

const BODY_TIME_MS = 300_000;

/** What the routes need. */
export interface RouteParts extends ExecutionRouteParts {
  readonly names: AllowedNames;
  readonly graphiql: boolean;
  readonly graphql: (request: IncomingMessage, response: ServerResponse) => unknown;
  readonly tokens: LoginTokens;
  readonly openSession: OpenSession;
  /** Whether creates are accepted now. */
  readonly isReady: () => Promise<boolean>;
  readonly log: Logger;
}

/** Serves every HTTP request; an error of ours is logged and answered with 500, once. */
export function createRequestListener(
  parts: RouteParts,
): (request: IncomingMessage, response: ServerResponse) => Promise<void> {
  return (request, response) => {
    response.setHeader(REQUEST_ID, givenRequestId(request) ?? `req_${nanoid(16)}`);
    return serve(parts, request, response).catch((error: unknown) => {
      parts.log.error({ err: error, requestId: requestIdOf(response) }, 'unexpected error in a request');
      if (response.headersSent) response.destroy();
      else if (error instanceof ServiceUnavailableError) sendJson(response, 503, errorBody(error.code, error.message));
      else sendJson(response, 500, errorBody('INTERNAL_SERVER_ERROR', 'Something went wrong here.'));
    });
  };
}

/** The id that the caller knows the request by, where it is one that a log can take. */
function givenRequestId(request: IncomingMessage): string | null {
  const given = request.headers[REQUEST_ID];
  return typeof given === 'string' && /^[\w.:-]{1,100}$/.test(given) ? given : null;
}

async function serve(parts: RouteParts, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const path = URL.parse(request.url ?? '', 'http://localhost')?.pathname ?? '';
  const stream = executionPath(path) ?? elementsPath(path);
  // The bodies of these are streams, which their routes themselves look at.
  const refusal = refuseHost(request, parts.names) ?? (stream === null ? refuseBody(request) : null);
  if (refusal !== null) {
    sendRefusal(response, refusal);
    return;
  }
  if (stream !== null) {
    if (answerCors(request, response, parts.names.allowedOrigins)) return;
    if ('executionId' in stream) await serveExecution(parts, stream, request, response);
    else await serveDatasource(parts, stream, request, response);
    return;
  }
  limitTime(request);
  switch (path) {
    case GRAPHQL_PATH:
      if (parts.graphiql && wantsPage(request)) sendGraphiqlPage(request, response);
      else await parts.graphql(request, response);
      return;
    case '/session':
      await serveSession(parts, request, response);
      return;
    case '/healthz':
      sendJson(response, 200, { status: 'ok' });
      return;
    case '/readyz': {
      const ready = await parts.isReady();
      sendJson(response, ready ? 200 : 503, { status: ready ? 'ready' : 'not ready' });
      return;
    }
    default:
      if (parts.graphiql && (await sendGraphiqlAsset(path, request, response))) return;
      sendJson(response, 404, errorBody('NOT_FOUND', 'There is nothing here. GraphQL is at /graphql.'));
  }
}

/** Cuts off a body that takes longer than any of its size should. */
function limitTime(request: IncomingMessage): void {
  if (request.headers['content-length'] === undefined) return;
  const timer = setTimeout(() => request.complete || request.destroy(), BODY_TIME_MS).unref();
  request.once('close', () => clearTimeout(timer));
}

async function serveSession(parts: RouteParts, request: IncomingMessage, response: ServerResponse): Promise<void> {
  if (request.method !== 'POST') {
    response.setHeader('allow', 'POST');
    sendJson(response, 405, errorBody('BAD_USER_INPUT', 'Only POST.'));
    return;
  }
  const refusal = refuseOrigin(request, parts.names);
  if (refusal === null) await exchangeToken(request, response, parts.tokens, parts.openSession);
  else sendRefusal(response, refusal);
}
