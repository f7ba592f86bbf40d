/** The live feed with a clock and a row of the test's own. */
import { getEventListeners } from 'node:events';
import { beforeEach, describe, expect, test } from 'vitest';
import type { Execution } from '../../src/domain/model.ts';
import { NotFoundError } from '../../src/domain/user-error.ts';
import { createExecutionPubSub } from '../../src/graphql/execution-pubsub.ts';
import { type ChangedItems, createExecutionFeed, type ExecutionFeed } from '../../src/services/execution-feed.ts';
import type { ExecutionReader } from '../../src/services/execution-reader.ts';
import { FakeFeedClock, settled } from '../support/feed-clock.ts';

const ID = 'exec_1';
const TOPIC = `batchExecution:${ID}`;
const NO_CHANGES: ChangedItems = { items: [], truncated: false };

let clock: FakeFeedClock;
let bus: ReturnType<typeof createExecutionPubSub>;
let feed: ExecutionFeed;
let row: { revision: number; status: Execution['status'] } | undefined;
let reads: number[];
let readErrors: unknown[];
/** What the next reads do instead of answering the row. */
let interceptions: (() => Promise<Execution | undefined>)[];

const snapshot = () => (row === undefined ? undefined : ({ id: ID, ...row } as Execution));
const listeners = () => getEventListeners(bus.events, TOPIC).length;
const open = (afterRevision: number | null = null, projectId = 'proj_1') =>
  feed.open({ projectId, executionId: ID, afterRevision });
const commit = (revision: number, status: Execution['status'] = 'RUNNING', ends = false) => {
  row = { revision, status };
  bus.publish(ID, revision, ends);
};

/** Everything a reader gives as it comes; `done` when it has ended. */
function follow(reader: ExecutionReader) {
  const seen = { revisions: [] as number[], since: [] as number[], done: false };
  const read = async () => {
    for await (const update of reader) {
      seen.revisions.push(update.execution.revision);
      seen.since.push(update.since);
    }
    seen.done = true;
  };
  return Object.assign(seen, { finished: read() });
}

beforeEach(() => {
  clock = new FakeFeedClock();
  bus = createExecutionPubSub();
  row = { revision: 5, status: 'RUNNING' };
  reads = [];
  readErrors = [];
  interceptions = [];
  feed = createExecutionFeed({
    events: bus.events,
    readExecution: async (projectId) => {
      reads.push(clock.now());
      const instead = interceptions.shift();
      if (instead !== undefined) return await instead();
      return projectId === 'proj_1' ? snapshot() : undefined;
    },
    readChanges: async () => NO_CHANGES,
    onReadError: (error) => readErrors.push(error),
    clock,
    times: { intervalMs: 50, floorMs: 5_000 },
  });
});

describe('a stream begins', () => {
  test('with the present state', async () => {
    const seen = follow(await open());
    await settled();
    expect(seen).toMatchObject({ revisions: [5], since: [0] });
  });

  test('with nothing when the client has the present state', async () => {
    const seen = follow(await open(5));
    await settled();
    expect(seen.revisions).toEqual([]);
    commit(6);
    await clock.pass(50);
    expect(seen).toMatchObject({ revisions: [6], since: [5] });
  });

  test('with the present state, as news of everything, when the client has a later one than there is', async () => {
    const seen = follow(await open(900));
    await settled();
    expect(seen).toMatchObject({ revisions: [5], since: [0] });
  });

  test('not at all for an unknown id or one of another project: the same error, and no listener stays', async () => {
    await expect(open(null, 'proj_2')).rejects.toThrow(NotFoundError);
    const own = await open();
    await expect(open(null, 'proj_2')).rejects.toThrow(NotFoundError);
    await own.return?.();
    row = undefined;
    await expect(open()).rejects.toThrow(NotFoundError);
    expect(listeners()).toBe(0);
    expect(feed.watched()).toBe(0);
    expect(clock.pending).toBe(0);
  });

  test('with a state that was read a moment ago, not with what another stream was given long before', async () => {
    const idle = follow(await open());
    await clock.pass(1_000);
    row = { revision: 6, status: 'RUNNING' };
    const seen = follow(await open());
    await settled();
    expect([seen.revisions, idle.revisions]).toEqual([[6], [5, 6]]);
  });

  test('with what commits while the first read is under way, after the state that this read gave', async () => {
    const late = Promise.withResolvers<Execution | undefined>();
    interceptions.push(() => late.promise);
    const opening = open();
    await settled();
    const old = snapshot();
    commit(6);
    late.resolve(old);
    const seen = follow(await opening);
    await clock.pass(50);
    expect(seen.revisions).toEqual([5, 6]);
  });

  test('after a retry was committed, not with the final state from before it', async () => {
    row = { revision: 8, status: 'FAILED' };
    await open();
    await clock.pass(60);
    const late = Promise.withResolvers<Execution | undefined>();
    interceptions.push(() => late.promise);
    const third = open();
    await settled();
    const old = snapshot();
    commit(9, 'QUEUED');
    const fourth = open().then(follow);
    late.resolve(old);
    await clock.pass(200);
    await third;
    expect(await fourth).toMatchObject({ revisions: [9], done: false });
  });
});

