import { expect, test } from 'vitest';
import { classifyThrown, itemError } from '../../src/domain/item-error.ts';

const categoryOf = (thrown: unknown): string => classifyThrown(thrown).category;

test.each([
  ['its own category wins', { category: 'RESOURCE', status: 400 }, 'RESOURCE'],
  ['an unknown category of its own does not count', { category: 'ODD', status: 429 }, 'RATE_LIMIT'],
  ['status 408', { status: 408 }, 'TIMEOUT'],
  ['status 425', { status: 425 }, 'NETWORK'],
  ['status 503', { status: 503 }, 'NETWORK'],
  ['status 401', { status: 401 }, 'AUTHENTICATION'],
  ['status 422', { status: 422 }, 'VALIDATION'],
  ['status 404', { status: 404 }, 'DEPENDENCY'],
  ['a status below 400 says nothing', { status: 200, code: 'ECONNRESET' }, 'NETWORK'],
  ['a code', { code: 'ETIMEDOUT' }, 'TIMEOUT'],
  ['the code of its cause', { name: 'TypeError', cause: { code: 'ENOTFOUND' } }, 'NETWORK'],
  ['its name', { name: 'TimeoutError' }, 'TIMEOUT'],
  ['anything else', new RangeError('x'), 'RUNTIME'],
  ['words that every object has', { code: 'constructor', cause: { code: 'valueOf' }, name: 'toString' }, 'RUNTIME'],
  ['a string', 'boom', 'RUNTIME'],
  ['undefined', undefined, 'RUNTIME'],
  ['null', null, 'RUNTIME'],
])('%s', (_name, thrown, category) => {
  expect(categoryOf(thrown)).toBe(category);
});

test('a category has its default of transient, and the thrower may say otherwise', () => {
  expect(classifyThrown({ status: 503 })).toMatchObject({ transient: true, declared: null });
  expect(classifyThrown({ status: 503, transient: false })).toMatchObject({ transient: false, declared: false });
  expect(classifyThrown({ transient: true })).toMatchObject({ category: 'RUNTIME', transient: true, declared: true });
});

test('a DOMException goes by its name, not by its number', () => {
  const late = new DOMException('late', 'TimeoutError');
  expect(classifyThrown(late)).toMatchObject({ category: 'TIMEOUT', code: 'TimeoutError', message: 'late' });
  expect(classifyThrown(new DOMException('stop', 'AbortError')).code).toBe('AbortError');
});

test('a proxy that refuses every question is an error all the same', () => {
  const refuse = (): never => {
    throw new Error('no');
  };
  const thrown = new Proxy({}, { get: refuse, getPrototypeOf: refuse, has: refuse });
  expect(classifyThrown(thrown)).toMatchObject({ category: 'RUNTIME', code: 'error' });
});

test('a getter that throws, and a details object that cannot be written, count as absent', () => {
  const cyclic: Record<string, unknown> = {};
  cyclic['self'] = cyclic;
  const thrown = {
    get status() {
      throw new Error('no');
    },
    code: 'odd',
    details: cyclic,
  };
  expect(classifyThrown(thrown)).toMatchObject({ code: 'odd', details: null });
});

test('texts are cut to length and made storable', () => {
  const error = classifyThrown(new Error(`a\u0000b\ud800${'x'.repeat(5_000)}`));
  expect(error.message.length).toBe(2_000);
  expect(error.message).not.toContain('\u0000');
  expect(error.message.isWellFormed()).toBe(true);
  expect(classifyThrown({ code: 'c'.repeat(500) }).code.length).toBe(200);
  expect(classifyThrown({ details: { big: 'x'.repeat(20_000) } }).details).toBeNull();
  expect(classifyThrown({ details: { nul: '\u0000' } }).details).toBeNull();
  expect(classifyThrown({ details: { status: 'full' } }).details).toBe('{"status":"full"}');
});

test('Retry-After is taken when it is a sensible number', () => {
  expect(classifyThrown({ retryAfterMs: 1_500 }).retryAfterMs).toBe(1_500);
  expect(classifyThrown({ retryAfterMs: -1 }).retryAfterMs).toBeNull();
  expect(classifyThrown({ retryAfterMs: Number.POSITIVE_INFINITY }).retryAfterMs).toBeNull();
  expect(classifyThrown({ retryAfterMs: 1e12 }).retryAfterMs).toBe(86_400_000);
});

test('our own errors have the category default', () => {
  expect(itemError('TIMEOUT', 'timeout', 'late')).toMatchObject({ transient: true, declared: null });
  expect(itemError('VALIDATION', 'x', 'y').transient).toBe(false);
});
