import { expect, test } from 'vitest';
import { Line } from '../../src/engine/line.ts';

test('who waits comes out in order, and who left does not', () => {
  const line = new Line<number>();
  const places = [1, 2, 3, 4, 5].map((value) => line.join(value));
  for (const index of [0, 2, 4]) {
    const place = places[index];
    expect(place && [line.leave(place), line.leave(place)]).toEqual([true, false]);
  }
  expect([line.all, line.size]).toEqual([[2, 4], 2]);
  line.join(6);
  expect([line.shift(), line.shift(), line.shift(), line.shift(), line.size]).toEqual([2, 4, 6, undefined, 0]);
  const [second] = places.slice(1);
  expect(second && line.leave(second)).toBe(false);
  line.join(7);
  expect(line.all).toEqual([7]);
});
