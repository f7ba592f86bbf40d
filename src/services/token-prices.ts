/** What tiers' models cost, and what an execution may use of them. */
import { z } from 'zod';
import { LIMITS } from '../domain/limits.ts';
import type { TokenPrices } from '../domain/usage.ts';
import type { IssueList, Loc } from './issue-list.ts';

const { tokenPrice } = LIMITS;

const price = z
  .number()
  .min(tokenPrice.min)
  .max(tokenPrice.max)
  .refine((value) => Number(value.toFixed(6)) === value, 'has more than six decimals');

const pricesSchema = z.object({
  inputPerMillion: price,
  outputPerMillion: price,
  cachedInputPerMillion: price.nullish(),
  currency: z
    .string()
    .regex(/^[A-Z]{3}$/, 'must be three capital letters, as of ISO 4217')
    .nullish(),
});

/** Tokens after whose use an execution pauses. */
export const tokenBudget = z.int().min(1);
/** What an execution's calls may cost before it pauses, in the currency of its prices. */
export const costBudget = z.number().positive().max(1e12);

/** What a tier, or a spec with one, says of prices. */
export interface PricesInput {
  readonly prices?: z.input<typeof pricesSchema> | null | undefined;
}

/** The prices that are given, as part of a tier; every problem is noted. */
export function readPrices(input: PricesInput, loc: Loc, issues: IssueList): { readonly prices?: TokenPrices } {
  const prices = issues.check(pricesSchema.nullish(), input.prices, [...loc, 'prices']);
  if (prices == null) return {};
  const { inputPerMillion, outputPerMillion, cachedInputPerMillion: cached, currency } = prices;
  return {
    prices: {
      ...{ inputPerMillion, outputPerMillion, currency: currency ?? 'USD' },
      ...(cached != null && { cachedInputPerMillion: cached }),
    },
  };
}

/** Notes prices of several currencies, which cannot be summed, and a bound on costs that nobody knows. */
export function checkBudget(
  tiers: readonly { readonly prices?: TokenPrices }[],
  execution: { readonly costBudget?: number | null | undefined } | null | undefined,
  loc: Loc,
  issues: IssueList,
): void {
  const currencies = new Set(tiers.flatMap(({ prices }) => (prices === undefined ? [] : [prices.currency])));
  if (currencies.size > 1) {
    issues.add(loc, 'conflict', `has prices in several currencies: ${[...currencies].join(', ')}`);
  }
  if (execution?.costBudget != null && currencies.size === 0) {
    issues.add([...loc, 'execution', 'costBudget'], 'missing', 'needs prices of at least one tier');
  }
}
