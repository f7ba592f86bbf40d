/** An engine on a real database, with agents that are functions of the test. */

import type { AgentRun } from '../../src/domain/agent-context.ts';
import { newId } from '../../src/domain/ids.ts';
import { contentHash } from '../../src/domain/json.ts';
import type { Actor, DataElement, Execution } from '../../src/domain/model.ts';
import { DEFAULT_BACKOFF } from '../../src/domain/retry-policy.ts';
import type { ExecutionParams, PinnedSpec, TierSpec } from '../../src/domain/spec.ts';
import { isFinalExecution } from '../../src/domain/states.ts';
import { systemClock } from '../../src/engine/clock.ts';
import { Engine } from '../../src/engine/engine.ts';
import type { EngineParts } from '../../src/engine/ports.ts';
import { createItemInputs } from '../../src/services/item-inputs.ts';
import type { AgentCatalog, ElementSources, ServiceDeps } from '../../src/services/ports.ts';
import { prepareExecution } from '../../src/services/prepare-execution.ts';
import { createResultLinks } from '../../src/services/result-links.ts';
import { insertExecution, type NewExecution } from '../../src/store/create-execution.ts';
import type { Db } from '../../src/store/database.ts';
import { findExecution } from '../../src/store/execution-rows.ts';
import { createLaneStore } from '../../src/store/lane-store.ts';
import { createSecretBox } from '../../src/store/secret-box.ts';
import { countingClock } from './counting-clock.ts';
import { makeProject } from './rows.ts';
import { recountTiers } from './tier-recount.ts';
import { until } from './until.ts';
import { recountUsage } from './usage-recount.ts';

/** What a test may set of an engine. */
export interface HarnessOptions extends Partial<Omit<EngineParts, 'agents'>> {
  /** The node's id; a second harness on the same database is another node. */
  readonly node?: string;
  /** Whether another node's process lives; by default every other is dead, as on an embedded database. */
  readonly isAlive?: (node: string) => Promise<boolean>;
  readonly actor?: Actor;
  /** Agents by version id; shared between nodes of one test. */
  readonly agents?: Map<string, AgentRun>;
  /** What this node makes of an agent it loads; by default the agent itself. */
  readonly wrapAgent?: (run: AgentRun) => AgentRun;
}

export interface Harness {
  readonly db: Db;
  readonly engine: Engine;
  readonly actor: Actor;
  readonly deps: ServiceDeps;
  readonly agents: Map<string, AgentRun>;
  readonly published: { executionId: string; revision: number; ends: boolean }[];
  /** Timers that the engine has set and neither heard of nor cancelled. */
  timers(): number;
  /** Stores an execution of `total` items whose tiers run these functions, and wakes the engine. */
  create(
    total: number,
    tiers: AgentRun | readonly AgentRun[],
    params?: Partial<ExecutionParams>,
    controls?: Partial<NewExecution>,
    tier?: Omit<TierSpec, 'agent'>,
  ): Promise<string>;
  read(id: string): Promise<Execution>;
  /** Resolves when all its items are in: from then on it can be paused, and end. */
  sealed(id: string): Promise<unknown>;
  /** The execution once it has ended. */
  ended(id: string, deadlineMs?: number): Promise<Execution>;
}

const never = (): never => {
  throw new Error('not part of this test');
};

/** Elements `element-0`, `element-1`, … of any datasource: as many as its name says. */
export function countedSources(): ElementSources {
  const element = (datasourceId: string, index: number): DataElement => ({
    ...{ id: `element-${index}`, datasourceId, filename: `file-${index}.txt`, mediaType: 'text/plain' },
    ...{ metadata: { index }, documentNames: null, sizeBytes: 10, contentHash: contentHash(index) },
    ...{ createdAt: null, updatedAt: null },
  });
  return {
    async page(datasource, _filters, after, limit) {
      const total = Number(datasource.name.split('-')[0]);
      const from = after === null ? 0 : Number(after);
      const to = Math.min(from + limit, total);
      const elements = Array.from({ length: to - from }, (_, offset) => element(datasource.id, from + offset));
      const cursors = elements.map((_, offset) => String(from + offset + 1));
      return await Promise.resolve({ elements, cursors, cursor: to < total ? String(to) : null });
    },
    count: (datasource) => Promise.resolve(Number(datasource.name.split('-')[0])),
    find: (datasource, id) => Promise.resolve(element(datasource.id, Number(id.split('-')[1]))),
    read: (_datasource, id) =>
      Promise.resolve({
        documents: [{ filename: id, mediaType: 'text/plain', text: `text of ${id}` }],
        contentHash: contentHash(id),
      }),
    exists: () => Promise.resolve(null),
  };
}

