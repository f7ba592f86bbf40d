/**
 * One random execution under a random sequence of faults, all drawn from one seed; then it is left in peace, must
 * end by itself, and everything that was recorded must be exact.
 */
import { sql } from 'kysely';
import type { AgentRun } from '../../src/domain/agent-context.ts';
import { itemId } from '../../src/domain/ids.ts';
import type { Actor } from '../../src/domain/model.ts';
import { ITEM_STATUSES, isFinalExecution } from '../../src/domain/states.ts';
import { InvalidStateError } from '../../src/domain/user-error.ts';
import { cancelBatchExecution } from '../../src/services/cancel-batch-execution.ts';
import { cancelBatchItems } from '../../src/services/cancel-batch-items.ts';
import { pauseBatchExecution, resumeBatchExecution } from '../../src/services/pause-batch-execution.ts';
import { prepareExecution } from '../../src/services/prepare-execution.ts';
import { resubmitBatchExecution } from '../../src/services/resubmit-batch-execution.ts';
import { retryFailedItems } from '../../src/services/retry-failed-items.ts';
import { updateBatchExecution } from '../../src/services/update-batch-execution.ts';
import type { Db } from '../../src/store/database.ts';
import { createLaneStore } from '../../src/store/lane-store.ts';
import { agentOfSeed, type Calls, checkResults } from './agent-of-seed.ts';
import { countedSources, type HarnessOptions } from './engine-harness.ts';
import { checkEnded } from './exact-end.ts';
import { fastClock, type SettableClock, settableClock } from './fast-clock.ts';
import { type CallName, Hiccups } from './hiccups.ts';
import { after, before, type Instant, type MortalEngine, startMortal } from './mortal-engine.ts';
import { stopAll } from './nothing-left.ts';
import { RevisionWatch } from './revision-watch.ts';
import { makeProject } from './rows.ts';
import { type Seeded, seeded } from './seeded.ts';

const SPEED = 20;
/** How long nothing at all may happen to an execution that is left in peace. */
const STANDSTILL_MS = 15_000;

/** What a schedule needs all along. */
interface Scene {
  readonly db: Db;
  readonly draw: Seeded;
  readonly actor: Actor;
  readonly clock: SettableClock;
  readonly agents: Map<string, AgentRun>;
  readonly calls: Calls;
  readonly hiccups: Hiccups;
  readonly trail: string[];
  readonly watch: RevisionWatch;
  /** Apart from `draw`, so that the schedule of a seed does not hang on how often the engine asks. */
  readonly jitter: () => number;
  live: MortalEngine;
  id: string;
  tiers: number;
}

/** Runs the schedule of a seed; the codes of its failures. Rejects with what went wrong and the trail that led there. */
export async function runSchedule(db: Db, seed: number): Promise<readonly string[]> {
  const draw = seeded(seed);
  const { actor } = await makeProject(db);
  const calls: Calls = { made: 0, allowed: 0, refused: 0, running: new Map<number, number>(), problems: [] };
  const scene = {
    ...{ db, draw, actor, clock: settableClock(fastClock(SPEED)), agents: new Map<string, AgentRun>() },
    ...{ hiccups: new Hiccups(), trail: [] as string[], id: '', tiers: 1, jitter: seeded(seed + 1).next },
    ...{ calls, watch: new RevisionWatch(db, () => calls.allowed) },
  };
  const stage: Scene = { ...scene, live: await spawn(scene, null) };
  try {
    await create(stage, seed);
    for (let step = draw.between(2, 8); step > 0; step -= 1) {
      await someTime(stage);
      await act(stage);
      await look(stage);
    }
    await leaveInPeace(stage);
    await stopAll(db, [stage.live]);
    await checkEnded(db, stage.id);
    return await checkResults(db, stage.id, stage.calls);
  } catch (error) {
    throw new Error(
      `seed ${seed}: ${error instanceof Error ? error.message : String(error)} [${stage.trail.join(', ')}]`,
      { cause: error },
    );
  } finally {
    stage.live.kill();
  }
}

let engines = 0;

async function spawn(scene: Omit<Scene, 'live'>, instant: Instant | null): Promise<MortalEngine> {
  const { db, draw, actor, agents, clock, calls, hiccups } = scene;
  engines += 1;
  const own = engines;
  calls.running.set(own, 0);
  const store = createLaneStore(
    db,
    `node-${own}`,
    () => Promise.resolve(false),
    () => clock.now(),
  );
  const sources = countedSources();
  const options: HarnessOptions = {
    ...{ actor, agents, clock, node: `node-${own}`, random: scene.jitter },
    publish: (id, revision) => scene.watch.published(id, revision),
    store: hiccups.over(store),
    prepare: hiccups.of('prepare', (id) => prepareExecution({ db, sources, now: () => clock.now() }, id)),
    wrapAgent: (run) => async (context) => {
      const running = (calls.running.get(own) ?? 0) + 1;
      calls.running.set(own, running);
      if (running > calls.allowed) calls.problems.push(`${running} calls at a time where ${calls.allowed} may be`);
      try {
        return await run(context);
      } finally {
        calls.running.set(own, (calls.running.get(own) ?? 0) - 1);
      }
    },
    ...{
      cancelGraceMs: draw.between(10, 600),
      drainMs: draw.between(0, 400),
      nodeConcurrency: draw.pick([3, 20, 1_000]),
    },
  };
  return await startMortal(db, options, instant);
}

