import { expect, test } from 'vitest';
import { checkResult } from '../../src/domain/agent-result.ts';
import { LIMITS } from '../../src/domain/limits.ts';

const ok = (returned: unknown) => {
  const check = checkResult(returned);
  if (!check.ok) throw new Error(check.error.message);
  return check.result;
};
const refused = (returned: unknown): string => {
  const check = checkResult(returned);
  if (check.ok) throw new Error('was taken');
  expect(check.error.category).toBe('VALIDATION');
  return check.error.code;
};

const BARE = { fieldErrors: null, artifacts: null, score: null, usage: null };

test('what is returned is the data, and undefined is null', () => {
  expect(ok({ words: 3 })).toEqual({ ...BARE, data: '{"words":3}' });
  expect(ok(undefined).data).toBe('null');
  expect(ok({ data: 1 }).data).toBe('{"data":1}');
});

test('an envelope is known by artifacts or fieldErrors', () => {
  expect(ok({ data: 1, fieldErrors: [{ path: '/a', code: 'c', message: 'm' }] })).toEqual({
    ...{ ...BARE, data: '1' },
    fieldErrors: '[{"path":"/a","code":"c","message":"m"}]',
  });
  expect(ok({ artifacts: [] })).toEqual({ ...BARE, data: 'null' });
});

const USED = { inputTokens: 10, outputTokens: 5 };

test('score and usage beside data are taken out of it', () => {
  expect(ok({ data: 1, score: 0.5 })).toEqual({ ...BARE, data: '1', score: 0.5 });
  expect(ok({ data: 1, usage: { ...USED, model: 'm', cachedInputTokens: 99 }, score: null })).toEqual({
    ...{ ...BARE, data: '1' },
    usage: { ...USED, totalTokens: 15, cachedInputTokens: 10, model: 'm' },
  });
  expect(ok({ data: 1, artifacts: [], score: 1, usage: USED }).score).toBe(1);
});

test.each([
  { score: 0.5 },
  { score: 0.5, usage: USED },
  { data: 1, score: 0.5, total: 3 },
  { data: 1, score: 87 },
  { data: 1, score: 'high' },
  { data: 1, usage: { tokens: 5 } },
  { data: 1, usage: { inputTokens: -1, outputTokens: 0 } },
  { data: 1, score: 0.5, usage: 'much' },
])("a user's own %j stays data as it is", (returned) => {
  expect(ok(returned)).toEqual({ ...BARE, data: JSON.stringify(returned) });
});

test('a score or usage of an envelope that is none is refused', () => {
  expect(refused({ data: 1, artifacts: [], score: 1.1 })).toBe('invalid_result');
  expect(refused({ data: 1, artifacts: [], score: Number.NaN })).toBe('invalid_result');
  expect(refused({ data: 1, fieldErrors: [], usage: { inputTokens: 1.5, outputTokens: 0 } })).toBe('invalid_result');
});

test('a refused result still tells what it used', () => {
  const check = checkResult({ data: '\u0000', usage: USED });
  expect(check.ok ? null : check.error.usage).toMatchObject(USED);
});

test('artifacts come as text, bytes, base64 or a URL', () => {
  const { artifacts } = ok({
    artifacts: [
      { filename: 'a.txt', mediaType: 'text/plain', text: 'äh' },
      { filename: 'b.bin', content: new Uint8Array([1, 2, 3]) },
      { filename: 'c.bin', content: 'AQID', id: 'mine' },
      { filename: 'd.pdf', url: 'https://files.example/d.pdf', sizeBytes: 5 },
    ],
  });
  expect(JSON.parse(artifacts ?? '')).toEqual([
    { id: '0', filename: 'a.txt', mediaType: 'text/plain', sizeBytes: 3, content: 'w6Ro', url: null },
    { id: '1', filename: 'b.bin', mediaType: 'application/octet-stream', sizeBytes: 3, content: 'AQID', url: null },
    { id: 'mine', filename: 'c.bin', mediaType: 'application/octet-stream', sizeBytes: 3, content: 'AQID', url: null },
    {
      id: '3',
      filename: 'd.pdf',
      mediaType: 'application/pdf',
      sizeBytes: 5,
      content: null,
      url: 'https://files.example/d.pdf',
    },
  ]);
});

test('a size that is none is not known', () => {
  const sizeOf = (sizeBytes: unknown) =>
    Reflect.get(
      JSON.parse(ok({ artifacts: [{ filename: 'a', url: 'https://x', sizeBytes }] }).artifacts ?? '')[0],
      'sizeBytes',
    );
  expect([5_000_000_000, 0, -5, 1.5, '7', null].map(sizeOf)).toEqual([5_000_000_000, 0, null, null, null, null]);
});

test.each([
  ['fieldErrors that are no list', { fieldErrors: {} }],
  ['a field error without a code', { fieldErrors: [{ path: '/a', message: 'm' }] }],
  ['an artifact without content', { artifacts: [{ filename: 'a' }] }],
  ['an artifact with both', { artifacts: [{ filename: 'a', text: 'x', url: 'https://x' }] }],
  ['an artifact whose content is no base64', { artifacts: [{ filename: 'a', content: '%%%' }] }],
  ['an artifact whose content is a text', { artifacts: [{ filename: 'a', content: 'hello world' }] }],
  ['two artifacts of one id', { artifacts: ['a', 'b'].map((filename) => ({ id: 'x', filename, text: '' })) }],
])('%s: invalid_result', (_name, returned) => {
  expect(refused(returned)).toBe('invalid_result');
});

test('what the database cannot hold is refused before it joins a flush', () => {
  expect(refused({ a: '\u0000' })).toBe('result_nul_character');
  expect(refused(['\udc00'])).toBe('result_lone_surrogate');
  expect(refused({ ['\u0000']: 1 })).toBe('result_nul_character');
  expect(refused({ artifacts: [{ filename: 'a\u0000', text: 'x' }] })).toBe('result_nul_character');
  // The same letters written by a user are nothing special.
  expect(ok({ a: '\\u0000 \\ud800' }).data).toBe('{"a":"\\\\u0000 \\\\ud800"}');
  expect(ok({ a: '\\\u0001' }).data).toBe('{"a":"\\\\\\u0001"}');
});

test('what is no JSON, too large or too deep is refused by its own code', () => {
  expect(refused(1n)).toBe('result_not_json');
  const cyclic: unknown[] = [];
  cyclic.push(cyclic);
  expect(refused(cyclic)).toBe('result_not_json');
  expect(refused(() => 1)).toBe('result_not_json');
  expect(refused('x'.repeat(LIMITS.resultBytes))).toBe('result_too_large');
  expect(refused(Array.from({ length: LIMITS.jsonDepth }).reduce((inner) => [inner], []))).toBe('result_too_deep');
  expect(ok(['[[[[['.repeat(100)]).data).toContain('[[');
  const hostile = {
    get artifacts() {
      throw new Error('no');
    },
  };
  expect(refused(hostile)).toBe('result_not_json');
});
