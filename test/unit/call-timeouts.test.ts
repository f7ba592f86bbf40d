import { expect, test } from 'vitest';
import { CallTimeouts } from '../../src/engine/call-timeouts.ts';
import type { Clock } from '../../src/engine/ports.ts';
import { settled } from '../support/feed-clock.ts';

/** A clock that shows what it is told to, and timers that go off when they are told to. */
function clockOf() {
  const timers: { readonly ms: number; readonly callback: () => void }[] = [];
  let now = new Date(0);
  const clock: Clock = {
    now: () => now,
    after: (ms, callback) => {
      const timer = { ms, callback };
      timers.push(timer);
      return () => {
        if (timers.includes(timer)) timers.splice(timers.indexOf(timer), 1);
      };
    },
  };
  const show = (ms: number) => {
    now = new Date(ms);
  };
  return { timers, timeouts: new CallTimeouts(clock, 5_000), show };
}

const timed: number[] = [];
const call = (no: number) => ({ timeOut: (ms: number) => void timed.push(no, ms) });

test('calls that begin together share a timer, which tells those that go on', async () => {
  const { timers, timeouts } = clockOf();
  const shared = timeouts.begin();
  const places = [1, 2, 3].map((no) => timeouts.begin().join(call(no)));
  expect(timers.map(({ ms }) => ms)).toEqual([5_000]);
  await settled();
  shared.leave(places[1] ?? -1);
  timers[0]?.callback();
  expect(timed.splice(0)).toEqual([1, 5_000, 3, 5_000]);
});

test('a call that begins at another instant, or in a later turn of the same, has its whole time', async () => {
  const { timers, timeouts, show } = clockOf();
  timeouts.begin().join(call(1));
  show(1);
  timeouts.begin().join(call(2));
  expect(timers).toHaveLength(2);
  await settled();
  timeouts.begin().join(call(3));
  expect(timers).toHaveLength(3);
  timers[2]?.callback();
  expect(timed.splice(0)).toEqual([3, 5_000]);
});

test('a call does not join a timer that has gone off in the turn in which it was set', () => {
  const { timers, timeouts } = clockOf();
  timeouts.begin().join(call(1));
  timers[0]?.callback();
  timeouts.begin().join(call(2));
  timers[1]?.callback();
  expect(timed.splice(0)).toEqual([1, 5_000, 2, 5_000]);
});

test('no timer is left when all calls have ended, also where they end in the turn in which they begin', async () => {
  const { timers, timeouts, show } = clockOf();
  const first = timeouts.begin();
  first.leave(first.join(call(1)));
  const again = timeouts.begin();
  expect(again).toBe(first);
  const place = again.join(call(2));
  show(1);
  const other = timeouts.begin();
  other.leave(other.join(call(3)));
  await settled();
  expect(timers).toHaveLength(1);
  again.leave(place);
  expect(timers).toEqual([]);
});