async function create(scene: Scene, seed: number): Promise<void> {
  const { draw, calls, clock } = scene;
  const tiers = draw.between(1, 3);
  scene.tiers = tiers;
  const items = draw.between(1, draw.pick([3, 50, 50, 50, 300]));
  const concurrency = draw.between(1, 40);
  calls.allowed = concurrency;
  const retryLimit = draw.between(0, 3);
  const run = agentOfSeed(seed, calls);
  const controls = {
    ...(draw.chance(0.15) && { sampleSize: draw.between(1, items) }),
    ...(draw.chance(0.1) && { toleratedFailures: draw.between(0, 20) }),
    ...(draw.chance(0.15) && { deadlineAt: new Date(clock.now().getTime() + draw.between(200, 8_000)) }),
  };
  scene.trail.push(
    `${items} items, ${tiers} tiers, concurrency ${concurrency}, retries ${retryLimit}, ${Object.keys(controls).join(' ')}`,
  );
  const params = {
    concurrency,
    retryLimit,
    itemTimeoutMs: draw.pick([500, 60_000]),
    backoff: { baseMs: draw.pick([1, 50]), factor: 2, maxMs: 400, jitter: 'FULL' },
  } as const;
  scene.id = await scene.live.create(
    items,
    Array.from({ length: tiers }, () => run),
    params,
    controls,
  );
  scene.watch.follow(scene.id);
}

/** Lets some turns of the event loop pass, or some calls be made. */
async function someTime({ draw, calls }: Scene): Promise<void> {
  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  for (let turns = draw.between(0, 60); turns > 0; turns -= 1) await turn();
  if (!draw.chance(0.5)) return;
  const target = calls.made + draw.between(1, 150);
  const end = performance.now() + 60;
  while (calls.made < target && performance.now() < end) await turn();
}

const INSTANTS: readonly ((nth: number) => Instant)[] = [
  (nth) => before('settle', (n) => n === nth),
  (nth) => after('settle', (_answer, n) => n === nth),
  (nth) => before('claim', (n) => n === nth),
  (nth) => after('claim', (_answer, n) => n === nth),
  (nth) => after('takeLane', (_answer, n) => n === Math.min(nth, 2)),
  (nth) => before('publish', (n) => n === nth),
  (nth) => before('prepare', (n) => n === Math.min(nth, 3)),
  (nth) => after('prepare', (_answer, n) => n === Math.min(nth, 3)),
  () => before('closeItems'),
  () => after('closeItems'),
  () => before('fenceLanes'),
  () => after('fenceLanes'),
  () => before('releaseLane'),
  () => before('previousResult'),
  (nth) => after('openExecution', (_answer, n) => n === nth),
];

/** Which calls a hiccup is about; null for whatever comes next. */
const BROKEN: readonly (readonly CallName[] | null)[] = [
  null,
  ['settle'],
  ['settle'],
  ['claim', 'heldItems'],
  ['claim'],
  ['takeLane', 'releaseLane'],
  ['openExecution', 'openExecutions'],
  ['previousResult'],
  ['prepare'],
  ['closeItems', 'fenceLanes'],
];

