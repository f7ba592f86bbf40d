import { expect, test } from 'vitest';
import { compileFilters, patternProblem } from '../../src/domain/filters.ts';
import { isMediaType, isMediaTypePattern, mediaTypeOf } from '../../src/domain/media-type.ts';
import { processorMs } from '../support/processor-time.ts';

const element = (filename: string, mediaType = 'text/plain', id = filename) => ({ id, filename, mediaType });

test('without filters everything passes, and all that are given must match', () => {
  expect(compileFilters({})(element('a.txt'))).toBe(true);
  const matches = compileFilters({ regex: '^docs/', mediaTypes: ['text/*'], elementIds: ['docs/a.md', 'docs/b.png'] });
  expect(matches(element('docs/a.md', 'text/markdown'))).toBe(true);
  expect(matches(element('docs/b.png', 'image/png'))).toBe(false);
  expect(matches(element('src/a.md', 'text/markdown', 'docs/a.md'))).toBe(false);
  expect(matches(element('docs/c.md', 'text/markdown'))).toBe(false);
});

test('an empty list takes nothing', () => {
  expect(compileFilters({ elementIds: [] })(element('a'))).toBe(false);
  expect(compileFilters({ mediaTypes: [] })(element('a'))).toBe(false);
});

test.each(['(a+)+$', '(a|a)*b', '(a*)*b', '([a-z]+)*=', '^(([a-z])+.)+[A-Z]([a-z])+$'])(
  'the catastrophic pattern %s ends at once on 100,000 characters',
  (regex) => {
    const matches = compileFilters({ regex });
    const started = processorMs();
    expect(matches(element(`${'a'.repeat(100_000)}!`))).toBe(false);
    expect(processorMs() - started).toBeLessThan(1_000);
  },
);

test('a pattern that RE2 does not know, or that is too complex, is refused with a reason', () => {
  expect(patternProblem('README\\.(md|txt)$')).toBeNull();
  expect(patternProblem('(?i)readme')).toBeNull();
  for (const pattern of ['(', 'a{2000}', '(?=a)', '(a)\\1', '[z-a]', '*'])
    expect(patternProblem(pattern), pattern).not.toBeNull();
  expect(patternProblem('.{1000}'.repeat(140))).toContain('too complex');
});

test('media types match by wildcard, without regard to case and parameters', () => {
  const cases: [string, string, boolean][] = [
    ['text/*', 'text/markdown', true],
    ['text/*', 'TEXT/HTML; charset=utf-8', true],
    ['text/*', 'textile/x', false],
    ['*/*', 'application/octet-stream', true],
    ['text/markdown', 'text/markdown;charset=utf-8', true],
    ['text/markdown', 'text/x-markdown', false],
    ['application/*', 'text/application', false],
    ['Image/SVG+xml', 'image/svg+xml', true],
  ];
  for (const [pattern, mediaType, expected] of cases) {
    expect(compileFilters({ mediaTypes: [pattern] })(element('a', mediaType)), `${pattern} ${mediaType}`).toBe(
      expected,
    );
  }
  for (const pattern of ['text/*', '*/*', 'image/svg+xml']) expect(isMediaTypePattern(pattern), pattern).toBe(true);
  for (const pattern of ['*', 'text', '*/plain', 'te*t/plain', 'text/', 'text/plain; a=b', '', '/']) {
    expect(isMediaTypePattern(pattern), pattern).toBe(false);
  }
});

test('a media type follows the extension, and a bare name has none', () => {
  expect(mediaTypeOf('docs/README.md')).toBe('text/markdown');
  expect(mediaTypeOf('a.JSON')).toBe('application/json');
  expect(mediaTypeOf('md')).toBe('application/octet-stream');
  expect(mediaTypeOf('docs.md/LICENSE')).toBe('application/octet-stream');
  expect(mediaTypeOf('LICENSE', 'text/plain')).toBe('text/plain');
  expect(['text/plain', 'text/html; charset=utf-8', 'nothing', 'a/b/c'].map(isMediaType)).toEqual([
    true,
    true,
    false,
    false,
  ]);
});
