/** The server: one port for HTTP, server-sent events and WebSocket, and an orderly end. */
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Config } from '../config.ts';
import { codedError } from '../graphql/top-level-errors.ts';
import { createRequestListener, type RouteParts } from './http.ts';
import { KeyWatch, type ValidKeys } from './key-watch.ts';
import { LiveStreams } from './live-streams.ts';
import { LoginTokens } from './login-links.ts';
import { refuseHost, refuseOrigin } from './request-guard.ts';
import { errorBody } from './responses.ts';
import { createSocketOperations } from './socket-operations.ts';
import { Sockets } from './websocket.ts';
import { createGraphql, GRAPHQL_PATH, type GraphqlParts } from './yoga.ts';

/** How often the keys of open streams are checked, in ms. */
const KEY_CHECK_MS = 5_000;

/** What the server is made of. */
export interface ServerParts
  extends Pick<GraphqlParts, 'schema' | 'authenticate' | 'contextFor' | 'log'>,
    Pick<RouteParts, 'isReady' | 'openSession' | 'openResultLink'> {
  readonly config: Pick<Config, 'host' | 'port' | 'allowedHosts' | 'allowedOrigins' | 'graphiql' | 'stopTimeoutMs'>;
  readonly validKeys: ValidKeys;
  /** How often the keys of open streams are checked; 5 s when it is not given. */
  readonly keyCheckMs?: number;
}

/** A server that listens. */
export interface RunningServer {
  /** `http://127.0.0.1:4000`; the port that was really taken. */
  readonly url: string;
  /** A new link that opens GraphiQL with a key of its own, once. */
  loginLink(): string;
  /**
   * Ends every stream and socket, waits for running requests, and gives the port back.
   *
   * What still runs after the stop timeout is cut off. May be repeated.
   */
  stop(): Promise<void>;
}

/** Starts to listen; rejects when the port cannot be had. */
export async function startServer(parts: ServerParts): Promise<RunningServer> {
  const { config, log } = parts;
  const streams = new LiveStreams();
  const keyWatch = new KeyWatch(parts.validKeys, parts.keyCheckMs ?? KEY_CHECK_MS, log);
  const tokens = new LoginTokens();
  const yoga = createGraphql({ ...parts, allowedOrigins: config.allowedOrigins, streams, keyWatch });
  const sockets = new Sockets(createSocketOperations(yoga, { ...parts, keyWatch }), log);
  let stopping: Promise<void> | undefined;
  const listener = createRequestListener({
    names: config,
    graphiql: config.graphiql,
    graphql: yoga,
    tokens,
    openSession: parts.openSession,
    isReady: async () => stopping === undefined && (await parts.isReady()),
    ...{ log, keyWatch, authenticate: parts.authenticate, contextFor: parts.contextFor },
    openResultLink: parts.openResultLink,
  });
  const running = new Set<Promise<void>>();
  // A stream of items takes as long as it takes; the other bodies have a time of their own.
  const http = createServer({ requestTimeout: 0 }, (request, response) => {
    const served = listener(request, response).finally(() => running.delete(served));
    running.add(served);
  });
  http.on('upgrade', (request, socket, head) => {
    const refusal = stopping === undefined ? refuseUpgrade(request, config) : '503 Service Unavailable';
    if (refusal === null) sockets.accept(request, socket, head);
    else endUpgrade(socket, refusal);
  });
  const port = await listen(http, config.port, config.host);
  keyWatch.start();
  const url = `http://${urlHost(config.host)}:${port}`;
  log.info({ url }, 'listening');

  const stop = async (): Promise<void> => {
    const closed = closeServer(http, config.stopTimeoutMs);
    streams.endAll(codedError('SERVICE_STOPPING', 'The service is stopping. Subscribe again, with afterRevision.'));
    await Promise.all([sockets.stop(config.stopTimeoutMs), closed, keyWatch.stop()]);
    // What was cut off may still be writing what it had.
    await Promise.all(running);
    await yoga.dispose();
  };
  return {
    url,
    loginLink: () => `${url}${GRAPHQL_PATH}#token=${tokens.make()}`,
    stop: () => {
      stopping ??= stop();
      return stopping;
    },
  };
}

async function listen(http: Server, port: number, host: string): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  http.once('error', reject);
  http.listen(port, host, resolve);
  await promise;
  http.off('error', reject);
  const address = http.address();
  if (address === null || typeof address === 'string') throw new Error('The server listens on no port.');
  return address.port;
}

/** Takes no more connections; resolves when the last has ended, those still open after the timeout cut off. */
async function closeServer(http: Server, timeoutMs: number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  http.close(() => resolve());
  // A connection that is kept alive goes idle when its request has been answered, and would stay.
  const idle = setInterval(() => http.closeIdleConnections(), 50);
  const timer = setTimeout(() => http.closeAllConnections(), timeoutMs);
  await promise;
  clearInterval(idle);
  clearTimeout(timer);
}

function refuseUpgrade(request: IncomingMessage, config: ServerParts['config']): string | null {
  if (refuseHost(request, config) !== null) return '421 Misdirected Request';
  if (refuseOrigin(request, config) !== null) return '403 Forbidden';
  return URL.parse(request.url ?? '', 'http://localhost')?.pathname === GRAPHQL_PATH ? null : '404 Not Found';
}

function endUpgrade(socket: Duplex, status: string): void {
  const body = JSON.stringify(errorBody('FORBIDDEN', status));
  socket.on('error', () => undefined);
  socket.end(
    `HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
}

/** The host as a link needs it: reachable from this machine, IPv6 in brackets. */
function urlHost(host: string): string {
  if (host === '0.0.0.0' || host === '::') return 'localhost';
  return host.includes(':') ? `[${host}]` : host;
}