/** Does one thing of what users and faults do. */
async function act(scene: Scene): Promise<void> {
  const { draw, hiccups, live, id, actor, clock } = scene;
  const target = { batchExecutionId: id };
  const acts: Record<string, () => Promise<unknown>> = {
    kill: async () => {
      live.kill();
      scene.live = await spawn(scene, null);
    },
    'die at an instant': async () => {
      live.kill();
      scene.live = await spawn(scene, draw.pick(INSTANTS)(draw.between(1, 6)));
    },
    'stop and start': async () => {
      hiccups.end();
      await Promise.race([live.engine.stop(), live.dead]);
      live.kill();
      scene.live = await spawn(scene, null);
    },
    // The old one believes that it still holds the lane.
    steal: async () => {
      const old = live;
      scene.live = await spawn(scene, null);
      await someTime(scene);
      old.kill();
    },
    cancel: () => cancelBatchExecution(live.deps, actor, { ...target, mode: draw.pick(['ABORT', 'DRAIN'] as const) }),
    retry: () => {
      const deadlineAt = new Date(scene.clock.now().getTime() + draw.between(1_000, 100_000));
      return retryFailedItems(live.deps, actor, {
        ...target,
        mode: 'ALL',
        statuses: ['FAILED', 'CANCELLED', 'EXPIRED'],
        maxRetryCount: null,
        deadlineAt,
      });
    },
    resubmit: () => {
      const deadlineAt = new Date(scene.clock.now().getTime() + draw.between(1_000, 100_000));
      return resubmitBatchExecution(live.deps, actor, {
        ...target,
        fromTier: draw.between(0, scene.tiers - 1),
        deadlineAt,
      });
    },
    'cancel items': async () => {
      const { total } = await live.read(id);
      const ordinals = Array.from({ length: total }, (_, ordinal) => ordinal).filter(() => draw.chance(0.2));
      const itemIds = ordinals.slice(0, draw.between(1, 100)).map((ordinal) => itemId(id, ordinal));
      const chosen =
        itemIds.length === 0 || draw.chance(0.3) ? { tierNums: [draw.between(0, scene.tiers - 1)] } : { itemIds };
      await cancelBatchItems(live.deps, actor, { ...target, ...chosen });
    },
    pause: () => pauseBatchExecution(live.deps, actor, target),
    resume: () => resumeBatchExecution(live.deps, actor, target),
    update: async () => {
      const concurrency = draw.between(1, 40);
      scene.calls.allowed = Math.max(scene.calls.allowed, concurrency);
      await updateBatchExecution(live.deps, actor, {
        ...target,
        concurrency,
        retryLimit: draw.between(0, 3),
        priority: draw.between(-2, 2),
      });
    },
    'set the clock': async () => {
      clock.set(draw.between(-4_000, 4_000));
    },
    // Of the calls that follow, more than a breaker looks at.
    storm: async () => {
      scene.calls.refused = draw.between(10, 60);
    },
    hiccup: async () => {
      hiccups.begin(draw.pick(BROKEN), draw.between(0, 3), draw.between(0, 6));
    },
  };
  const name = draw.pick(Object.keys(acts));
  scene.trail.push(name);
  await acts[name]?.().catch((error: unknown) => {
    // What the state does not allow is the user's to hear.
    if (!(error instanceof Error) || !('code' in error) || error.code !== 'INVALID_STATE') throw error;
    scene.trail.push(`(${String(error.code)})`);
  });
}

/** Looks at the execution, as at each revision that is published. */
async function look({ watch, db, id, calls }: Scene): Promise<void> {
  await watch.check();
  await recountTiersOf(db, id);
  if (calls.problems.length > 0) throw new Error(calls.problems.join('; '));
}

/** The same for its tiers, each an array of seven numbers. */
async function recountTiersOf(db: Db, id: string): Promise<void> {
  const { rows } = await sql<{ said: number[] | null; real: number[] }>`
    select x.tier_counts as said, array(
      select count(i.ordinal)::int from generate_series(1, json_array_length(x.spec -> 'tiers') - 1) t
      cross join unnest(${[...ITEM_STATUSES]}::text[]) with ordinality s(status, k)
      left join every_item i on i.execution_id = x.id and i.tier = t and i.status = s.status
      group by t, k order by t, k) as real
    from batch_execution x where x.id = ${id}`.execute(db);
  const { said = null, real = [] } = rows[0] ?? {};
  if (JSON.stringify(said ?? []) !== JSON.stringify(real)) throw new Error(`tiers are ${said} and in truth ${real}`);
}

/** No more faults: whoever is dead is followed by another, whoever is paused goes on or is cancelled; then it ends. */
async function leaveInPeace(scene: Scene): Promise<void> {
  const { hiccups, draw, actor, id } = scene;
  hiccups.end();
  scene.calls.refused = 0;
  scene.live.spare();
  // As often as not by the one that had the trouble: what it lost track of, no successor finds for it.
  if (scene.live.isDead() || draw.chance(0.5)) {
    scene.live.kill();
    scene.live = await spawn(scene, null);
  }
  const { live } = scene;
  let [seen, since] = [0, performance.now()];
  for (;;) {
    const execution = await live.read(id);
    if (isFinalExecution(execution.status) && live.engine.busy === 0) break;
    if (execution.revision > seen) [seen, since] = [execution.revision, performance.now()];
    if (performance.now() > since + STANDSTILL_MS) {
      const { status, total, queued, running, retrying, pauseReason } = execution;
      throw new Error(
        `It does not end: ${JSON.stringify({ status, total, queued, running, retrying, pauseReason, busy: live.engine.busy })}`,
      );
    }
    if (execution.status === 'PAUSED') {
      const move = draw.chance(0.5) ? resumeBatchExecution : cancelBatchExecution;
      await move(live.deps, actor, { batchExecutionId: id }).catch((error: unknown) => {
        // What still ran may have ended it meanwhile.
        if (!(error instanceof InvalidStateError)) throw error;
      });
    }
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  await look(scene);
}
