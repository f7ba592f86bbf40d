/** A real server on a free port over a test database; what the server itself does not need is left out. */
import { createClient } from 'graphql-ws';
import { WebSocket } from 'ws';
import { newId } from '../../src/domain/ids.ts';
import type { Actor } from '../../src/domain/model.ts';
import { Loaders } from '../../src/graphql/context.ts';
import { buildSchema } from '../../src/graphql/schema.ts';
import { createLogger } from '../../src/log.ts';
import { type RunningServer, type ServerParts, startServer } from '../../src/server/server.ts';
import { authenticate, stillValid } from '../../src/services/authenticate.ts';
import { openSession } from '../../src/services/open-session.ts';
import type { ServiceDeps } from '../../src/services/ports.ts';
import { createResultLinks, openResultLink } from '../../src/services/result-links.ts';
import type { Db } from '../../src/store/database.ts';
import { createSecretBox } from '../../src/store/secret-box.ts';

/** A server under test, the lines that it logged, and the clock that it goes by. */
export interface TestServer extends RunningServer {
  readonly log: string[];
  readonly clock: { now: Date };
}

/** The services' parts over a database, without those of the engine and of agents: what needs them cannot be tested so. */
export const databaseDeps = (db: Db, now: () => Date = () => new Date()): ServiceDeps =>
  ({
    ...{ db, newId, now, resultLinks: createResultLinks('a-secret-key-for-tests') },
    secretBox: createSecretBox('a-secret-key-for-tests'),
  }) as ServiceDeps;

/** Starts a server with a clock of its own that stands until the test moves it. */
export async function startTestServer(
  db: Db,
  config: Partial<ServerParts['config']> = {},
  isReady: () => Promise<boolean> = async () => true,
  more: Partial<ServiceDeps> = {},
): Promise<TestServer> {
  const clock = { now: new Date() };
  const deps = { ...databaseDeps(db, () => clock.now), ...more };
  const log: string[] = [];
  const server = await startServer({
    schema: buildSchema(),
    authenticate: (credentials) => authenticate(deps, credentials),
    contextFor: (actor: Actor) => ({ actor, deps, loaders: new Loaders() }),
    openSession: () => openSession(deps),
    openResultLink: (token, executionId) => openResultLink(deps, token, executionId),
    validKeys: (keyIds) => stillValid(deps, keyIds),
    isReady,
    log: createLogger('debug', { write: (line) => log.push(line) }),
    keyCheckMs: 20,
    config: {
      host: '127.0.0.1',
      port: 0,
      allowedHosts: [],
      allowedOrigins: [],
      graphiql: true,
      stopTimeoutMs: 2_000,
      ...config,
    },
  });
  return Object.assign(server, { log, clock });
}

/** What a GraphQL response holds, as tests look at it. */
export interface Answer {
  readonly status: number;
  readonly data?: Record<string, unknown> | null;
  readonly errors?: readonly { message: string; extensions: Record<string, unknown>; path?: readonly string[] }[];
}

/** Posts an operation; `headers` replace the key's where they name the same. */
export async function post(
  server: { url: string },
  key: string | null,
  query: string,
  variables: Record<string, unknown> = {},
  headers: Record<string, string> = {},
): Promise<Answer> {
  const response = await fetch(`${server.url}/graphql`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      ...(key !== null && { authorization: `Bearer ${key}` }),
      ...headers,
    },
    body: JSON.stringify({ query, variables }),
  });
  return { status: response.status, ...((await response.json()) as object) };
}

/** What is at a path within an answer; undefined where the path ends early. */
export const dig = (value: unknown, ...path: readonly (string | number)[]): unknown =>
  path.reduce<unknown>(
    (at, key) => (at === null || at === undefined ? undefined : Reflect.get(Object(at), key)),
    value,
  );

/** The code of an answer's first error. */
export const codeOf = (answer: Pick<Answer, 'errors'>): unknown => answer.errors?.[0]?.extensions['code'];

/** A WebSocket client that does not connect again, and the close event it got. */
export function socketClient(server: { url: string }, connectionParams: Record<string, unknown>) {
  const closed = Promise.withResolvers<{ code: number; reason: string }>();
  const client = createClient({
    url: `${server.url.replace('http', 'ws')}/graphql`,
    webSocketImpl: WebSocket,
    connectionParams,
    retryAttempts: 0,
    on: { closed: (event) => closed.resolve(event as { code: number; reason: string }) },
  });
  return { client, closed: closed.promise };
}

/** The server's part of a raw socket: every message it sent, and how it closed. */
export async function rawSocket(server: { url: string }, options: { origin?: string; protocol?: string } = {}) {
  const socket = new WebSocket(
    `${server.url.replace('http', 'ws')}/graphql`,
    options.protocol ?? 'graphql-transport-ws',
    {
      ...(options.origin !== undefined && { origin: options.origin }),
    },
  );
  const messages: Record<string, unknown>[] = [];
  const closed = new Promise<{ code: number; reason: string }>((resolve) => {
    socket.once('close', (code, reason) => resolve({ code, reason: reason.toString() }));
  });
  socket.on('message', (data) => messages.push(JSON.parse(String(data))));
  socket.on('error', () => undefined);
  await new Promise<void>((resolve, reject) => {
    socket.once('open', () => resolve());
    socket.once('unexpected-response', (_request, response) => reject(new Error(`HTTP ${response.statusCode}`)));
  });
  return { socket, messages, closed, send: (message: unknown) => socket.send(JSON.stringify(message)) };
}

/** The text of a server-sent event stream, one event at a time. */
export async function openEvents(server: { url: string }, key: string, query: string) {
  const abort = new AbortController();
  const response = await fetch(`${server.url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'text/event-stream', authorization: `Bearer ${key}` },
    body: JSON.stringify({ query }),
    signal: abort.signal,
  });
  let text = '';
  const ended = (async () => {
    for await (const chunk of response.body ?? []) text += Buffer.from(chunk).toString();
  })().catch(() => undefined);
  return { response, text: () => text, ended, abort: () => abort.abort() };
}
