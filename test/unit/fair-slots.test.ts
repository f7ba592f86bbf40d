import { expect, test } from 'vitest';
import { FairSlots, type SlotWait } from '../../src/engine/fair-slots.ts';

const waitOf = (slot: true | SlotWait): SlotWait => {
  if (slot === true) throw new Error('got a slot at once');
  return slot;
};

test('up to the ceiling everyone gets a slot at once', () => {
  const slots = new FairSlots(3);
  expect([slots.take('a', () => 1), slots.take('a', () => 1), slots.take('b', () => 1)]).toEqual([true, true, true]);
  expect(slots.take('c', () => 1)).not.toBe(true);
  expect(slots.running).toBe(3);
});

test('slots that come free go to the execution that has the least', async () => {
  const slots = new FairSlots(10);
  for (let n = 0; n < 10; n += 1) slots.take('large', () => 1);
  const order: string[] = [];
  const wait = (id: string) => void waitOf(slots.take(id, () => 1)).granted.then(() => order.push(id));
  for (let n = 0; n < 10; n += 1) wait('large');
  for (let n = 0; n < 6; n += 1) wait('small');
  for (let n = 0; n < 8; n += 1) {
    slots.give('large');
    await Promise.resolve();
  }
  // The small one first, until both have the same.
  expect(order).toEqual(['small', 'small', 'small', 'small', 'small', 'large', 'large', 'large']);
  expect(slots.running).toBe(10);
});

test('a weight of two is worth two of weight one', async () => {
  const slots = new FairSlots(9);
  for (let n = 0; n < 9; n += 1) slots.take('first', () => 1);
  const got = { heavy: 0, light: 0 };
  for (let n = 0; n < 9; n += 1) {
    void waitOf(slots.take('heavy', () => 2)).granted.then(() => (got.heavy += 1));
    void waitOf(slots.take('light', () => 1)).granted.then(() => (got.light += 1));
  }
  for (let n = 0; n < 9; n += 1) slots.give('first');
  await new Promise((resolve) => setImmediate(resolve));
  expect(got).toEqual({ heavy: 6, light: 3 });
});

test('a changed weight counts for those that wait already, not only from their next slot on', async () => {
  const slots = new FairSlots(6);
  const weights = { light: 1 / 32, other: 1 };
  const order: string[] = [];
  const take = (id: keyof typeof weights) => slots.take(id, () => weights[id]);
  const wait = (id: keyof typeof weights) => void waitOf(take(id)).granted.then(() => order.push(id));
  expect(take('light')).toBe(true);
  for (let n = 0; n < 5; n += 1) expect(take('other')).toBe(true);
  for (let n = 0; n < 3; n += 1) {
    wait('light');
    wait('other');
  }
  slots.give('other');
  await Promise.resolve();
  // None of its own calls ends; what it is worth now is known all the same.
  weights.light = 32;
  for (let n = 0; n < 3; n += 1) {
    slots.give('other');
    await Promise.resolve();
  }
  expect(order).toEqual(['other', 'light', 'light', 'light']);
});

test('a wait that is cancelled again does not take those that came after it along', async () => {
  const slots = new FairSlots(1);
  slots.take('a', () => 1);
  const first = waitOf(slots.take('b', () => 1));
  first.cancel();
  const second = waitOf(slots.take('b', () => 1));
  first.cancel();
  slots.give('a');
  expect([await first.granted, await second.granted]).toEqual([false, true]);
});

test('a cancelled wait takes no slot', async () => {
  const slots = new FairSlots(1);
  slots.take('a', () => 1);
  const first = waitOf(slots.take('b', () => 1));
  const second = waitOf(slots.take('b', () => 1));
  first.cancel();
  expect(await first.granted).toBe(false);
  slots.give('a');
  expect(await second.granted).toBe(true);
  expect(slots.running).toBe(1);
  second.cancel();
  slots.give('b');
  expect(slots.running).toBe(0);
});

test('beside others a large execution leaves a twentieth to those that have less; alone it has all', async () => {
  const slots = new FairSlots(100);
  const take = (id: string) => slots.take(id, () => 1);
  const takeMany = (id: string, count: number) => Array.from({ length: count }, () => take(id));
  expect(takeMany('large', 100).every((slot) => slot === true)).toBe(true);
  const others = takeMany('large', 20).map(waitOf);
  const second = take('second');
  // What is given back beside another goes to that one, and then to none of the large one's own until five are free.
  for (let n = 0; n < 6; n += 1) slots.give('large');
  expect(await waitOf(second).granted).toBe(true);
  expect(slots.running).toBe(95);
  expect(takeMany('small', 5).every((slot) => slot === true)).toBe(true);
  expect(slots.running).toBe(100);
  for (let n = 0; n < 5; n += 1) slots.give('small');
  expect(slots.running).toBe(95);
  slots.give('large');
  expect(await others[0]?.granted).toBe(true);
  expect(slots.running).toBe(95);
  // The other is gone: the five are free, and the slot of its own.
  slots.give('second');
  expect(slots.running).toBe(100);
  expect(await Promise.all(others.slice(1, 7).map(({ granted }) => granted))).toEqual(Array(6).fill(true));
});
