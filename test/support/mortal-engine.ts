/** An engine that dies at a named instant, as a process does under `kill -9`. */
import type { AgentRun } from '../../src/domain/agent-context.ts';
import { newId } from '../../src/domain/ids.ts';
import { systemClock } from '../../src/engine/clock.ts';
import type { Clock, EngineParts, LaneStore } from '../../src/engine/ports.ts';
import { createItemInputs } from '../../src/services/item-inputs.ts';
import { prepareExecution } from '../../src/services/prepare-execution.ts';
import type { Db } from '../../src/store/database.ts';
import { createLaneStore } from '../../src/store/lane-store.ts';
import { countedSources, type Harness, type HarnessOptions, startEngine } from './engine-harness.ts';

/** What an engine asks of the world, one name for each call. */
export interface PortCalls extends Omit<LaneStore, 'refusedData'> {
  prepare: EngineParts['prepare'];
  publish(executionId: string, revision: number): Promise<void>;
}

/** Where an engine dies; made by `before` and `after`. */
export interface Instant {
  readonly side: 'before' | 'after';
  readonly name: keyof PortCalls;
  when(nth: number, args: unknown, answer: unknown): boolean;
}

type ArgsOf<Name extends keyof PortCalls> = Parameters<PortCalls[Name]>;
type AnswerOf<Name extends keyof PortCalls> = Awaited<ReturnType<PortCalls[Name]>>;

/** Before a call, which then never reaches the database: the first of its name, or the first that `when` picks. */
export const before = <Name extends keyof PortCalls>(
  name: Name,
  when: (nth: number, ...args: ArgsOf<Name>) => boolean = () => true,
): Instant => ({ side: 'before', name, when: (nth, args) => when(nth, ...(args as ArgsOf<Name>)) });

/** After a call, when its work is committed and the answer is lost: the first of its name, or that `when` picks. */
export const after = <Name extends keyof PortCalls>(
  name: Name,
  when: (answer: AnswerOf<Name>, nth: number, ...args: ArgsOf<Name>) => boolean = () => true,
): Instant => ({
  ...{ side: 'after', name },
  when: (nth, args, answer) => when(answer as AnswerOf<Name>, nth, ...(args as ArgsOf<Name>)),
});

export interface MortalEngine extends Harness {
  /** Resolves when the instant has come. */
  readonly dead: Promise<void>;
  isDead(): boolean;
  /** It dies at no instant any more. */
  spare(): void;
  /** Dies now. May be repeated. */
  kill(): void;
}

const forever = <T>(): Promise<T> => new Promise<T>(() => undefined);

/**
 * Starts an engine that dies at the instant, or when it is killed.
 *
 * Dead means: from then on none of its calls reaches the database, nothing is published, no timer fires and no
 * agent of it ever answers. Every other node is dead for whoever is started next on the database.
 */
export async function startMortal(
  db: Db,
  options: HarnessOptions,
  instant: Instant | null = null,
): Promise<MortalEngine> {
  const { node = `node-${newId('Agent')}`, isAlive = () => Promise.resolve(false) } = options;
  const clock = options.clock ?? systemClock;
  const death = Promise.withResolvers<void>();
  const timers = new Set<() => void>();
  let dead = false;
  let spared = false;
  const spare = (): void => {
    spared = true;
  };
  const kill = (): void => {
    dead = true;
    for (const cancel of timers) cancel();
    timers.clear();
    death.resolve();
  };

  const hits = (side: Instant['side'], name: string, nth: number, args: unknown, answer?: unknown): boolean =>
    !spared && instant !== null && instant.side === side && instant.name === name && instant.when(nth, args, answer);
  const seen = new Map<string, number>();
  const mortal =
    <Args extends unknown[], Answer>(name: keyof PortCalls, call: (...args: Args) => Promise<Answer>) =>
    async (...args: Args): Promise<Answer> => {
      if (dead) return await forever();
      const nth = (seen.get(name) ?? 0) + 1;
      seen.set(name, nth);
      if (hits('before', name, nth, args)) kill();
      if (dead) return await forever();
      const answer = await call(...args);
      if (hits('after', name, nth, args, answer)) kill();
      return dead ? await forever() : answer;
    };

  const store = options.store ?? createLaneStore(db, node, isAlive, () => clock.now());
  const sources = countedSources();
  const inputs =
    options.inputs ??
    createItemInputs(db, { sources, fetchDocument: () => Promise.reject(new Error('nothing to fetch')) });
  const prepare = options.prepare ?? ((id: string) => prepareExecution({ db, sources, now: () => clock.now() }, id));
  const published: Harness['published'] = [];
  const harness = await startEngine(db, {
    ...options,
    node,
    store: {
      ...store,
      openExecutions: mortal('openExecutions', () => store.openExecutions()),
      openExecution: mortal('openExecution', (...args) => store.openExecution(...args)),
      takeLane: mortal('takeLane', (...args) => store.takeLane(...args)),
      claim: mortal('claim', (...args) => store.claim(...args)),
      settle: mortal('settle', (...args) => store.settle(...args)),
      releaseLane: mortal('releaseLane', (...args) => store.releaseLane(...args)),
      fenceLanes: mortal('fenceLanes', (...args) => store.fenceLanes(...args)),
      stopExecution: mortal('stopExecution', (...args) => store.stopExecution(...args)),
      noteWait: mortal('noteWait', (...args) => store.noteWait(...args)),
      noteOverdue: mortal('noteOverdue', (...args) => store.noteOverdue(...args)),
      pauseExecution: mortal('pauseExecution', (...args) => store.pauseExecution(...args)),
      closeItems: mortal('closeItems', (...args) => store.closeItems(...args)),
      previousResult: mortal('previousResult', (...args) => store.previousResult(...args)),
    },
    prepare: mortal('prepare', prepare),
    inputs: { load: async (...args) => (dead ? await forever() : await inputs.load(...args)) },
    publish: (executionId, revision, ends = false) => {
      const nth = (seen.get('publish') ?? 0) + 1;
      seen.set('publish', nth);
      if (hits('before', 'publish', nth, [executionId, revision])) kill();
      if (dead) return;
      published.push({ executionId, revision, ends });
      options.publish?.(executionId, revision, ends);
    },
    clock: mortalClock(clock, timers, () => dead),
    wrapAgent: (run) => mortalAgent(options.wrapAgent?.(run) ?? run, () => dead),
  });
  return { ...harness, published, dead: death.promise, isDead: () => dead, spare, kill };
}

function mortalClock(clock: Clock, timers: Set<() => void>, isDead: () => boolean): Clock {
  return {
    now: () => clock.now(),
    after(ms, callback) {
      if (isDead()) return () => undefined;
      const cancel = clock.after(ms, () => {
        timers.delete(cancel);
        callback();
      });
      timers.add(cancel);
      return () => {
        timers.delete(cancel);
        cancel();
      };
    },
  };
}

function mortalAgent(run: AgentRun, isDead: () => boolean): AgentRun {
  return async (context) => {
    if (isDead()) return await forever();
    try {
      const answer = await run(context);
      return isDead() ? await forever() : answer;
    } catch (error) {
      if (isDead()) return await forever();
      throw error;
    }
  };
}
