import { expect, test } from 'vitest';
import { classifyThrown } from '../../src/domain/item-error.ts';
import {
  type Backoff,
  backoffDelayMs,
  DEFAULT_BACKOFF,
  isRetryable,
  nextDelayMs,
  type RetryPolicy,
} from '../../src/domain/retry-policy.ts';

const steady: Backoff = { ...DEFAULT_BACKOFF, jitter: 'NONE' };

test('delays grow by the factor up to the cap', () => {
  expect([1, 2, 3, 9, 10].map((attempt) => backoffDelayMs(steady, attempt, 0))).toEqual([
    1_000, 2_000, 4_000, 256_000, 300_000,
  ]);
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
  const policy: RetryPolicy = { retryLimit: 2, backoff: steady, rules: [] };
  const error = classifyThrown(new Error('any'));
  expect([0, 1, 2, 3].map((charged) => nextDelayMs(policy, error, charged, 0))).toEqual([1_000, 2_000, null, null]);
  expect(nextDelayMs({ ...policy, retryLimit: 0 }, error, 0, 0)).toBeNull();
});

test('a rule for a category takes the place of the general limit and backoff', () => {
  const policy: RetryPolicy = {
    ...{ retryLimit: 1, backoff: steady },
    rules: [
      { category: 'TIMEOUT', retryLimit: 0 },
      { category: 'RATE_LIMIT', retryLimit: 5, backoff: { ...steady, baseMs: 10, factor: 3 } },
      { category: 'VALIDATION', retryLimit: 1 },
      { category: 'NETWORK', backoff: { ...steady, baseMs: 7 } },
    ],
  };
  const delays = (thrown: unknown, ...charged: number[]) =>
    charged.map((count) => nextDelayMs(policy, classifyThrown(thrown), count, 0));
  expect(delays({ status: 408 }, 0)).toEqual([null]);
  expect(delays({ status: 429 }, 0, 1, 4, 5)).toEqual([10, 30, 810, null]);
  expect(delays({ category: 'VALIDATION' }, 0, 1)).toEqual([1_000, null]);
  expect(delays({ status: 503 }, 0, 1)).toEqual([7, null]);
  expect(delays(new Error('any'), 0, 1)).toEqual([1_000, null]);
  expect(delays({ status: 429, transient: false }, 0)).toEqual([null]);
});
