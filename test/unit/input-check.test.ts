import { expect, test } from 'vitest';
import { inputIssues } from '../../src/graphql/input-check.ts';

const nested = (depth: number): unknown => {
  let value: unknown = 1;
  for (let level = 0; level < depth; level += 1) value = [value];
  return value;
};

test('ordinary input has no issues, whatever characters it holds', () => {
  const text = 'ä 😀 \\u0000 \n';
  expect(inputIssues({ input: { text, at: new Date(), list: [1, true, null, undefined, { [text]: 2 }] } })).toEqual([]);
});

test('every place that cannot be stored is named, in the order of the input', () => {
  const issues = inputIssues({ input: { a: 'x\u0000', b: [{ c: 'fine' }, { c: '\ud83d' }], ['k\u0000']: 1 } });
  expect(issues.map(({ loc, type }) => [loc, type])).toEqual([
    [['input', 'a'], 'nul_character'],
    [['input', 'b', '1', 'c'], 'lone_surrogate'],
    [['input', 'k\ufffd'], 'nul_character'],
  ]);
});

test('a value that nests a million levels deep is one issue and no stack overflow', () => {
  expect(inputIssues({ input: nested(1_000_000) }).map(({ type }) => type)).toEqual(['too_deep']);
});

test('at most 50 issues are listed', () => {
  expect(inputIssues({ input: Array.from({ length: 1_000 }, () => '\u0000') })).toHaveLength(50);
});
