import { expect, test } from 'vitest';
import { ChatError } from '../../src/agents/chat/chat-error.ts';
import { parseTemplate, render, TemplateError } from '../../src/agents/chat/template.ts';
import { processorMs } from '../support/processor-time.ts';

const ROOTS = new Set(['text', 'metadata', 'documents', 'previous']);
const fill = (text: string, fields: object, max = 1_000): string => render(parseTemplate(text, ROOTS), fields, max);
const problem = (text: string): string => {
  try {
    parseTemplate(text, ROOTS);
  } catch (error) {
    expect(error).toBeInstanceOf(TemplateError);
    return (error as TemplateError).message;
  }
  throw new Error('was taken');
};
const failure = (run: () => unknown): ChatError => {
  try {
    run();
  } catch (error) {
    expect(error).toBeInstanceOf(ChatError);
    return error as ChatError;
  }
  throw new Error('did not throw');
};

test('values go in as they are: nothing is escaped, and objects are JSON', () => {
  const fields = { text: '<b> & "q" {{metadata.a}}', metadata: { a: { b: [1, true] }, n: 0, f: false } };
  expect(fill('{{text}}|{{& text}}|{{metadata.a}}|{{metadata.a.b.1}}|{{metadata.n}}|{{metadata.f}}', fields)).toBe(
    '<b> & "q" {{metadata.a}}|<b> & "q" {{metadata.a}}|{"b":[1,true]}|true|0|false',
  );
});

test('parts repeat over lists, are kept for what is there, and left out for what is not', () => {
  const fields = { text: 'T', documents: [{ filename: 'a', text: 'A' }, { filename: 'b' }], metadata: { tags: ['x'] } };
  expect(fill('{{#documents}}{{filename}}={{text}};{{/documents}}', fields)).toBe('a=A;b=T;');
  expect(fill('{{#metadata.tags}}<{{.}}>{{/metadata.tags}}{{! gone }}', fields)).toBe('<x>');
  expect(fill('{{#metadata.note}}N{{/metadata.note}}{{^metadata.note}}none{{/metadata.note}}', fields)).toBe('none');
});

test('a missing field is a VALIDATION error that names it, also where it is null', () => {
  for (const metadata of [{}, { a: null }, { a: { b: null } }]) {
    expect(failure(() => fill('{{metadata.a.b}}', { metadata }))).toMatchObject({
      ...{ category: 'VALIDATION', code: 'missing_field', details: { field: 'metadata.a.b' } },
      message: 'The item has no "metadata.a.b", which the message needs.',
    });
  }
});

test('nothing is reached that the data does not have itself', () => {
  for (const name of [
    'text.length',
    'metadata.constructor',
    'metadata.__proto__',
    'documents.map',
    'text.constructor',
  ]) {
    expect(failure(() => fill(`{{${name}}}`, { text: 'x', metadata: {}, documents: [] })).code).toBe('missing_field');
  }
});

test('what is no template, or has what templates do not have, is refused with its place', () => {
  expect(problem('a {{text')).toContain('character 3 does not end');
  expect(problem(`{{#text}}${'x'.repeat(10)}`)).toContain('Unclosed section "text"');
  expect(problem('{{/text}}')).toContain('Unopened section');
  expect(problem('{{> other}}')).toContain('partials');
  expect(problem('{{=<% %>=}}')).toContain('delimiters');
  expect(problem('{{{text}}}')).toContain('nothing is escaped');
  expect(problem('{{two words}}')).toContain('is not a name');
  expect(problem('{{txet}}')).toContain('there is no field "txet"; there are text, metadata');
  expect(problem('{{#metadata}}{{constructor..x}}{{/metadata}}')).toContain('is not a name');
});

test('hostile templates are parsed, or refused, and filled in, in no time', () => {
  const started = processorMs();
  problem(`{{text${' '.repeat(100_000)}`);
  problem(`{{text${' '.repeat(100_000)}}}`);
  problem(`{{{text}}${' '.repeat(100_000)}`);
  parseTemplate(`{{text}}${' '.repeat(99_000)}`, ROOTS);
  const list = Array.from({ length: 1_000 }, () => 1);
  const deep = '{{#documents}}'.repeat(6) + '{{/documents}}'.repeat(6);
  expect(failure(() => fill(deep, { documents: list })).code).toBe('prompt_too_long');
  const absent = `{{#documents}}${'{{#no}}{{/no}}'.repeat(7_000)}{{/documents}}`;
  expect(failure(() => fill(absent, { documents: list })).code).toBe('prompt_too_long');
  expect(problem('{{#metadata}}'.repeat(21) + '{{/metadata}}'.repeat(21))).toContain('more than 20 sections');
  parseTemplate('{{#metadata}}'.repeat(20) + '{{/metadata}}'.repeat(20), ROOTS);
  expect(processorMs() - started).toBeLessThan(2_000);
});

test('a message longer than its limit is refused', () => {
  expect(fill('{{text}}', { text: 'x'.repeat(10) }, 10)).toHaveLength(10);
  expect(failure(() => fill('{{text}}', { text: 'x'.repeat(11) }, 10))).toMatchObject({
    ...{ category: 'VALIDATION', code: 'prompt_too_long' },
  });
});
