import { expect, test } from 'vitest';
import { runnableBlocks } from '../readme/blocks.ts';

test('blocks marked `run` are found with their line, and no others', () => {
  const text = [
    '# A',
    '```sh run',
    'npm ci',
    'npm test',
    '```',
    '```sh',
    'rm -rf /',
    '```',
    '```graphql run create',
    '{a}',
    '```',
  ];
  expect(runnableBlocks(text.join('\n'))).toEqual([
    { language: 'sh', words: [], code: 'npm ci\nnpm test', line: 2 },
    { language: 'graphql', words: ['create'], code: '{a}', line: 9 },
  ]);
});
