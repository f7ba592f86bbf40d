import { expect, test } from 'vitest';
import { itemError } from '../../src/domain/item-error.ts';
import { type LaneItem, toFailed, toLaneItem, toReturned, toRunning, toSucceeded } from '../../src/engine/lane-item.ts';
import type { Clock, LaneStore, SettleAnswer, Settlement } from '../../src/engine/ports.ts';
import { FLUSH_MAX, Recorder } from '../../src/engine/recorder.ts';

const AT = new Date(0);
const LANE = { executionId: 'exec', no: 0, epoch: 1 };
const HELD: SettleAnswer = { held: true, status: 'RUNNING', closing: false, refused: [], revision: 2, spent: false };

const item = (ordinal: number): LaneItem => ({
  ...toLaneItem({ ordinal, status: 'QUEUED', tier: 0, attempt: 1, charged: 0, deaths: 0, startedAt: AT }),
  calledAt: AT,
});
const result = (ordinal: number, data = '1') => ({
  result: {
    ...{ ordinal, tier: 0, attempt: 1, data, fieldErrors: null, artifacts: null, contentHash: null },
    ...{ startedAt: AT, at: AT, score: null, usage: null },
  },
});

const soon: Clock['after'] = (_ms, callback) => {
  const timer = setImmediate(callback);
  return () => clearImmediate(timer);
};

/** A recorder over a store of the test's own; its timers run at once unless `after` says otherwise. */
function recorderOver(settle: (settlement: Settlement) => Promise<SettleAnswer>, after: Clock['after'] = soon) {
  const written: [number, string][] = [];
  const broken: unknown[] = [];
  const clock: Clock = { now: () => AT, after };
  const store = {
    settle: (_lane: unknown, settlement: Settlement) => settle(settlement),
    refusedData: (error: unknown) => error === 'refused',
  };
  const log = { info: () => undefined, warn: () => undefined, error: () => undefined, debug: () => undefined };
  const recorder = new Recorder(
    { store: store as unknown as LaneStore, clock, log },
    LANE,
    { round: 0, tiers: 1 },
    {
      answered: () => undefined,
      written: ({ ordinal }, move) => void written.push([ordinal, move.to]),
      broken: (error) => void broken.push(error),
    },
  );
  return { recorder, written, broken };
}

test('outcomes that gather during a flush go into the next one together', async () => {
  const flushes: number[] = [];
  const gate = Promise.withResolvers<void>();
  const { recorder } = recorderOver(async ({ moves }) => {
    flushes.push(moves.length);
    if (flushes.length === 1) await gate.promise;
    return HELD;
  });
  recorder.stage(item(0), toSucceeded(item(0), AT, false), result(0));
  await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
  expect(flushes).toEqual([1]);
  for (let n = 1; n <= FLUSH_MAX + 200; n += 1) recorder.stage(item(n), toSucceeded(item(n), AT, false), result(n));
  gate.resolve();
  await recorder.flushed();
  expect(flushes).toEqual([1, FLUSH_MAX, 200]);
});

test('a start and its outcome between two flushes are one move, from the status that the database has', async () => {
  const seen: Settlement[] = [];
  const { recorder } = recorderOver(async (settlement) => {
    seen.push(settlement);
    return HELD;
  });
  const one = item(3);
  recorder.stage(one, toRunning(one));
  recorder.stage(one, toSucceeded(one, AT, false), result(3));
  await recorder.flushed();
  expect(seen.map(({ moves }) => moves.map(({ was, to }) => `${was}>${to}`))).toEqual([['QUEUED>SUCCEEDED']]);
  expect(one.recorded).toBe('SUCCEEDED');
});

test('an interrupted item that was never seen running is not written at all', async () => {
  let flushes = 0;
  const { recorder, written } = recorderOver(async () => {
    flushes += 1;
    return HELD;
  });
  const one = item(1);
  recorder.stage(one, toRunning(one));
  recorder.stage(one, toReturned(one));
  await recorder.flushed();
  expect(flushes).toBe(0);
  expect(written).toEqual([[1, 'QUEUED']]);
});

