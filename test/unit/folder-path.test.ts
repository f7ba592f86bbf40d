import { expect, test } from 'vitest';
import {
  folderPathProblem,
  globProblem,
  isElementPath,
  normalFolderPath,
  resolveBeside,
} from '../../src/domain/folder-path.ts';

test('a folder path stays below its root', () => {
  for (const path of ['', '.', 'docs', 'docs/', './docs//api', 'a..b', '...', 'ümlaut'])
    expect(folderPathProblem(path), path).toBeNull();
  for (const path of [
    '..',
    '../x',
    'a/../..',
    'a/..',
    '/etc',
    'C:/x',
    'a\\b',
    '\u0000',
    'a\u0000b',
    '\ud800',
    'x'.repeat(1_001),
  ]) {
    expect(folderPathProblem(path), path.slice(0, 20)).not.toBeNull();
  }
  expect(normalFolderPath('./docs//api/')).toBe('docs/api');
  expect(normalFolderPath('.')).toBe('');
});

test('a glob selects below the folder and cannot become a costly regular expression', () => {
  for (const glob of ['**', '**/*.md', 'docs/**/*.{md,txt}', '[Rr]eadme*', 'a?b.txt', 'c++/*.md', '.github/*.md']) {
    expect(globProblem(glob), glob).toBeNull();
  }
  const refused = [
    '',
    ' ',
    '/etc/*',
    '../*',
    'a/../*',
    '!a',
    'a\\*',
    '+(a|b)',
    '(a+)+',
    '[ab]+x',
    '{a,b}+',
    '*a*b*c*d*e',
    '\u0000',
  ];
  for (const glob of [...refused, '**/'.repeat(13), 'x'.repeat(501)])
    expect(globProblem(glob), glob.slice(0, 20)).not.toBeNull();
});

test('only a plain relative path can be an element id', () => {
  for (const id of ['a', 'a/b.md', ' a ', '...', '-']) expect(isElementPath(id), id).toBe(true);
  for (const id of [
    '',
    '/',
    '/a',
    'a/',
    'a//b',
    '.',
    '..',
    'a/..',
    '../a',
    './a',
    'a\\b',
    'a\u0000',
    '\udc00',
    'ü'.repeat(600),
  ]) {
    expect(isElementPath(id), id.slice(0, 20)).toBe(false);
  }
});

test('a relative link is resolved by name and never leaves the folder', () => {
  expect(resolveBeside('docs/a.md', 'b.md')).toBe('docs/b.md');
  expect(resolveBeside('docs/a.md', '../b.md')).toBe('b.md');
  expect(resolveBeside('docs/a.md', './x/../b.md')).toBe('docs/b.md');
  expect(resolveBeside('a.md', '')).toBe('');
  for (const path of ['../b.md', 'x/../../b.md', '/etc/passwd', '..', 'a\\b', 'a\u0000'])
    expect(resolveBeside('a.md', path), path).toBeNull();
});
