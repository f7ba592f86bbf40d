/** Builds every part of the service once, and starts and stops them in order. */

import { createDocumentFetch } from './agents/net/fetch-document.ts';
import { createOutgoing } from './agents/net/outgoing.ts';
import { createOutputChecker } from './agents/output/output-checker.ts';
import { createRegistry } from './agents/registry.ts';
import type { Config } from './config.ts';
import { createSources } from './datasources/sources.ts';
import { newId } from './domain/ids.ts';
import { systemClock } from './engine/clock.ts';
import { Engine } from './engine/engine.ts';
import { Loaders } from './graphql/context.ts';
import { createExecutionPubSub } from './graphql/execution-pubsub.ts';
import { createLogger, type Logger } from './log.ts';
import type { RunningServer } from './server/server.ts';
import { authenticate, stillValid } from './services/authenticate.ts';
import { bootstrap } from './services/bootstrap.ts';
import { createChangeLog } from './services/change-log.ts';
import { createDraftSweep } from './services/end-stale-drafts.ts';
import { createItemInputs } from './services/item-inputs.ts';
import { createListFeed } from './services/list-feed.ts';
import { createLiveFeed } from './services/live-feed.ts';
import { openSession } from './services/open-session.ts';
import type { Publish, ServiceDeps } from './services/ports.ts';
import { prepareExecution } from './services/prepare-execution.ts';
import { createResultLinks, openResultLink } from './services/result-links.ts';
import { createDeletionSweep } from './services/sweep-deleted.ts';
import { type Db, openDatabase } from './store/database.ts';
import { createLaneStore } from './store/lane-store.ts';
import { createNodePresence, makeNodeId, SOLE_NODE } from './store/node-presence.ts';
import { ping } from './store/ping.ts';
import { createSecretBox } from './store/secret-box.ts';
import { obtainSecretKey } from './store/secret-key.ts';
import { countForeignSecrets } from './store/secrets.ts';

/** How long items that run may finish in when the service stops, in ms. */
const DRAIN_MS = 2_000;
const POLL_MS = 1_000;
/** How long the start waits at most for what was interrupted to go on, in ms. */
const RESUME_MS = 1_000;

/** The service as it runs. */
export interface RunningApp {
  readonly url: string;
  readonly kind: 'embedded' | 'postgres';
  /** The first key, where this start made one; it is shown nowhere else. */
  readonly madeKey: string | null;
  /** A new link that opens GraphiQL with a key of its own, once. */
  loginLink(): string;
}

export interface App {
  /** Resolves when creates are accepted. What was started before a failure is stopped again. */
  start(): Promise<RunningApp>;
  /** Stops what was started, last first; resolves when all is quiet. May be repeated. */
  stop(): Promise<void>;
}

/** The service with these settings; nothing happens before `start`. */
export function createApp(config: Config): App {
  const log = createLogger(config.logLevel);
  const stops: { part: string; stop: () => Promise<unknown> }[] = [];
  let stopped: Promise<void> | undefined;

  async function stopAll(): Promise<void> {
    for (const { part, stop } of stops.splice(0).reverse()) {
      log.debug({ part }, 'stopping');
      await stop().catch((error: unknown) => log.error({ part, err: error }, 'did not stop cleanly'));
    }
  }
  async function started<T>(part: string, value: T, stop: (value: T) => Promise<unknown>): Promise<T> {
    stops.push({ part, stop: () => stop(value) });
    return await Promise.resolve(value);
  }
  const stop = (): Promise<void> => {
    stopped ??= stopAll();
    return stopped;
  };

  return {
    stop,
    async start() {
      try {
        return await startParts(config, log, started);
      } catch (error) {
        await stop();
        throw error;
      }
    },
  };
}

type Started = <T>(part: string, value: T, stop: (value: T) => Promise<unknown>) => Promise<T>;

