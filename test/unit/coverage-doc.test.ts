import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { buildSchema } from '../../src/graphql/schema.ts';
import { coverageProblems } from '../support/coverage-table.ts';

const ROOT = path.join(import.meta.dirname, '..', '..');
const DOC = readFileSync(path.join(ROOT, 'docs', 'coverage.md'), 'utf8');
const schema = buildSchema();

function fileText(name: string): string | null {
  const file = path.join(ROOT, name);
  return existsSync(file) ? readFileSync(file, 'utf8') : null;
}

test('docs/coverage.md has every row, and each names tests and parts of the schema that there are', () => {
  expect(coverageProblems(DOC, { fileText, schema })).toEqual([]);
});

test('a test that is renamed, moved or gone, and a name that left the schema, are told of by their row', () => {
  const renamed = (text: string | null) =>
    text?.replace('delays grow by the factor up to the cap', 'delays grow') ?? null;
  const moved = (name: string) => (name === 'test/unit/usage.test.ts' ? null : renamed(fileText(name)));
  const wrong = DOC.replace('`BatchItem.nextAttemptAt`', '`BatchItem.nextTryAt`')
    .replace('`retryFailedItems(tierNums, maxRetryCount)`', '`retryFailedItems(tiers)`')
    .replace('"every one of …"', '"every second of …"');
  expect(coverageProblems(wrong, { fileText: moved, schema })).toEqual([
    'row 21: not in the schema: BatchItem.nextTryAt',
    'row 21: no test in test/unit/retry-policy.test.ts is called: delays grow by the factor up to the cap',
    'row 27: no test in test/fault/random-schedules.test.ts is called: every second of …',
    'row 34: no argument tiers: retryFailedItems(tiers)',
    'row 42: no such file: test/unit/usage.test.ts',
  ]);
});

test('a row that is missing, without proof, without reason or of another state is told of', () => {
  const lines = DOC.split('\n').filter((line) => !line.startsWith('| 3 |'));
  const cut = lines
    .map((line) => (line.startsWith('| 7 |') ? line.replace(/`test[^`]*`/g, 'Surely.') : line))
    .map((line) => (line.startsWith('| 67 |') ? '| 67 | Schedules | later issue | | |' : line))
    .map((line) => (line.startsWith('| 68 |') ? line.replace('| done |', '| nearly |') : line))
    .join('\n');
  expect(coverageProblems(cut, { fileText, schema })).toEqual([
    'row 7: done, and no test proves it',
    'row 67: later issue, and no reason',
    'row 68: no such state: nearly',
    'row 68: nearly, and no reason',
    expect.stringMatching(/^the rows are not 1 to 80: 1,2,4,/),
  ]);
});
