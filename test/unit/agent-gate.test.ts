import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { itemError } from '../../src/domain/item-error.ts';
import { AgentGate, AgentGates } from '../../src/engine/agent-gate.ts';
import type { AttemptEnd } from '../../src/engine/attempt.ts';
import { systemClock } from '../../src/engine/clock.ts';

const result: AttemptEnd = {
  kind: 'result',
  result: { data: '1', fieldErrors: null, artifacts: null, score: null, usage: null },
};
const fault: AttemptEnd = { kind: 'error', error: itemError('NETWORK', 'ECONNREFUSED', 'no') };
const timeout: AttemptEnd = { kind: 'error', error: itemError('TIMEOUT', 'timeout', 'late') };
const answer = (end: AttemptEnd) => () => Promise.resolve(end);

beforeEach(() => {
  vi.useFakeTimers({ now: 1_000_000 });
});
afterEach(() => {
  vi.useRealTimers();
});

/** A call as a lane makes it: watched only where it has to be. */
async function made(gate: AgentGate, end: AttemptEnd): Promise<AttemptEnd | null> {
  if (!gate.isCalm) return await gate.watch(answer(end));
  await gate.heed(end);
  return end;
}

async function storm(): Promise<AgentGate> {
  const gate = new AgentGate(systemClock, null);
  for (let n = 0; n < 20; n += 1) await gate.watch(answer(fault));
  expect(gate.stormSince).not.toBeNull();
  return gate;
}

test('faults in most of twenty calls are a storm, in half of them none', async () => {
  const calm = new AgentGate(systemClock, null);
  for (let n = 0; n < 40; n += 1) await calm.watch(answer(n % 2 === 0 ? fault : result));
  expect(calm.stormSince).toBeNull();
  const gate = await storm();
  expect(gate.parkedUntil?.getTime()).toBe(1_001_000);
  expect(await gate.watch(answer(result))).toBeNull();
});

test('after a calm in which no call was watched, faults are a storm as ever', async () => {
  const gate = new AgentGate(systemClock, null);
  for (let n = 0; n < 100; n += 1) expect(await made(gate, result)).toBe(result);
  expect(gate.isCalm).toBe(true);
  expect(gate.heed(result)).toBeNull();
  for (let n = 0; n < 20; n += 1) await made(gate, fault);
  expect(gate.stormSince).not.toBeNull();
  expect(gate.isCalm).toBe(false);
});

test('errors that are no fault of the connection are no storm', async () => {
  const gate = new AgentGate(systemClock, null);
  const own: AttemptEnd = { kind: 'error', error: itemError('VALIDATION', 'bad', 'bad') };
  for (let n = 0; n < 100; n += 1) await gate.watch(answer(own));
  expect(gate.stormSince).toBeNull();
});

test('one call tries at a time; the others are parked meanwhile and not made', async () => {
  const gate = await storm();
  vi.setSystemTime(1_001_500);
  expect(gate.parkedUntil).toBeNull();
  const trial = Promise.withResolvers<AttemptEnd>();
  const trying = gate.watch(() => trial.promise);
  expect(gate.parkedUntil?.getTime()).toBeGreaterThan(1_001_500);
  let made = false;
  expect(
    await gate.watch(() => {
      made = true;
      return Promise.resolve(result);
    }),
  ).toBeNull();
  expect(made).toBe(false);
  trial.resolve(result);
  expect(await trying).toBe(result);
  expect(gate.stormSince).toBeNull();
  expect(gate.parkedUntil).toBeNull();
});

test('a trial that times out or is interrupted says nothing: the storm goes on, with a longer pause', async () => {
  for (const end of [timeout, { kind: 'interrupted' } as const]) {
    vi.setSystemTime(1_000_000);
    const gate = await storm();
    vi.setSystemTime(1_001_500);
    expect(await gate.watch(answer(end))).toBe(end);
    expect(gate.stormSince).not.toBeNull();
    expect(gate.parkedUntil?.getTime()).toBe(1_003_500);
  }
});

test('a storm charges nobody, but only for so long', async () => {
  const gate = await storm();
  expect(gate.parkedMs('NETWORK', new Date(1_000_400), 60_000)).toBe(600);
  expect(gate.parkedMs('VALIDATION', new Date(1_000_400), 60_000)).toBeNull();
  expect(gate.parkedMs('NETWORK', new Date(1_061_000), 60_000)).toBeNull();
});

test('starts come in the order they were asked for, and one that gave up leaves none behind', async () => {
  const gate = new AgentGate(systemClock, { starts: 1, per: 'SECOND' });
  const got: number[] = [];
  const ask = (n: number) => {
    const start = gate.nextStart();
    void start?.granted.then((granted) => granted && got.push(n));
    return start;
  };
  ask(0);
  const given = Array.from({ length: 50 }, (_, n) => ask(n + 1));
  await vi.advanceTimersByTimeAsync(0);
  expect(got).toEqual([0]);
  for (const start of given) start?.cancel();
  ask(51);
  ask(52);
  // Fifty starts that nobody wants any more would take as many seconds.
  await vi.advanceTimersByTimeAsync(2_100);
  expect(got).toEqual([0, 51, 52]);
});

test('no minute sees more starts than the limit, wherever it begins, and all minutes are used', async () => {
  const gate = new AgentGate(systemClock, { starts: 3, per: 'MINUTE' });
  const began = Date.now();
  const starts: number[] = [];
  const ask = () => void gate.nextStart()?.granted.then((granted) => granted && starts.push(Date.now() - began));
  ask();
  await vi.advanceTimersByTimeAsync(50_000);
  for (let n = 0; n < 7; n += 1) ask();
  await vi.advanceTimersByTimeAsync(200_000);
  expect(starts.slice(0, 4)).toEqual([0, 50_000, 50_000, 60_000]);
  const inMinuteTo = (end: number) => starts.filter((at) => at > end - 60_000 && at <= end).length;
  expect(Math.max(...starts.map(inMinuteTo))).toBe(3);
  // Eight at three a minute.
  expect([starts.length, starts.at(-1)]).toEqual([8, 170_000]);
});

test('executions share a gate by agent and limit', () => {
  const gates = new AgentGates(systemClock);
  const limit = { starts: 5, per: 'SECOND' } as const;
  expect(gates.of('a', limit)).toBe(gates.of('a', { ...limit }));
  expect(gates.of('a', limit)).not.toBe(gates.of('b', limit));
  expect(gates.of('a', null)).not.toBe(gates.of('a', limit));
});

test('a gate that no lane uses is forgotten, but not before its rate limit is', () => {
  const gates = new AgentGates(systemClock);
  const limit = { starts: 1, per: 'MINUTE' } as const;
  const began = Date.now();
  const used = gates.of('used', null);
  const limited = gates.of('limited', limit);
  for (let n = 0; n < 100; n += 1) {
    gates.of(`agent-${n}`, null);
    gates.leave(`agent-${n}`, null);
  }
  gates.leave('limited', limit);
  vi.setSystemTime(began + 60_000);
  expect(gates.of('limited', limit)).toBe(limited);
  gates.leave('limited', limit);
  vi.setSystemTime(began + 121_000);
  expect(gates.of('used', null)).toBe(used);
  expect(gates.size).toBe(2);
  vi.setSystemTime(began + 200_000);
  expect(gates.of('limited', limit)).not.toBe(limited);
});