test('a flush that the connection loses is written again, whole', async () => {
  let tries = 0;
  const { recorder, written } = recorderOver(async () => {
    tries += 1;
    if (tries < 4) throw new Error('connection lost');
    return HELD;
  });
  recorder.stage(item(0), toSucceeded(item(0), AT, false), result(0));
  await recorder.flushed();
  expect(tries).toBe(4);
  expect(written).toEqual([[0, 'SUCCEEDED']]);
});

test('refused data fails its item alone, and the rest is written', async () => {
  const { recorder, written } = recorderOver(async ({ results }) => {
    if (results.some(({ data }) => data === 'bad')) throw 'refused';
    return HELD;
  });
  for (let n = 0; n < 100; n += 1)
    recorder.stage(item(n), toSucceeded(item(n), AT, false), result(n, n === 42 ? 'bad' : '1'));
  await recorder.flushed();
  expect(written.length).toBe(100);
  expect(written.filter(([, to]) => to === 'FAILED')).toEqual([[42, 'FAILED']]);
});

test('a move without data that is refused breaks the lane instead of blocking it', async () => {
  const { recorder, broken } = recorderOver(() => Promise.reject('refused'));
  recorder.stage(item(0), toFailed(item(0), AT, itemError('RUNTIME', 'x', 'y')));
  await recorder.flushed();
  expect(broken.length).toBe(1);
  // It takes nothing more, and nobody waits for it.
  recorder.stage(item(1), toRunning(item(1)));
  await recorder.flushed();
  await recorder.room();
});

test('an item whose failure is refused too breaks the lane instead of being failed for ever', async () => {
  let tries = 0;
  const { recorder, broken } = recorderOver(() => {
    tries += 1;
    // Ends the loop that this test is about: it would starve every timer.
    if (tries > 5) throw new Error('too often');
    return Promise.reject('refused');
  });
  recorder.stage(item(0), toSucceeded(item(0), AT, false), result(0));
  await recorder.flushed();
  expect(broken.length).toBe(1);
  expect(tries).toBe(2);
});

test('a lost lane writes no more', async () => {
  let flushes = 0;
  const { recorder } = recorderOver(async () => {
    flushes += 1;
    return { ...HELD, held: false, revision: null };
  });
  recorder.stage(item(0), toSucceeded(item(0), AT, false), result(0));
  await recorder.flushed();
  recorder.stage(item(1), toSucceeded(item(1), AT, false), result(1));
  await recorder.flushed();
  expect(flushes).toBe(1);
});

test('there is no room while a whole flush waits', async () => {
  const gate = Promise.withResolvers<void>();
  const { recorder } = recorderOver(async () => {
    await gate.promise;
    return HELD;
  });
  for (let n = 0; n < FLUSH_MAX + 1; n += 1) recorder.stage(item(n), toSucceeded(item(n), AT, false), result(n));
  let room = false;
  const waiting = recorder.room().then(() => {
    room = true;
  });
  expect(room).toBe(false);
  gate.resolve();
  await waiting;
  await recorder.flushed();
  expect(room).toBe(true);
});

test('a flush is bounded by the text it carries, and there is no room while so much waits', async () => {
  const sizes: number[] = [];
  const { recorder } = recorderOver(async ({ results }) => {
    sizes.push(results.reduce((sum, { data }) => sum + data.length, 0));
    return HELD;
  });
  const data = 'x'.repeat(3_000_000);
  for (let n = 0; n < 6; n += 1) recorder.stage(item(n), toSucceeded(item(n), AT, false), result(n, data));
  let room = false;
  const waiting = recorder.room().then(() => {
    room = true;
  });
  expect(room).toBe(false);
  await recorder.flushed();
  await waiting;
  expect(sizes).toEqual([6_000_000, 6_000_000, 6_000_000]);
  const alone = 'x'.repeat(9_000_000);
  recorder.stage(item(9), toSucceeded(item(9), AT, false), result(9, alone));
  await recorder.flushed();
  expect(sizes.at(-1)).toBe(9_000_000);
});

