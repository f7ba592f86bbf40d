import { afterEach, beforeEach, expect, test } from 'vitest';
import { inTurns } from '../../src/engine/turns.ts';

const CALLS = Array.from({ length: 200 }, (_, call) => call);

let turn = 0;
let timer: NodeJS.Immediate;
beforeEach(() => {
  const next = (): void => {
    turn += 1;
    timer = setImmediate(next);
  };
  timer = setImmediate(next);
});
afterEach(() => clearImmediate(timer));

const busy = (ms: number): void => {
  for (const end = performance.now() + ms; performance.now() < end; );
};

/** How many calls each turn of the event loop had. */
async function callsATurn(act: (call: number) => void): Promise<number[]> {
  const turns = new Map<number, number>();
  const calls: number[] = [];
  await inTurns(CALLS, (call) => {
    calls.push(call);
    turns.set(turn, (turns.get(turn) ?? 0) + 1);
    act(call);
  });
  expect(calls, 'each once, in order').toEqual(CALLS);
  return [...turns.values()];
}

test('calls that take long are spread over many turns of the event loop', async () => {
  const turns = await callsATurn(() => busy(1));
  expect(Math.max(...turns)).toBeLessThanOrEqual(50);
});

test('so are calls that only set off what takes long', async () => {
  const turns = await callsATurn(() => {
    void Promise.resolve().then(() => busy(1));
  });
  expect(Math.max(...turns)).toBeLessThanOrEqual(50);
});

test('calls that take no time need not wait for what else there is to do', async () => {
  let others = 0;
  const other = (): void => {
    others += 1;
    timer = setImmediate(other);
  };
  clearImmediate(timer);
  const done = inTurns(CALLS, () => undefined);
  timer = setImmediate(other);
  await done;
  // One, or some more where the machine did something else meanwhile; seven if each slice had a turn of its own.
  expect(others).toBeLessThanOrEqual(3);
});

test('nothing to do is done at once', async () => {
  await inTurns([], () => expect.unreachable());
});