/** Builds and starts an engine; the caller stops it. */
export async function startEngine(db: Db, options: HarnessOptions = {}): Promise<Harness> {
  const {
    node = `node-${newId('Agent')}`,
    isAlive = () => Promise.resolve(false),
    actor: _,
    agents: __,
    wrapAgent = (run) => run,
    ...parts
  } = options;
  const actor = options.actor ?? (await makeProject(db)).actor;
  const agents = options.agents ?? new Map<string, AgentRun>();
  const published: Harness['published'] = [];
  const publish = (executionId: string, revision: number, ends = false): void => {
    published.push({ executionId, revision, ends });
    options.publish?.(executionId, revision, ends);
  };
  const sources = countedSources();
  const timers = new Set<object>();
  const clock = countingClock(options.clock ?? systemClock, timers);
  const now = () => clock.now();
  const engine = new Engine({
    store: createLaneStore(db, node, isAlive, now),
    prepare: (id) => prepareExecution({ db, sources, now }, id),
    inputs: createItemInputs(db, { sources, fetchDocument: never }),
    agents: {
      load: (versionId) => {
        const run = agents.get(versionId);
        if (run !== undefined) return Promise.resolve(wrapAgent(run));
        return Promise.reject(Object.assign(new Error('That agent is gone.'), { code: 'agent_unavailable' }));
      },
    },
    outputs: { schemaProblems: never, misses: never },
    random: Math.random,
    log: { info: ignore, warn: ignore, error: ignore, debug: ignore },
    cancelGraceMs: 200,
    drainMs: 0,
    nodeConcurrency: 1_000,
    stormLimitMs: 60_000,
    pollMs: 1_000,
    ...parts,
    ...{ clock, publish },
  });
  await engine.start();
  const outputs = options.outputs ?? { schemaProblems: never, misses: never };
  const catalog: AgentCatalog = {
    ...{ resolve: never, configProblems: never, configOf: never, schemasIn: never, refresh: never },
    messageProblem: never,
    problems: () => [],
  };
  const deps: ServiceDeps = {
    ...{ db, newId, now, sources, engine, agents: catalog, outputs },
    resultLinks: createResultLinks('a-secret-key-for-tests'),
    secretBox: createSecretBox('a-secret-key-for-tests'),
    publish,
    get feed() {
      return never();
    },
    get lists() {
      return never();
    },
  };
  const read = async (id: string): Promise<Execution> => {
    const execution = await findExecution(db, actor.projectId, id);
    if (execution === undefined) throw new Error(`no execution ${id}`);
    return execution;
  };
  return {
    ...{ db, engine, actor, deps, agents, published, read },
    timers: () => timers.size,
    async create(total, tiers, params = {}, controls = {}, tier = {}) {
      const id = await storeExecution(db, actor, agents, total, tiers, params, controls, tier);
      engine.wake(id);
      return id;
    },
    sealed: (id) => until(async () => (await read(id)).sealedAt !== null),
    ended: (id, deadlineMs = 20_000) =>
      until(async () => {
        const execution = await read(id);
        return isFinalExecution(execution.status) && execution;
      }, deadlineMs),
  };
}

const ignore = (): void => undefined;