test('a start is waited for until its own flush, and no longer for others', async () => {
  const gates: (() => void)[] = [];
  const { recorder } = recorderOver(async () => {
    await new Promise<void>((resolve) => gates.push(resolve));
    return HELD;
  });
  const flushed = async (n: number): Promise<void> => {
    while (gates.length < n) await new Promise((resolve) => setImmediate(resolve));
  };
  const one = { ...item(0), recorded: 'RUNNING' as const };
  recorder.stage(one, toReturned(one));
  await flushed(1);
  recorder.stage(one, toRunning(one));
  let started = false;
  const start = recorder.written(one).then(() => {
    started = true;
  });
  // The flush that is answered here took along what was staged of the item before.
  gates[0]?.();
  await flushed(2);
  expect(started).toBe(false);
  recorder.stage(item(1), toSucceeded(item(1), AT, false), result(1));
  gates[1]?.();
  await start;
  await flushed(3);
  gates[2]?.();
  await recorder.flushed();
});

test('whoever waits for a start is let go when the lane is lost', async () => {
  const { recorder } = recorderOver(() => new Promise(() => undefined));
  const one = item(0);
  recorder.stage(one, toRunning(one));
  const start = recorder.written(one);
  recorder.lose();
  await expect(start).resolves.toBeUndefined();
});

test('where many calls begin, those whose outcome follows are written once; who still runs is told in the end', async () => {
  const seen: string[] = [];
  const waits: { ms: number; pass: () => void }[] = [];
  const { recorder } = recorderOver(
    async ({ moves }) => {
      for (const { was, to } of moves) seen.push(`${was}>${to}`);
      return HELD;
    },
    (ms, pass) => {
      waits.push({ ms, pass });
      return () => undefined;
    },
  );
  const items = Array.from({ length: 100 }, (_, ordinal) => item(ordinal));
  for (const one of items) recorder.begin(one);
  for (const one of items.slice(0, 60)) recorder.stage(one, toSucceeded(one, AT, false), result(one.ordinal));
  while (seen.length < 60) await new Promise((resolve) => setImmediate(resolve));
  // The first look is due when the first start may be told of alone; then so many wait that they wait on.
  expect(waits.map(({ ms }) => ms)).toEqual([10]);
  waits[0]?.pass();
  expect(waits.map(({ ms }) => ms)).toEqual([10, 125]);
  expect(new Set(seen)).toEqual(new Set(['QUEUED>SUCCEEDED']));
  waits[1]?.pass();
  while (seen.length < 100) await new Promise((resolve) => setImmediate(resolve));
  expect(seen.slice(60)).toEqual(Array.from({ length: 40 }, () => 'QUEUED>RUNNING'));
  expect(items.slice(60).every(({ recorded }) => recorded === 'RUNNING')).toBe(true);
  expect(waits).toHaveLength(2);
});

test('whoever closes an execution is told of all that runs first', async () => {
  const seen: string[] = [];
  const { recorder } = recorderOver(
    async ({ moves }) => {
      for (const { to } of moves) seen.push(to);
      return HELD;
    },
    () => () => undefined,
  );
  for (let n = 0; n < 100; n += 1) recorder.begin(item(n));
  await recorder.flushed();
  expect(seen).toEqual(Array.from({ length: 100 }, () => 'RUNNING'));
});

test('a few starts go with the outcome of another item', async () => {
  const flushes: string[][] = [];
  const { recorder } = recorderOver(async ({ moves }) => {
    flushes.push(moves.map(({ ordinal, to }) => `${ordinal} ${to}`));
    return HELD;
  });
  const [one, other] = [item(0), item(1)];
  recorder.begin(one);
  recorder.stage(other, toSucceeded(other, AT, false), result(1));
  await recorder.written(other);
  expect(flushes).toEqual([['1 SUCCEEDED', '0 RUNNING']]);
});
