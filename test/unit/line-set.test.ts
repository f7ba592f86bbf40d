import { expect, test } from 'vitest';
import { LineSet } from '../../src/services/line-set.ts';

test('lines are told as stretches, in whatever order they came', () => {
  const lines = new LineSet();
  expect(lines.stretches).toEqual([]);
  for (const line of [9, 7, 8, 1, 100_000, 8, 65_535, 65_536]) lines.add(line);
  expect(lines.stretches).toEqual([
    [1, 1],
    [7, 9],
    [65_535, 65_536],
    [100_000, 100_000],
  ]);
});