describe('a stream goes on', () => {
  test('with one read and one event per window, however many revisions and subscribers', async () => {
    const streams = await Promise.all(Array.from({ length: 200 }, () => open()));
    const seen = streams.map(follow);
    await settled();
    expect(reads).toHaveLength(1);
    for (let revision = 6; revision <= 3_005; revision += 1) commit(revision);
    await clock.pass(50);
    expect(reads).toHaveLength(2);
    for (const { revisions } of seen) expect(revisions).toEqual([5, 3_005]);
  });

  test('at once when the last read is a window ago, at its end when it is not', async () => {
    follow(await open());
    await clock.pass(1_000);
    commit(6);
    commit(7);
    await settled();
    commit(8);
    await clock.pass(20);
    commit(9);
    await clock.pass(100);
    expect(reads).toEqual([0, 1_000, 1_050]);
  });

  test('at once to its end, also within the window, and also when it ends during a read', async () => {
    const seen = follow(await open());
    commit(6, 'COMPLETED', true);
    await settled();
    expect(seen).toMatchObject({ revisions: [5, 6], done: true });

    row = { revision: 7, status: 'RUNNING' };
    const again = follow(await open());
    await clock.pass(50);
    const late = Promise.withResolvers<Execution | undefined>();
    interceptions.push(() => late.promise);
    commit(8);
    const old = snapshot();
    commit(9, 'COMPLETED', true);
    late.resolve(old);
    await settled();
    expect(again).toMatchObject({ revisions: [7, 8, 9], done: true });
    expect(clock.now()).toBe(50);
  });

  test('in its window after an end that no read can find', async () => {
    const seen = follow(await open());
    bus.publish(ID, 9, true);
    await clock.pass(40);
    commit(6);
    await clock.pass(100);
    expect(seen.revisions).toEqual([5, 6]);
    expect(reads).toEqual([0, 0, 50]);
  });

  test('without any event, within 5 s', async () => {
    const seen = follow(await open());
    row = { revision: 6, status: 'RUNNING' };
    await clock.pass(5_000);
    expect(seen.revisions).toEqual([5, 6]);
  });

  test('after reads that failed, tried again and again, each later than the one before', async () => {
    const seen = follow(await open());
    await clock.pass(100);
    interceptions = Array.from({ length: 3 }, () => () => Promise.reject(new Error('gone')));
    commit(6);
    await clock.pass(1_000);
    expect(reads).toEqual([0, 100, 200, 400, 800]);
    expect(readErrors).toHaveLength(3);
    expect(seen).toMatchObject({ revisions: [5, 6], done: false });
  });

  test('for each reader at its own pace: who does not ask skips to the newest state', async () => {
    const eager = follow(await open());
    const slow = await open();
    expect((await slow.next()).value?.execution.revision).toBe(5);
    for (let revision = 6; revision < 12; revision += 1) {
      commit(revision);
      await clock.pass(50);
    }
    expect(eager.revisions).toEqual([5, 6, 7, 8, 9, 10, 11]);
    expect(await slow.next()).toMatchObject({ done: false, value: { since: 5, execution: { revision: 11 } } });
  });

  test('with an event that names no revision as with one that names a newer', async () => {
    const seen = follow(await open());
    row = { revision: 6, status: 'RUNNING' };
    bus.events.dispatchEvent(new Event(TOPIC));
    await clock.pass(50);
    expect(seen.revisions).toEqual([5, 6]);
    await clock.pass(500);
    expect(reads).toHaveLength(2);
  });

  test('and reads the items changed between two states once for all streams', async () => {
    let asked = 0;
    const shared = createExecutionFeed({
      events: bus.events,
      readExecution: async () => snapshot(),
      readChanges: async () => {
        asked += 1;
        if (asked === 1) throw new Error('gone');
        return NO_CHANGES;
      },
      onReadError: () => undefined,
      clock,
      times: { intervalMs: 50, floorMs: 5_000 },
    });
    const request = { projectId: 'proj_1', executionId: ID, afterRevision: null };
    const updates = [];
    for (let stream = 0; stream < 3; stream += 1) updates.push((await (await shared.open(request)).next()).value);
    const [first, second, third] = updates;
    if (!first || !second || !third) throw new Error('No update.');
    await expect(shared.changedItems(first)).rejects.toThrow('gone');
    expect(await shared.changedItems(second)).toBe(await shared.changedItems(third));
    expect(asked).toBe(2);
    await shared.stop();
  });
});