/** Stores an execution without waking an engine; its id. */
export async function storeExecution(
  db: Db,
  actor: Actor,
  agents: Map<string, AgentRun>,
  total: number,
  tiers: AgentRun | readonly AgentRun[],
  params: Partial<ExecutionParams> = {},
  controls: Partial<NewExecution> = {},
  tier: Omit<TierSpec, 'agent'> = {},
): Promise<string> {
  const { projectId } = actor;
  const [id, definitionId, datasourceId] = [newId('BatchExecution'), newId('BatchDefinition'), newId('Datasource')];
  const name = `${total}-${datasourceId}`;
  // A folder: rows of the database would be copied inside it, past the harness's own elements.
  const folder = { kind: 'FOLDER' as const, folderPath: '', folderGlob: '**' };
  await db
    .insertInto('datasource')
    .values({ id: datasourceId, projectId, ...folder, name })
    .execute();
  const runs = typeof tiers === 'function' ? [tiers] : tiers;
  const spec: PinnedSpec = {
    name: 'a-batch',
    tiers: runs.map((run, index) => {
      const agentVersionId = newId('AgentVersion');
      agents.set(agentVersionId, run);
      return {
        agent: `agent-${index}`,
        agentId: newId('Agent'),
        agentName: `agent-${index}`,
        agentVersionId,
        agentVersion: 1,
        ...tier,
      };
    }),
    input: { datasourceId },
    execution: {
      ...{ concurrency: 10, retryLimit: 2, itemTimeoutMs: 60_000 },
      backoff: { ...DEFAULT_BACKOFF, baseMs: 1 },
      ...params,
    },
  };
  await db
    .insertInto('batchDefinition')
    .values({
      id: definitionId,
      projectId,
      name: definitionId,
      version: 1,
      urn: definitionId,
      spec: JSON.stringify(spec),
      specHash: definitionId,
    })
    .execute();
  await db.transaction().execute((tx) =>
    insertExecution(tx, {
      ...{ id, projectId, definitionId, name: 'a-batch', metadata: null, inputOverrides: null, spec },
      ...{ idempotencyKey: null, requestHash: null, createdBy: actor.keyId, createdAt: new Date() },
      ...{ deadlineAt: null, priority: 0, sampleSize: null, toleratedFailures: null, toleratedFailurePercent: null },
      ...controls,
    }),
  );
  return id;
}

/**
 * Recounts an execution from its rows and throws where anything disagrees: counts, one result or failure for each
 * ended item, one row per item, revisions that were logged.
 */
export async function checkWhole(db: Db, id: string): Promise<void> {
  const execution = await db.selectFrom('batchExecution').selectAll().where('id', '=', id).executeTakeFirstOrThrow();
  const items = await db.selectFrom('everyItem').selectAll().where('executionId', '=', id).execute();
  const results = await db.selectFrom('everyResult').selectAll().where('executionId', '=', id).execute();
  const problems: string[] = [];
  const count = (status: string): number => items.filter((item) => item.status === status).length;
  for (const status of ['queued', 'running', 'retrying', 'succeeded', 'failed', 'cancelled', 'expired'] as const) {
    if (execution[status] !== count(status.toUpperCase()))
      problems.push(`${status}: ${execution[status]} != ${count(status.toUpperCase())}`);
  }
  if (execution.total !== items.length) problems.push(`total: ${execution.total} != ${items.length}`);
  const tierCounts = await recountTiers(db, id);
  if (JSON.stringify(execution.tierCounts) !== JSON.stringify(tierCounts))
    problems.push(`tiers: ${JSON.stringify(execution.tierCounts)} != ${JSON.stringify(tierCounts)}`);
  const usage = await recountUsage(db, id);
  if (usage !== null) problems.push(usage);
  const tiers = execution.spec.tiers.length;
  const rounds = await db.selectFrom('executionRound').select('selection').where('executionId', '=', id).execute();
  const resubmitted = rounds.some(({ selection }) => Object.hasOwn(Object(selection), 'fromTier'));
  const last = new Set(results.filter((row) => row.tier === tiers - 1).map((row) => row.ordinal));
  const succeeded = items.filter((item) => item.status === 'SUCCEEDED');
  for (const item of succeeded) if (!last.has(item.ordinal)) problems.push(`item ${item.ordinal} has no result`);
  // What was done again keeps what it had before.
  if (!resubmitted && last.size !== succeeded.length)
    problems.push(`${last.size} results for ${succeeded.length} succeeded items`);
  if (items.some((item) => item.revision > execution.revision)) problems.push('an item is ahead of its execution');
  const changes = await db.selectFrom('executionChange').selectAll().where('executionId', '=', id).execute();
  const newest = new Map<number, number>();
  for (const { revision, ordinals } of changes) {
    for (const ordinal of ordinals) newest.set(ordinal, Math.max(newest.get(ordinal) ?? 0, revision));
  }
  for (const item of items) {
    const logged = newest.get(item.ordinal) ?? 0;
    // One that nothing has happened to yet may have been written before its chunk got its revision.
    const isUntouched = item.status === 'QUEUED' && item.attempt === 0 && item.retryCount === 0;
    if (isUntouched ? logged < item.revision : logged !== item.revision) {
      problems.push(`item ${item.ordinal} changed unlogged`);
    }
  }
  if (problems.length > 0) throw new Error(problems.slice(0, 20).join('; '));
}