async function startParts(config: Config, log: Logger, started: Started): Promise<RunningApp> {
  const now = () => new Date();
  const { databaseUrl, poolSize, dataDir } = config;
  const onError = (error: unknown) => log.error({ err: error }, 'database trouble');
  const { db, kind, close } = await openDatabase({ databaseUrl, poolSize, dataDir, onError });
  await started('database', close, (closing) => closing());

  const node = makeNodeId();
  const presence = databaseUrl === null ? SOLE_NODE : createNodePresence(databaseUrl, node, onError);
  await started('presence', presence, (part) => part.stop());
  await presence.start();

  const onProblem = (problem: { file: string; reason: string }) => log.warn(problem, 'agent file cannot be used');
  const secretKey = config.secretKey ?? (await obtainSecretKey(dataDir));
  const secretBox = createSecretBox(secretKey);
  await warnOfForeignSecrets(db, secretBox.keyId, log);
  const outgoing = await started('outgoing', createOutgoing(config.allowPrivateHosts), (part) => part.stop());
  const outputs = await started('outputs', createOutputChecker(), (part) => part.stop());
  const registry = createRegistry({
    ...{ db, newId, now, agentsDir: config.agentsDir, dataDir, onProblem, threads: config.agentThreads },
    ...{ secretBox, outgoing, outputs },
    onThreadDeath: (death) => log.warn(death, 'a thread of agents is over, its calls are made again'),
  });
  await started('agents', registry, (part) => part.stop());

  const sources = createSources(db, config.foldersDir);
  const { events, publish: tell } = createExecutionPubSub();
  const lists = await started('lists', createListFeed(db, onError), (part) => part.stop());
  lists.start();
  const changes = await started('changes', createChangeLog(db, lists.announce, onError), (part) => part.stop());
  changes.start();
  const publish: Publish = (executionId, revision, ends) => {
    tell(executionId, revision, ends);
    changes.note(executionId);
  };
  const onReadError = (error: unknown, executionId: string) =>
    log.warn({ executionId, err: error }, 'live feed read failed');
  const feed = await started('feed', createLiveFeed(db, events, onReadError), (part) => part.stop());

  const engine = new Engine({
    store: createLaneStore(db, node, presence.isAlive, now, kind),
    prepare: (executionId) => prepareExecution({ db, sources, now, kind }, executionId),
    inputs: createItemInputs(db, { sources, fetchDocument: createDocumentFetch(outgoing, now) }),
    agents: { load: async (versionId) => (await registry.load(versionId)).run },
    outputs,
    clock: systemClock,
    random: Math.random,
    publish,
    log,
    cancelGraceMs: config.cancelGraceMs,
    drainMs: DRAIN_MS,
    nodeConcurrency: config.nodeConcurrency,
    stormLimitMs: config.stormLimitMs,
    pollMs: POLL_MS,
  });
  const resultLinks = createResultLinks(secretKey);
  const deps: ServiceDeps = {
    db,
    newId,
    now,
    agents: registry,
    outputs,
    sources,
    engine,
    publish,
    feed,
    lists,
    resultLinks,
    secretBox,
  };
  const { madeKey } = await bootstrap(deps, config.rootKey);
  await started('engine', engine, (part) => part.stop());
  await engine.start();
  // What was interrupted goes on first: the rest would keep both cores for a second, and pinned versions need none of it.
  await engine.resumed(RESUME_MS);
  const { startServer } = await import('./server/server.ts');
  const { buildSchema } = await import('./graphql/schema.ts');
  await registry.start();
  const drafts = createDraftSweep(deps, onError);
  await started('drafts', drafts, (part) => part.stop());
  drafts.start();
  const deletions = createDeletionSweep(deps, config.retentionDays, onError);
  await started('deletions', deletions, (part) => part.stop());
  deletions.start();

  const server: RunningServer = await startServer({
    schema: buildSchema(),
    authenticate: (credentials) => authenticate(deps, credentials),
    contextFor: (actor) => ({ actor, deps, loaders: new Loaders() }),
    openSession: () => openSession(deps),
    openResultLink: (token, executionId) => openResultLink(deps, token, executionId),
    validKeys: (keyIds) => stillValid(deps, keyIds),
    isReady: () => ping(db),
    log,
    config,
  });
  await started('server', server, (part) => part.stop());
  // For the log, which tells of broken files: a create looks at the files of the agents that it names.
  registry.refresh().catch(onError);
  return { url: server.url, kind, madeKey, loginLink: () => server.loginLink() };
}

/** Says at the start what calls would say one by one: some secrets were stored under another key. */
async function warnOfForeignSecrets(db: Db, keyId: string, log: Logger): Promise<void> {
  const secrets = await countForeignSecrets(db, keyId);
  if (secrets > 0)
    log.warn({ secrets }, 'secrets were stored under another BATCHYARD_SECRET_KEY and cannot be opened with this one');
}
