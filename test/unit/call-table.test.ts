import { expect, test } from 'vitest';
import { CallTable } from '../../src/agents/threads/call-table.ts';

test('what comes late for a call does not meet the next one in its place', () => {
  const table = new CallTable<string>();
  const first = table.add('first');
  const other = table.add('other');
  expect(table.delete(first)).toBe(true);
  const second = table.add('second');
  expect([table.get(first), table.get(second), table.get(other)]).toEqual([undefined, 'second', 'other']);
  expect(table.delete(first)).toBe(false);
  expect(table.size).toBe(2);
  expect(table.all.toSorted()).toEqual(['other', 'second']);
});

test('another table finds calls by the same numbers, and has no more places than there were calls at a time', () => {
  const [here, there] = [new CallTable<number>(), new CallTable<number>()];
  const numbers = new Set<number>();
  for (let call = 0; call < 1_000; call += 1) {
    const no = here.add(call);
    numbers.add(no);
    there.set(no, call);
    expect(there.get(no)).toBe(call);
    expect([here.delete(no), there.delete(no), there.get(no)]).toEqual([true, true, undefined]);
  }
  expect(numbers.size).toBe(1_000);
  const highest = here.add(0);
  here.delete(highest);
  expect([here.size, there.size, highest % 1_024]).toEqual([0, 0, 0]);
});

test('a table that gives no numbers itself keeps no places for them', () => {
  const [here, there] = [new CallTable<number>(), new CallTable<number>()];
  const first = here.add(1);
  there.set(first, 1);
  there.delete(first);
  // Else it would give the place that the other table gives too.
  there.set(here.add(2), 2);
  const own = there.add(3);
  expect([there.get(own), there.all]).toEqual([3, [2, 3]]);
});
