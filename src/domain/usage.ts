/** Tokens that a call of a language model used, and what they cost. */
import { clipText, storableText } from './json.ts';
import { LIMITS } from './limits.ts';

/** What one call used, as its agent says. */
export interface CallUsage {
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly totalTokens: number;
  /** Of the input, those that the model had cached. */
  readonly cachedInputTokens: number;
  /** Of the output, those that were spent on reasoning; absent where there were none. */
  readonly reasoningTokens?: number;
  readonly model: string | null;
}

/** What one call used, with its price; that is null where the tier has no prices. */
export interface PricedUsage extends CallUsage {
  /** A decimal number of the tier's currency. */
  readonly cost: string | null;
}

/** What a tier's model costs, per million tokens, to at most six decimals. */
export interface TokenPrices {
  readonly inputPerMillion: number;
  readonly outputPerMillion: number;
  /** Cached input costs as much as other input where this is absent. */
  readonly cachedInputPerMillion?: number;
  /** ISO 4217, e.g. `USD`. */
  readonly currency: string;
}

/** More in one call is a mistake, not a count. */
const MOST_TOKENS = 1e12;

/** What an agent says of its usage; undefined when it is none: a count is missing, or is no whole number. */
export function readUsage(value: unknown): CallUsage | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const [input, output] = [countOf(value, 'inputTokens'), countOf(value, 'outputTokens')];
  if (input === undefined || output === undefined) return undefined;
  const model: unknown = Reflect.get(value, 'model');
  const reasoningTokens = Math.min(countOf(value, 'reasoningTokens') ?? 0, output);
  return {
    inputTokens: input,
    outputTokens: output,
    totalTokens: countOf(value, 'totalTokens') ?? input + output,
    cachedInputTokens: Math.min(countOf(value, 'cachedInputTokens') ?? 0, input),
    ...(reasoningTokens > 0 && { reasoningTokens }),
    model: typeof model === 'string' ? clipText(storableText(model), LIMITS.nameLength) : null,
  };
}

/** The usage with what it cost. */
export function priced(usage: CallUsage, prices: TokenPrices | undefined): PricedUsage {
  return { ...usage, cost: prices === undefined ? null : costOf(usage, prices) };
}

/** Exact: prices are whole millionths, so a token costs a whole number of 10^-12 of the currency. */
function costOf(usage: CallUsage, prices: TokenPrices): string {
  const { inputPerMillion, outputPerMillion, cachedInputPerMillion = inputPerMillion } = prices;
  const fresh = usage.inputTokens - usage.cachedInputTokens;
  const cost =
    BigInt(fresh) * millionths(inputPerMillion) +
    BigInt(usage.cachedInputTokens) * millionths(cachedInputPerMillion) +
    BigInt(usage.outputTokens) * millionths(outputPerMillion);
  const digits = cost.toString().padStart(13, '0');
  return `${digits.slice(0, -12)}.${digits.slice(-12)}`.replace(/\.?0+$/, '');
}

const millionths = (price: number): bigint => BigInt(Math.round(price * 1e6));

function countOf(value: object, name: string): number | undefined {
  const count: unknown = Reflect.get(value, name);
  return Number.isInteger(count) && Number(count) >= 0 && Number(count) <= MOST_TOKENS ? Number(count) : undefined;
}
