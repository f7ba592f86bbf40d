import { expect, test } from 'vitest';
import { classifyThrown } from '../../src/domain/item-error.ts';
import { type Backoff, backoffDelayMs, DEFAULT_BACKOFF, isRetryable, mayRetry } from '../../src/domain/retry-policy.ts';

const steady: Backoff = { ...DEFAULT_BACKOFF, jitter: 'NONE' };

test('delays grow by the factor up to the cap', () => {
  expect([1, 2, 3, 9, 10].map((attempt) => backoffDelayMs(steady, attempt, 0))).toEqual([1_000, 2_000, 4_000, 256_000, 300_000]);
});

test('no attempt number overflows', () => {
  for (const attempt of [64, 999, 1e9, Number.MAX_SAFE_INTEGER]) {
    expect(backoffDelayMs(steady, attempt, 0.5)).toBe(300_000);
    expect(backoffDelayMs({ ...steady, factor: 1e6 }, attempt, 0.5)).toBe(300_000);
  }
});

test('full jitter draws from zero to the delay', () => {
  expect(backoffDelayMs(DEFAULT_BACKOFF, 3, 0)).toBe(0);
  expect(backoffDelayMs(DEFAULT_BACKOFF, 3, 0.5)).toBe(2_000);
  expect(backoffDelayMs(DEFAULT_BACKOFF, 3, 0.9999)).toBe(4_000);
});

test('Retry-After is a floor that jitter never undercuts, also above the cap', () => {
  expect(backoffDelayMs(DEFAULT_BACKOFF, 1, 0, 7_000)).toBe(7_000);
  expect(backoffDelayMs(DEFAULT_BACKOFF, 1, 0, 900_000)).toBe(900_000);
  expect(backoffDelayMs(steady, 5, 0, 7_000)).toBe(16_000);
});

test('all errors are tried again but the declared permanent ones, VALIDATION and AUTHENTICATION', () => {
  expect(isRetryable(classifyThrown(new Error('any')))).toBe(true);
  expect(isRetryable(classifyThrown({ status: 503 }))).toBe(true);
  expect(isRetryable(classifyThrown({ status: 503, transient: false }))).toBe(false);
  expect(isRetryable(classifyThrown({ status: 401 }))).toBe(false);
  expect(isRetryable(classifyThrown({ category: 'VALIDATION' }))).toBe(false);
  expect(isRetryable(classifyThrown({ category: 'VALIDATION', transient: true }))).toBe(true);
});

test('the budget is the number of tries after the first', () => {
  const error = classifyThrown(new Error('any'));
  expect([0, 1, 2, 3].map((spent) => mayRetry(error, spent, 2))).toEqual([true, true, false, false]);
  expect(mayRetry(error, 0, 0)).toBe(false);
});
