import { expect, test } from 'vitest';
import agent from '../../src/agents/built-in/document-report.ts';
import type { AgentResult, ContextWith } from '../../src/agents/contract.ts';
import { classifyThrown } from '../../src/domain/item-error.ts';
import { processorMs } from '../support/processor-time.ts';

interface Options {
  readonly mediaType?: string;
  readonly format?: 'auto' | 'markdown' | 'text';
  /** Paths beside the document that exist; those that start with `..` are unknown. */
  readonly files?: readonly string[];
}

/** What the agent makes of a document. The item has only what the agent looks at. */
async function report(content: string | Uint8Array, { mediaType = 'text/markdown', format, files = [] }: Options = {}) {
  const item = {
    mediaType,
    bytes: () => Promise.resolve(Buffer.from(content)),
    exists: (path: string) => Promise.resolve(path.startsWith('..') ? null : files.includes(path)),
  };
  const context = { item, config: format === undefined ? {} : { format } };
  const { data, fieldErrors } = (await agent.run(
    context as unknown as ContextWith<{ format?: 'auto' }>,
  )) as AgentResult;
  return { data: data as Record<string, never>, fieldErrors: fieldErrors ?? [] };
}

const errorOf = (content: string | Uint8Array) =>
  report(content).then(null, (thrown: unknown) => classifyThrown(thrown));

test('words, sentences and reading ease are those of the prose, without code and markup', async () => {
  const { data } = await report(
    '# The cat\n\nThe cat sat on the mat. It was *very* `happy`.\n\n```js\nconst not = "counted";\n```\n',
  );
  expect(data).toMatchObject({ title: 'The cat', words: 12, sentences: 3, codeLanguages: { js: 1 } });
  // 206.835 - 1.015 * 12 / 3 - 84.6 * 14 / 12
  expect(data['readingEase']).toBeCloseTo(104.1, 0);
  expect(data['readingMinutes']).toBe(0.1);
});

test('headings come in order with their levels, also from HTML, and the first of level 1 is the title', async () => {
  const { data } = await report(
    '## Before\n\n<h1 align="center">The <b>title</b></h1>\n\nSetext\n---\n\n# `code` & *more*\n',
  );
  expect(data).toMatchObject({
    title: 'The title',
    headings: [
      { level: 2, text: 'Before' },
      { level: 1, text: 'The title' },
      { level: 2, text: 'Setext' },
      { level: 1, text: 'code & more' },
    ],
  });
});

test('relative links that lead to no file are field errors with their line, and what cannot be known is none', async () => {
  const text = [
    '[good](docs/a%20b.md#part) [bad](missing.md) [outside](../x.md)',
    '![image](logo.png) <img src="gone.png"> [site](https://example.com/x) [mail](mailto:a@b.c) //no-link',
    '[again](missing.md?raw=1) [ref][r] https://auto.example',
    '',
    '[r]: other.md',
  ].join('\n');
  const { data, fieldErrors } = await report(text, { files: ['docs/a b.md', 'logo.png'] });
  expect(data['links']).toEqual({ total: 10, relative: 7, external: 3, anchors: 0, unchecked: 1 });
  expect(data['brokenLinks']).toEqual([
    { target: 'missing.md', kind: 'FILE', line: 1 },
    { target: 'gone.png', kind: 'FILE', line: 2 },
    { target: 'missing.md?raw=1', kind: 'FILE', line: 3 },
    { target: 'other.md', kind: 'FILE', line: 3 },
  ]);
  expect(fieldErrors[0]).toEqual({
    path: '/brokenLinks/0',
    code: 'broken_link',
    message: 'Line 1 links to "missing.md", where there is no file.',
  });
  expect(fieldErrors).toHaveLength(4);
});

test('links to a section are checked against the headings as GitHub names them, and against ids in HTML', async () => {
  const text =
    '# Über uns!\n\n## Same\n\n## Same\n\n<a name="Custom"></a><div id="box"></div>\n\n' +
    '[1](#über-uns) [2](#%C3%BCber-uns) [3](#same-1) [4](#custom) [5](#box) [6](#) [7](#top) [8](#Same) [9](#same-2) [10](#no)\n';
  const { data, fieldErrors } = await report(text);
  expect(data['links']).toMatchObject({ anchors: 10, relative: 0 });
  expect(data['brokenLinks']).toEqual([
    { target: '#same-2', kind: 'ANCHOR', line: 9 },
    { target: '#no', kind: 'ANCHOR', line: 9 },
  ]);
  expect(fieldErrors.map(({ code }) => code)).toEqual(['missing_anchor', 'missing_anchor']);
});

test('front matter, fences and tables are read for what they are', async () => {
  const text =
    '---\ntitle: hidden words here\n---\n\n| a | b |\n|---|---|\n| [x](no.md) | c |\n\n~~~TypeScript {1}\ncode\n~~~\n\n    indented\n';
  const { data } = await report(text);
  expect(data).toMatchObject({ title: null, words: 4, codeLanguages: { typescript: 1, unspecified: 1 } });
  expect(data['brokenLinks']).toEqual([{ target: 'no.md', kind: 'FILE', line: 7 }]);
});

test('plain text has words and no structure, unless the config says that it is Markdown', async () => {
  const text = '# not a heading\n\nSome [text](nowhere.md).';
  expect((await report(text, { mediaType: 'text/plain' })).data).toMatchObject({
    headings: [],
    links: { total: 0 },
    title: null,
  });
  expect((await report(text, { mediaType: 'text/plain', format: 'markdown' })).data).toMatchObject({
    title: 'not a heading',
  });
  expect((await report(text, { format: 'text' })).data).toMatchObject({ headings: [] });
});

test('what is empty, no text or too large is a permanent VALIDATION error', async () => {
  const cases: [string | Uint8Array, string][] = [
    ['', 'empty_document'],
    [' \n\t\r\n', 'empty_document'],
    [Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0xff), 'not_text'],
    ['text with \u0000', 'not_text'],
    ['x'.repeat(1_000_001), 'document_too_large'],
  ];
  for (const [content, code] of cases) {
    expect(await errorOf(content)).toMatchObject({ code, category: 'VALIDATION', transient: false });
  }
});

test('a text without Latin letters has no reading ease, and its words are counted', async () => {
  const { data } = await report('これは短い文です。もう一つの文。');
  expect(data['readingEase']).toBeNull();
  expect(data['sentences']).toBe(2);
  expect(data['words']).toBeGreaterThan(4);
});

test.each(['*a_ ', '[a](b', '![[', '> ', '- ', '`a', '<a '])('hostile text of "%s" is read in time', async (piece) => {
  const started = processorMs();
  await report(piece.repeat(100_000 / piece.length));
  expect(processorMs() - started).toBeLessThan(3_000);
});
