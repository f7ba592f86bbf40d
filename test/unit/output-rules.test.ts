/** Checking results against what their tier promises. */
import { expect, test } from 'vitest';
import { compileRules } from '../../src/agents/output/check-rules.ts';
import { schemaProblems } from '../../src/agents/output/schema-compile.ts';
import { LIMITS } from '../../src/domain/limits.ts';
import { mismatchErrors, outputMismatch } from '../../src/domain/output-rules.ts';
import type { OutputRules } from '../../src/domain/tier-output.ts';

const misses = (rules: OutputRules, data: unknown, artifacts: readonly object[] | null = null) =>
  compileRules(rules)({
    data: JSON.stringify(data),
    artifacts: artifacts === null ? null : JSON.stringify(artifacts),
  });
const errors = (rules: OutputRules, data: unknown, artifacts?: readonly object[]) =>
  misses(rules, data, artifacts).fieldErrors.map(({ path, code }) => `${path} ${code}`);

const INVOICE = {
  type: 'object',
  required: ['total', 'toString'],
  properties: { total: { type: 'number' }, lines: { type: 'array', items: { enum: ['a', 'b'] } } },
  additionalProperties: true,
};

test('a result that keeps its schema has no misses, and one that does not has each at its place', () => {
  expect(misses({ outputSchema: INVOICE }, { total: 1, toString: 'own' })).toEqual({ fieldErrors: [], total: 0 });
  expect(errors({ outputSchema: INVOICE }, { total: 'x', lines: ['a', 'c'] })).toEqual([
    // Not the one that every object inherits.
    '/toString required',
    '/total type',
    '/lines/1 enum',
  ]);
  expect(errors({ outputSchema: { additionalProperties: false } }, { 'a/b': 1 })).toEqual([
    '/a~1b additionalProperties',
  ]);
  expect(errors({ outputSchema: false }, 1)).toEqual([' false schema']);
});

test('the dialect is that of $schema: draft-07, else 2020-12', () => {
  const tuple = { items: [{ type: 'string' }] };
  const draft7 = { $schema: 'http://json-schema.org/draft-07/schema#', ...tuple };
  expect(schemaProblems(draft7)).toEqual([]);
  expect(errors({ outputSchema: draft7 }, [1])).toEqual(['/0 type']);
  expect(schemaProblems(tuple).map(({ path }) => path)).toContain('/items');
  expect(errors({ outputSchema: { prefixItems: [{ type: 'string' }] } }, [1])).toEqual(['/0 type']);
  const old = { $schema: 'http://json-schema.org/draft-04/schema#' };
  expect(schemaProblems(old).map(({ path }) => path)).toEqual(['/$schema']);
});

test.each([
  ['no schema', 'text', ''],
  ['a type that is none', { properties: { a: { type: 'numbr' } } }, '/properties/a/type'],
  ['a pattern that could run for ever', { properties: { a: { pattern: '(?=a)b' } } }, '/properties/a/pattern'],
  ['a property pattern', { patternProperties: { '(a)\\1': true } }, '/patternProperties/(a)\\1'],
  ['a reference to nothing', { $ref: '#/$defs/nothing' }, ''],
  ['a reference elsewhere', { $ref: 'https://example.com/schema.json' }, ''],
  ['an asynchronous one', { $async: true }, '/$async'],
])('%s is a problem with its place', (_what, schema, path) => {
  const [problem] = schemaProblems(schema);
  expect(problem?.path).toBe(path);
});

test('patterns run in time linear in the text', () => {
  expect(errors({ outputSchema: { pattern: '^(a+)+$' } }, `${'a'.repeat(50_000)}!`)).toEqual([' pattern']);
});

test('what is listed is bounded, and counted whole', () => {
  const { fieldErrors, total } = misses({ outputSchema: { items: { type: 'string' } } }, Array(1_000).fill(0));
  expect([fieldErrors.length, total]).toEqual([50, 1_000]);
});

test('artifacts are found by id or filename and checked for type, size, storage and content', () => {
  const rule = (rest: object) => ({
    artifacts: [{ name: 'report', type: 'JSON' as const, required: true, ...rest }],
  });
  const made = (rest: object) => [
    {
      ...{ id: 'report', filename: 'r.json', mediaType: 'application/json; charset=utf-8', sizeBytes: 7, url: null },
      content: Buffer.from('{"a":1}').toString('base64'),
      ...rest,
    },
  ];
  expect(errors(rule({}), null)).toEqual(['/artifacts/report artifact_missing']);
  expect(errors(rule({ required: false }), null)).toEqual([]);
  expect(errors(rule({}), null, made({}))).toEqual([]);
  expect(errors(rule({}), null, made({ id: '0', filename: 'report' }))).toEqual([]);
  expect(errors(rule({ type: 'CSV' }), null, made({}))).toEqual(['/artifacts/report artifact_type']);
  expect(errors(rule({ maxSizeBytes: 6 }), null, made({}))).toEqual(['/artifacts/report artifact_too_large']);
  expect(errors(rule({}), null, made({ content: 'eA==' }))).toEqual(['/artifacts/report artifact_not_json']);
  expect(errors(rule({ schema: { required: ['b'] } }), null, made({}))).toEqual(['/artifacts/report/b required']);
  const linked = made({ content: null, url: 'https://example.com/r.json', sizeBytes: null });
  expect(errors(rule({}), null, linked)).toEqual([]);
  expect(errors(rule({ storage: 'INLINE' }), null, linked)).toEqual(['/artifacts/report artifact_storage']);
  expect(errors(rule({ storage: 'URL' }), null, made({}))).toEqual(['/artifacts/report artifact_storage']);
  expect(errors(rule({ maxSizeBytes: 9 }), null, linked)).toEqual(['/artifacts/report artifact_size_unknown']);
});

test('a miss is a permanent error, and a result that could not be checked a transient one', () => {
  const result = { data: '{"a":1}', fieldErrors: null, artifacts: null, score: null, usage: null };
  const errorOf = (code: string) =>
    outputMismatch({ fieldErrors: [{ path: '/a', code, message: 'm' }], total: 3 }, result);
  expect(errorOf('type')).toMatchObject({ category: 'VALIDATION', transient: false, code: 'output_mismatch' });
  expect(errorOf('type').message).toBe('The result is not what its tier promises at /a: m (and 2 more).');
  expect(errorOf('output_check_unavailable')).toMatchObject({ category: 'RESOURCE', transient: true, details: null });
});

test('details hold as many misses as fit, and the data only where it fits beside them', () => {
  const fieldErrors = Array.from({ length: 50 }, () => ({
    path: `/${'p'.repeat(400)}`,
    code: 'type',
    message: 'm'.repeat(300),
  }));
  const result = { data: '{"a":1}', fieldErrors: null, artifacts: null, score: null, usage: null };
  const { code, details } = outputMismatch({ fieldErrors, total: 50 }, result);
  expect(Buffer.byteLength(details ?? '')).toBeLessThanOrEqual(LIMITS.failureDetailsBytes);
  const kept: unknown = JSON.parse(details ?? 'null');
  expect(mismatchErrors(code, kept)).toHaveLength(12);
  expect(kept).toMatchObject({ total: 50 });
});
