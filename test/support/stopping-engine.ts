/**
 * A process that brings an engine into each of several states, stops it and says what is left; at its end it closes
 * the database and must end by itself.
 */
import { systemClock } from '../../src/engine/clock.ts';
import { pauseBatchExecution } from '../../src/services/pause-batch-execution.ts';
import { openInMemory } from '../../src/store/embedded.ts';
import { createLaneStore } from '../../src/store/lane-store.ts';
import { createNodePresence, SOLE_NODE } from '../../src/store/node-presence.ts';
import { openPostgres } from '../../src/store/postgres.ts';
import { countingClock } from './counting-clock.ts';
import { type Harness, startEngine } from './engine-harness.ts';
import { until } from './until.ts';

const HOUR_MS = 3_600_000;

const later = (): never => {
  throw Object.assign(new Error('later'), { transient: true, retryAfterMs: HOUR_MS });
};
const untilAborted = ({ signal }: { signal: AbortSignal }): Promise<unknown> =>
  new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));

/** Answers of flushes with failures are held back while there is a `hold`. */
interface FlushHold {
  hold: Promise<void> | null;
  held: boolean;
  /** Whether a claim was refused. */
  lost: boolean;
}

const states: Record<string, (harness: Harness, flush: FlushHold) => Promise<unknown>> = {
  finished: async (harness) =>
    await harness.ended(await harness.create(700, [({ item }) => item.ordinal, ({ previous }) => previous])),
  'retries wait': async (harness) => {
    const id = await harness.create(20, later);
    await until(async () => (await harness.read(id)).retrying === 20);
  },
  'a deadline is near': async (harness) => {
    const id = await harness.create(20, later, {}, { deadlineAt: new Date(Date.now() + HOUR_MS) });
    await until(async () => (await harness.read(id)).retrying === 20);
  },
  'calls ignore their abort': async (harness) => {
    const id = await harness.create(20, () => new Promise(() => undefined), { concurrency: 3 });
    await until(async () => (await harness.read(id)).running === 3);
  },
  paused: async (harness) => {
    const id = await harness.create(20, untilAborted, { concurrency: 3 });
    await harness.sealed(id);
    await until(async () => (await harness.read(id)).running === 3);
    await pauseBatchExecution(harness.deps, harness.actor, { batchExecutionId: id });
  },
  'starts are limited': async (harness) => {
    const tier = { rateLimit: { starts: 2, per: 'MINUTE' } } as const;
    const id = await harness.create(20, ({ item }) => item.ordinal, { concurrency: 10 }, {}, tier);
    await until(async () => (await harness.read(id)).succeeded === 2);
  },
  'a storm': async (harness) => {
    const id = await harness.create(100, () => {
      throw Object.assign(new Error('too many'), { status: 429 });
    });
    await until(async () => (await harness.read(id)).waitUntil !== null);
  },
  'the lane is lost under a flush': async (harness, flush) => {
    const { engine, db } = harness;
    const gate = Promise.withResolvers<void>();
    flush.hold = gate.promise;
    const id = await harness.create(1, later);
    await until(() => flush.held);
    // Committed, and not answered while the lane is taken away and the engine learns of that.
    const thief = createLaneStore(
      db,
      'thief',
      () => Promise.resolve(false),
      () => new Date(),
    );
    await thief.takeLane(id, 0);
    engine.wake(id);
    // Its claim is refused; from then on only the answer of the flush is open.
    await until(() => flush.lost);
    flush.hold = null;
    gate.resolve();
    await until(async () => (await harness.read(id)).retrying === 1);
  },
};

const [, , template = '', url] = process.argv;
const opened =
  url === undefined ? await openInMemory(template) : await openPostgres({ url, onIdleError: () => undefined });
const node = 'the-node';
const presence = url === undefined ? SOLE_NODE : createNodePresence(url, node, () => undefined);
await presence.start();

const timers = new Set<object>();
const clock = countingClock(systemClock, timers);
const left: Record<string, unknown> = {};
for (const [state, reach] of Object.entries(states)) {
  const flush: FlushHold = { hold: null, held: false, lost: false };
  const store = createLaneStore(
    opened.db,
    node,
    () => Promise.resolve(false),
    () => new Date(),
  );
  const harness = await startEngine(opened.db, {
    ...{ node, clock },
    store: {
      ...store,
      claim: async (...args) => {
        const answer = await store.claim(...args);
        flush.lost ||= !answer.held;
        return answer;
      },
      settle: async (...args) => {
        const answer = await store.settle(...args);
        flush.held = flush.hold !== null && args[1].failures.length > 0;
        if (flush.held) await flush.hold;
        return answer;
      },
    },
  });
  await reach(harness, flush);
  await harness.engine.stop();
  left[state] = { timers: timers.size, busy: harness.engine.busy, running: harness.engine.running };
  // What is still open is not the next state's business.
  await opened.db.deleteFrom('batchExecution').where('endedAt', 'is', null).execute();
}
await presence.stop();
await opened.close();
process.stdout.write(JSON.stringify(left));