describe('a stream ends', () => {
  test('after the final state, and its hub with it', async () => {
    const seen = follow(await open());
    await settled();
    commit(6, 'COMPLETED');
    await clock.pass(50);
    await seen.finished;
    expect(seen.revisions).toEqual([5, 6]);
    expect([listeners(), feed.watched(), clock.pending]).toEqual([0, 0, 0]);
  });

  test('at once when the client already has the final state', async () => {
    row = { revision: 6, status: 'FAILED' };
    expect(await (await open(6)).next()).toEqual({ done: true, value: undefined });
    expect(listeners()).toBe(0);
  });

  test('with the final state also for a reader that was slow to ask', async () => {
    const reader = await open();
    commit(9, 'CANCELLED');
    await clock.pass(60_000);
    expect(await reader.next()).toMatchObject({ value: { execution: { revision: 9 } } });
    expect(await reader.next()).toMatchObject({ done: true });
    expect(listeners()).toBe(0);
  });

  test('at once when the client leaves, also while it waits for the next event', async () => {
    const reader = await open();
    await reader.next();
    const waiting = [reader.next(), reader.next()];
    expect(await reader.return?.()).toEqual({ done: true, value: undefined });
    expect(await Promise.all(waiting)).toEqual([{ done: true }, { done: true }]);
    expect([listeners(), feed.watched(), clock.pending]).toEqual([0, 0, 0]);
  });

  test('when the client throws into it', async () => {
    const reader = await open();
    await expect(reader.throw?.(new Error('mine'))).rejects.toThrow('mine');
    expect(listeners()).toBe(0);
  });

  test('for one reader only: the others of the execution go on', async () => {
    const leaving = await open();
    const seen = follow(await open());
    await leaving.return?.();
    commit(6);
    await clock.pass(50);
    expect(seen.revisions).toEqual([5, 6]);
    expect(listeners()).toBe(1);
  });

  test('when the execution is no more', async () => {
    const seen = follow(await open());
    await clock.pass(100);
    row = undefined;
    bus.publish(ID, 7);
    await settled();
    expect(seen.done).toBe(true);
    expect(listeners()).toBe(0);
  });

  test('for everyone when the feed stops, which waits for the read under way', async () => {
    const seen = follow(await open());
    await clock.pass(100);
    const late = Promise.withResolvers<Execution | undefined>();
    interceptions.push(() => late.promise);
    commit(6);
    let quiet = false;
    const stopping = feed.stop().then(() => {
      quiet = true;
    });
    await settled();
    expect([seen.done, quiet, listeners()]).toEqual([true, false, 0]);
    late.resolve(undefined);
    await stopping;
    await expect(open()).rejects.toThrow('stopped');
    expect(clock.pending).toBe(0);
  });

  test('before it began when the first read fails, and the next one begins anew', async () => {
    interceptions.push(() => Promise.reject(new Error('gone')));
    await expect(open()).rejects.toThrow('gone');
    expect(listeners()).toBe(0);
    const seen = follow(await open());
    await settled();
    expect(seen.revisions).toEqual([5]);
  });
});
