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

test('what is returned is the data, and undefined is null', () => {
  expect(ok({ words: 3 })).toEqual({ data: '{"words":3}', fieldErrors: null, artifacts: null });
  expect(ok(undefined).data).toBe('null');
  expect(ok({ data: 1 }).data).toBe('{"data":1}');
});

test('an envelope is known by artifacts or fieldErrors', () => {
  expect(ok({ data: 1, fieldErrors: [{ path: '/a', code: 'c', message: 'm' }] })).toEqual({
    data: '1',
    fieldErrors: '[{"path":"/a","code":"c","message":"m"}]',
    artifacts: null,
  });
  expect(ok({ artifacts: [] })).toEqual({ data: 'null', fieldErrors: null, artifacts: null });
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
      mediaType: 'application/octet-stream',
      sizeBytes: 5,
      content: null,
      url: 'https://files.example/d.pdf',
    },
  ]);
});

test.each([
  ['fieldErrors that are no list', { fieldErrors: {} }],
  ['a field error without a code', { fieldErrors: [{ path: '/a', message: 'm' }] }],
  ['an artifact without content', { artifacts: [{ filename: 'a' }] }],
  ['an artifact with both', { artifacts: [{ filename: 'a', text: 'x', url: 'https://x' }] }],
  ['an artifact whose content is no base64', { artifacts: [{ filename: 'a', content: '%%%' }] }],
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
