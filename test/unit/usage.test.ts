import { expect, test } from 'vitest';
import { classifyThrown } from '../../src/domain/item-error.ts';
import { LIMITS } from '../../src/domain/limits.ts';
import { priced, readUsage, type TokenPrices } from '../../src/domain/usage.ts';

const usage = (inputTokens: number, outputTokens: number, cachedInputTokens = 0) => {
  const read = readUsage({ inputTokens, outputTokens, cachedInputTokens });
  if (read === undefined) throw new Error('was refused');
  return read;
};
const PRICES: TokenPrices = { inputPerMillion: 0.15, outputPerMillion: 0.6, currency: 'USD' };

test('a cost is exact, where floating point would not be', () => {
  expect(priced(usage(1, 0), PRICES).cost).toBe('0.00000015');
  expect(priced(usage(1_000_000, 1_000_000), PRICES).cost).toBe('0.75');
  expect(priced(usage(0, 0), PRICES).cost).toBe('0');
  expect(priced(usage(3, 0), { ...PRICES, inputPerMillion: 0.1 }).cost).toBe('0.0000003');
  expect(priced(usage(1e12, 0), { ...PRICES, inputPerMillion: 20 }).cost).toBe('20000000');
  expect(priced(usage(1, 1), undefined).cost).toBeNull();
});

test('cached input has its own price, or that of input', () => {
  expect(priced(usage(1_000_000, 0, 400_000), { ...PRICES, cachedInputPerMillion: 0.05 }).cost).toBe('0.11');
  expect(priced(usage(1_000_000, 0, 400_000), PRICES).cost).toBe('0.15');
});

test('usage needs whole counts of input and output', () => {
  for (const value of [null, 7, {}, { inputTokens: 1 }, { inputTokens: '1', outputTokens: 1 }]) {
    expect(readUsage(value)).toBeUndefined();
  }
  expect(readUsage({ inputTokens: 1, outputTokens: 2, totalTokens: 9 })?.totalTokens).toBe(9);
});

test('texts of an error are cut at their limits, never within a surrogate pair', () => {
  const long = `${'x'.repeat(LIMITS.traceLength - 2)}\u{1F600}${'y'.repeat(50)}`;
  const thrown = { message: long, stack: long, recovery: long, component: 'c'.repeat(999), stage: '\u0000' };
  const { message, trace, recovery, component, stage } = classifyThrown(thrown);
  for (const text of [message, trace, recovery]) {
    expect(text?.length).toBeLessThanOrEqual(2_000);
    expect(text?.isWellFormed()).toBe(true);
  }
  expect(component).toHaveLength(LIMITS.nameLength);
  expect(stage).toBe('\uFFFD');
});

test('reasoning tokens are kept where there are any, and are at most the output', () => {
  expect(readUsage({ inputTokens: 1, outputTokens: 5, reasoningTokens: 3 })).toMatchObject({ reasoningTokens: 3 });
  expect(readUsage({ inputTokens: 1, outputTokens: 5, reasoningTokens: 9 })).toMatchObject({ reasoningTokens: 5 });
  expect(readUsage({ inputTokens: 1, outputTokens: 5, reasoningTokens: -1 })).not.toHaveProperty('reasoningTokens');
});
