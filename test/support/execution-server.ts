/** A real server whose executions a test moves by hand: the feed is real, the engine is absent. */
import { getEventListeners } from 'node:events';
import { Loaders } from '../../src/graphql/context.ts';
import { createExecutionPubSub } from '../../src/graphql/execution-pubsub.ts';
import { buildSchema } from '../../src/graphql/schema.ts';
import { createLogger } from '../../src/log.ts';
import { type RunningServer, startServer } from '../../src/server/server.ts';
import { authenticate, stillValid } from '../../src/services/authenticate.ts';
import type { ExecutionFeed } from '../../src/services/execution-feed.ts';
import { createListFeed, type ListFeed } from '../../src/services/list-feed.ts';
import { createLiveFeed } from '../../src/services/live-feed.ts';
import { openSession } from '../../src/services/open-session.ts';
import type { Publish, ServiceDeps } from '../../src/services/ports.ts';
import { openResultLink } from '../../src/services/result-links.ts';
import type { Db } from '../../src/store/database.ts';
import { databaseDeps } from './server.ts';

/** The server, and what a test moves and watches executions by. */
export interface ExecutionServer extends RunningServer {
  readonly deps: ServiceDeps;
  readonly feed: ExecutionFeed;
  readonly lists: ListFeed;
  readonly publish: Publish;
  /** Listeners for an execution's events that are there now. */
  listeners(executionId: string): number;
  readonly log: string[];
}

/** Starts a server over a database; `watched` sees the database that its requests use, e.g. to count statements. */
export async function startExecutionServer(
  db: Db,
  parts: Partial<ServiceDeps> = {},
  watched: (db: Db) => Db = (same) => same,
): Promise<ExecutionServer> {
  const { events, publish } = createExecutionPubSub();
  const log: string[] = [];
  const feed = createLiveFeed(db, events, (error) => log.push(String(error)));
  const lists = createListFeed(db, (error) => log.push(String(error)));
  const deps: ServiceDeps = { ...databaseDeps(db), db: watched(db), feed, lists, publish, ...parts };
  const server = await startServer({
    schema: buildSchema(),
    authenticate: (credentials) => authenticate(deps, credentials),
    contextFor: (actor) => ({ actor, deps, loaders: new Loaders() }),
    openSession: () => openSession(deps),
    openResultLink: (token, executionId) => openResultLink(deps, token, executionId),
    validKeys: (keyIds) => stillValid(deps, keyIds),
    isReady: async () => true,
    log: createLogger('debug', { write: (line) => log.push(line) }),
    keyCheckMs: 60_000,
    config: {
      ...{ host: '127.0.0.1', port: 0, allowedHosts: [], allowedOrigins: [] },
      ...{ graphiql: false, stopTimeoutMs: 2_000 },
    },
  });
  return Object.assign(server, {
    deps,
    feed,
    lists,
    publish,
    log,
    listeners: (executionId: string) => getEventListeners(events, `batchExecution:${executionId}`).length,
  });
}
