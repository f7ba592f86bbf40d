/** What a WebSocket client may do: connect with a key, then run operations under the same limits as over HTTP. */
import type { ExecutionArgs, FormattedExecutionResult, GraphQLError } from 'graphql';
import {
  type ExecutionResult,
  makeServer,
  type OperationResult,
  type Server,
  type Context as SocketContext,
} from 'graphql-ws';
import { LIMITS } from '../domain/limits.ts';
import type { Actor } from '../domain/model.ts';
import { ServiceUnavailableError } from '../domain/service-unavailable.ts';
import { UserError } from '../domain/user-error.ts';
import { codedError } from '../graphql/top-level-errors.ts';
import { paramCredentials } from './credentials.ts';
import { errorMask, forClient } from './mask-error.ts';
import type { createGraphql, GraphqlParts } from './yoga.ts';

/** Close codes that clients of the protocol do not answer by connecting again at once. */
const UNAUTHENTICATED = 4401;
const FORBIDDEN = 4403;
const INTERNAL_ERROR = 1011;
const TRY_AGAIN_LATER = 1013;

/** What is kept for one socket. */
export interface SocketState {
  actor: Actor | null;
  readonly close: (code: number, reason: string) => void;
  gone: boolean;
  /** Takes the watch on the key away. */
  unwatch: () => void;
}

type Connection = SocketContext<Record<string, unknown> | undefined, SocketState>;
type Parts = Pick<GraphqlParts, 'authenticate' | 'keyWatch' | 'log'>;

/** The protocol's core, for a transport to feed with sockets. */
export function createSocketOperations(yoga: ReturnType<typeof createGraphql>, parts: Parts): Server<SocketState> {
  const mask = errorMask(parts.log);
  // The protocol hands arguments from one callback to the next; the engine made for them goes beside.
  const engines = new WeakMap<object, Engine>();
  const engineOf = ({ contextValue }: ExecutionArgs): Engine => {
    const engine = typeof contextValue === 'object' && contextValue !== null ? engines.get(contextValue) : undefined;
    if (engine === undefined) throw new Error('An operation came without its engine.');
    return engine;
  };
  return makeServer<Record<string, unknown> | undefined, SocketState>({
    onConnect: (connection) => connect(connection, parts),
    onClose: ({ extra }) => {
      extra.gone = true;
      extra.unwatch();
    },
    async onSubscribe({ extra, subscriptions }, _id, { query, operationName, variables }) {
      const { actor } = extra;
      if (actor === null) return [codedError('UNAUTHENTICATED', 'The connection has no actor.')];
      if (Object.keys(subscriptions).length > LIMITS.subscriptionsPerConnection) {
        const message = `A connection runs at most ${LIMITS.subscriptionsPerConnection} operations at once.`;
        return [codedError('LIMIT_EXCEEDED', message)];
      }
      const enveloped = yoga.getEnveloped({ actor, overSocket: true });
      // What is thrown here would close the socket, and with it the client's other subscriptions.
      try {
        const document = enveloped.parse(query);
        const errors: readonly GraphQLError[] = enveloped.validate(enveloped.schema, document);
        if (errors.length > 0) return errors.map((error) => mask(error));
        const contextValue: object = await enveloped.contextFactory();
        engines.set(contextValue, enveloped);
        return { schema: enveloped.schema, document, operationName, variableValues: variables, contextValue };
      } catch (error) {
        return [mask(error)];
      }
    },
    execute: (args) => engineOf(args).execute(args),
    subscribe: (args) => engineOf(args).subscribe(args),
    onError: (_connection, _id, _payload, errors) => errors.map(forClient),
    onNext: (_connection, _id, _payload, _args, result) =>
      result.errors === undefined ? undefined : formatted(result),
  });
}

/** The engine's functions for one operation. */
interface Engine {
  execute(args: ExecutionArgs): OperationResult;
  subscribe(args: ExecutionArgs): OperationResult;
}

function formatted({ data, errors = [], extensions }: ExecutionResult): FormattedExecutionResult {
  return { ...(data !== undefined && { data }), ...(extensions && { extensions }), errors: errors.map(forClient) };
}

async function connect(
  { connectionParams, extra }: Connection,
  { authenticate, keyWatch, log }: Parts,
): Promise<boolean> {
  try {
    const actor = await authenticate(paramCredentials(connectionParams ?? {}));
    if (extra.gone) return false;
    extra.actor = actor;
    extra.unwatch = keyWatch.watch(actor.keyId, () =>
      extra.close(UNAUTHENTICATED, 'UNAUTHENTICATED: The API key was revoked or has expired.'),
    );
    return true;
  } catch (error) {
    if (error instanceof UserError) {
      extra.close(error.code === 'FORBIDDEN' ? FORBIDDEN : UNAUTHENTICATED, `${error.code}: ${error.message}`);
    } else {
      log.error({ err: error }, 'could not authenticate a socket');
      if (error instanceof ServiceUnavailableError) extra.close(TRY_AGAIN_LATER, error.code);
      else extra.close(INTERNAL_ERROR, 'Something went wrong here.');
    }
    return false;
  }
}
