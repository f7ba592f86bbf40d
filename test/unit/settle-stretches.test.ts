import { expect, test } from 'vitest';
import type { ItemMove, ResultRow, Settlement } from '../../src/engine/ports.ts';
import { toStretches } from '../../src/store/settle-stretches.ts';
import { firstCalls } from '../support/first-calls.ts';

const range = (first: number, length: number) => Array.from({ length }, (_, index) => first + index);
const bounds = (settlement: Settlement) =>
  toStretches(settlement).stretches.map(([first, ...others]) => [first.ordinal, first.ordinal + others.length]);
const left = (settlement: Settlement) => toStretches(settlement).rest.moves.map(({ ordinal }) => ordinal);

test('items side by side are a stretch, in whatever order they ended', () => {
  const shuffled = firstCalls([14, 10, 12, 11, 13, 17, 15, 16, 30, 40]);
  expect(bounds(shuffled)).toEqual([[10, 17]]);
  expect(left(shuffled)).toEqual([30, 40]);
  expect(toStretches(shuffled).rest.results.map(({ ordinal }) => ordinal)).toEqual([30, 40]);
});

test('too few of them are none, and too many are several of about the same length', () => {
  expect(bounds(firstCalls(range(5, 7)))).toEqual([]);
  expect(bounds(firstCalls(range(5, 128)))).toEqual([[5, 132]]);
  expect(bounds(firstCalls(range(5, 130)))).toEqual([
    [5, 69],
    [70, 134],
  ]);
  expect(bounds(firstCalls([...range(0, 9), ...range(10, 8), ...range(19, 7)]))).toEqual([
    [0, 8],
    [10, 17],
  ]);
});

const OTHERS: readonly (readonly [string, Partial<ItemMove>, Partial<ResultRow>])[] = [
  ['ran before', { was: 'RUNNING' }, {}],
  ['was called before', { attempt: 2 }, { attempt: 2 }],
  ['was tried before in vain', { charged: 1 }, {}],
  ['survived a process', { deaths: 1 }, {}],
  ['has field errors', { flawed: true }, { fieldErrors: '[{}]' }],
  ['has artifacts', {}, { artifacts: '[{}]' }],
  ['has a large result', {}, { data: JSON.stringify('x'.repeat(2_000)) }],
  ['started at another time than its call', { startedAt: new Date(5) }, {}],
  ['took longer than an integer holds', { startedAt: new Date(-3e9) }, { startedAt: new Date(-3e9) }],
  ['ended before it started', { startedAt: new Date(5_000) }, { startedAt: new Date(5_000) }],
];
test.each(OTHERS)('an item that %s has a row of its own', (_, move, result) => {
  const { moves, results, ...rest } = firstCalls(range(0, 17));
  const other: Settlement = {
    ...rest,
    moves: moves.map((one) => (one.ordinal === 8 ? { ...one, ...move } : one)),
    results: results.map((one) => (one.ordinal === 8 ? { ...one, ...result } : one)),
  };
  expect(bounds(other)).toEqual([
    [0, 7],
    [9, 16],
  ]);
  expect(left(other)).toEqual([8]);
});

test('so has each of a later round, and of an execution with several tiers', () => {
  const settlement = firstCalls(range(0, 20));
  expect(bounds(settlement)).toHaveLength(1);
  expect(bounds({ ...settlement, round: 1 })).toEqual([]);
  expect(bounds({ ...settlement, tiers: 2 })).toEqual([]);
});
