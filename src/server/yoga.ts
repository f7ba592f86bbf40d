/** The GraphQL engine: Yoga with our authentication, limits and error mask, for HTTP and for WebSocket operations. */
import { useCSRFPrevention } from '@graphql-yoga/plugin-csrf-prevention';
import type { GraphQLSchema } from 'graphql';
import { createYoga, isAsyncIterable, type Plugin } from 'graphql-yoga';
import type { Actor } from '../domain/model.ts';
import { UserError } from '../domain/user-error.ts';
import type { Context } from '../graphql/context.ts';
import { useDocumentLimits } from '../graphql/limits.ts';
import { codedError, userErrorToGraphQL } from '../graphql/top-level-errors.ts';
import type { Logger } from '../log.ts';
import type { Credentials } from '../services/authenticate.ts';
import { EXPOSED_HEADERS } from './cors.ts';
import { headerCredentials, KEY_HEADERS } from './credentials.ts';
import type { KeyWatch } from './key-watch.ts';
import type { LiveStreams } from './live-streams.ts';
import { errorMask, forClient } from './mask-error.ts';
import { statusOf } from './responses.ts';

/** Where GraphQL is served, over every transport. */
export const GRAPHQL_PATH = '/graphql';

/** Who makes a request; throws UnauthenticatedError or ForbiddenError. */
export type Authenticate = (credentials: Credentials) => Promise<Actor>;

/** What the GraphQL engine is made of. */
export interface GraphqlParts {
  readonly schema: GraphQLSchema;
  readonly authenticate: Authenticate;
  /** The context of one operation. */
  readonly contextFor: (actor: Actor) => Context;
  readonly allowedOrigins: readonly string[];
  readonly log: Logger;
  readonly streams: LiveStreams;
  readonly keyWatch: KeyWatch;
}

/** What a transport knows of an operation before its context is made. */
export interface Transport {
  readonly actor?: Actor;
  /** WebSocket operations are ended with their socket, not one by one. */
  readonly overSocket?: true;
}

/** A Yoga server without a port: `yoga.fetch` for HTTP, `yoga.getEnveloped` for WebSocket. */
export function createGraphql(parts: GraphqlParts) {
  const { schema, allowedOrigins, log, contextFor } = parts;
  return createYoga<Transport, Context>({
    schema,
    graphqlEndpoint: GRAPHQL_PATH,
    graphiql: false,
    landingPage: false,
    multipart: false,
    // Checked before Yoga, by Content-Length: Yoga's own counting costs more than the rest of the request.
    maxRequestBodySize: false,
    cors: allowedOrigins.length > 0 && {
      origin: [...allowedOrigins],
      credentials: false,
      methods: ['GET', 'POST', 'OPTIONS'],
      exposedHeaders: EXPOSED_HEADERS,
    },
    logging: false,
    maskedErrors: { maskError: errorMask(log), isDev: false },
    context: ({ actor }) => {
      if (actor === undefined) throw new Error('An operation came without an actor.');
      return contextFor(actor);
    },
    plugins: [
      // A header that carries a key makes a browser ask first, as the csrf header itself would.
      useCSRFPrevention({ requestHeaders: ['x-graphql-yoga-csrf', ...KEY_HEADERS] }),
      useAuthentication(parts.authenticate, log),
      useDocumentLimits(),
      useEndableStreams(parts.streams, parts.keyWatch),
    ],
  });
}

/** Answers a request without a valid key before its body is read; the others know their actor from here on. */
function useAuthentication(authenticate: Authenticate, log: Logger): Plugin<object, Transport> {
  const mask = errorMask(log);
  return {
    async onRequest({ request, serverContext, endResponse, fetchAPI }) {
      if (request.method === 'OPTIONS') return;
      try {
        Object.assign(serverContext, {
          actor: await authenticate(headerCredentials(request.headers)),
        } satisfies Transport);
      } catch (error) {
        const known = error instanceof UserError ? userErrorToGraphQL(error) : mask(error);
        const status = error instanceof UserError ? (error.code === 'FORBIDDEN' ? 403 : 401) : statusOf(error);
        endResponse(
          fetchAPI.Response.json(
            { errors: [forClient(known)] },
            { status, ...(status === 401 && { headers: { 'www-authenticate': 'Bearer' } }) },
          ),
        );
      }
    },
  };
}

/** Makes subscriptions over HTTP end when their key does, and when the server stops. */
function useEndableStreams(streams: LiveStreams, keyWatch: KeyWatch): Plugin<Context, Transport> {
  return {
    onSubscribe({ args }) {
      const { actor } = args.contextValue;
      if (actor === null || 'overSocket' in args.contextValue) return undefined;
      return {
        onSubscribeResult({ result, setResult }) {
          if (!isAsyncIterable(result)) return;
          const stream = streams.add(result, () => unwatch());
          const unwatch = keyWatch.watch(actor.keyId, () =>
            stream.end(codedError('UNAUTHENTICATED', 'The API key was revoked or has expired.')),
          );
          setResult(stream);
        },
      };
    },
  };
}
