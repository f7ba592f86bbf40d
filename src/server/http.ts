/** The routes: what is refused first, then GraphQL, the page, the session exchange and the probes. */
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import type { Logger } from '../log.ts';
import { sendGraphiqlAsset, sendGraphiqlPage, wantsPage } from './graphiql-assets.ts';
import type { LoginTokens } from './login-links.ts';
import { type AllowedNames, refuseBody, refuseHost, refuseOrigin } from './request-guard.ts';
import { errorBody, sendJson, sendRefusal } from './responses.ts';
import { exchangeToken, type OpenSession } from './session-route.ts';
import { GRAPHQL_PATH } from './yoga.ts';

/** What the routes need. */
export interface RouteParts {
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
export function createRequestListener(parts: RouteParts): RequestListener {
  return (request, response) => {
    serve(parts, request, response).catch((error: unknown) => {
      parts.log.error({ err: error }, 'unexpected error in a request');
      if (response.headersSent) response.destroy();
      else sendJson(response, 500, errorBody('INTERNAL_SERVER_ERROR', 'Something went wrong here.'));
    });
  };
}

async function serve(parts: RouteParts, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const refusal = refuseHost(request, parts.names) ?? refuseBody(request);
  if (refusal !== null) {
    sendRefusal(response, refusal);
    return;
  }
  const path = URL.parse(request.url ?? '', 'http://localhost')?.pathname ?? '';
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
