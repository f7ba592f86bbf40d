import { expect, test } from 'vitest';
import { type LaneItem, toLaneItem } from '../../src/engine/lane-item.ts';
import { UnsaidStarts } from '../../src/engine/unsaid-starts.ts';

const begin = (starts: UnsaidStarts, count: number): LaneItem[] =>
  Array.from({ length: count }, (_, ordinal) => {
    const claim = { ordinal, status: 'QUEUED', tier: 0, attempt: 1, charged: 0, deaths: 0, startedAt: null } as const;
    const item = toLaneItem(claim);
    starts.add(item);
    return item;
  });
const deleteAll = (starts: UnsaidStarts, items: readonly LaneItem[]): void => {
  for (const item of items) starts.delete(item);
};

test('few starts are due after a moment, all of them', () => {
  const starts = new UnsaidStarts();
  expect(starts.waitMs).toBeNull();
  const items = begin(starts, 3);
  expect(starts.waitMs).toBe(10);
  expect(starts.due()).toEqual(items);
  deleteAll(starts, items);
  expect(starts.waitMs).toBeNull();
  expect(starts.due()).toEqual([]);
});

test('of many starts those are due that were there at the look before, and whose items still run', () => {
  const starts = new UnsaidStarts();
  const first = begin(starts, 50);
  expect(starts.waitMs).toBe(125);
  expect(starts.due()).toEqual([]);
  const second = begin(starts, 50);
  deleteAll(starts, first.slice(0, 40));
  expect(starts.due()).toEqual(first.slice(40));
  deleteAll(starts, first.slice(40));
  expect(starts.all()).toEqual(second);
  expect(starts.due()).toEqual(second);
});

test('once few are left of many, they are due with the others', () => {
  const starts = new UnsaidStarts();
  const first = begin(starts, 50);
  starts.due();
  const second = begin(starts, 5);
  deleteAll(starts, first.slice(3));
  expect(starts.isFew).toBe(true);
  expect(starts.due()).toEqual([...first.slice(0, 3), ...second]);
});

test('a start is deleted once, however often that is asked', () => {
  const starts = new UnsaidStarts();
  const [one] = begin(starts, 30);
  if (one === undefined) return expect.unreachable();
  for (let times = 0; times < 20; times += 1) starts.delete(one);
  expect(starts.isFew).toBe(false);
  starts.tidy();
  expect(starts.all()).toHaveLength(29);
});
