/** The rules of a spec's single values; what spans several is in `batch-spec.ts`. */
import { z } from 'zod';
import { patternProblem } from '../domain/filters.ts';
import { ERROR_CATEGORIES } from '../domain/item-error.ts';
import { LIMITS } from '../domain/limits.ts';
import { isMediaTypePattern } from '../domain/media-type.ts';
import { type Backoff, DEFAULT_BACKOFF, type RetryRule } from '../domain/retry-policy.ts';
import type { ExecutionParams, InputFilters } from '../domain/spec.ts';
import type { ElementInput } from './element-input.ts';
import type { OutputRulesInput } from './output-rules-input.ts';
import { ownJson } from './own-json.ts';
import { storableString } from './storable-string.ts';
import { costBudget, type PricesInput, tokenBudget } from './token-prices.ts';

const LABEL = /^[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?$/;

/** A definition's name: letters, digits, and `.`, `_`, `-` between them. */
export const label = z
  .string()
  .max(LIMITS.nameLength)
  .regex(LABEL, 'must be letters and digits, with ".", "_" and "-" between them');

const pattern = storableString(LIMITS.patternLength).superRefine((value, ctx) => {
  const problem = patternProblem(value);
  if (problem !== null) ctx.addIssue({ code: 'custom', message: `is no RE2 pattern: ${problem}` });
});

const mediaTypePattern = z
  .string()
  .refine(isMediaTypePattern, 'is neither a media type nor a pattern such as "text/*"');

export const filtersSchema = z.object({
  regex: pattern.nullish(),
  mediaTypes: z.array(mediaTypePattern).max(100).readonly().nullish(),
  elementIds: z.array(storableString(LIMITS.elementIdBytes)).max(LIMITS.filterElementIds).readonly().nullish(),
  additionalProperties: ownJson(LIMITS.metadataBytes).optional(),
});

export const userMessage = storableString(LIMITS.userMessageLength);
export const concurrency = z.int().min(LIMITS.concurrency.min).max(LIMITS.concurrency.max);
export const retryLimit = z.int().min(LIMITS.retryLimit.min).max(LIMITS.retryLimit.max);
export const itemTimeoutMs = z.int().min(LIMITS.itemTimeoutMs.min).max(LIMITS.itemTimeoutMs.max);
const backoffMs = z.int().min(LIMITS.backoffMs.min).max(LIMITS.backoffMs.max);

const backoff = z.object({
  baseMs: backoffMs.nullish(),
  factor: z.number().min(LIMITS.backoffFactor.min).max(LIMITS.backoffFactor.max).nullish(),
  maxMs: backoffMs.nullish(),
  jitter: z.enum(['FULL', 'NONE']).nullish(),
});

export const executionSchema = z.object({
  concurrency: concurrency.nullish(),
  retryLimit: retryLimit.nullish(),
  itemTimeoutMs: itemTimeoutMs.nullish(),
  backoff: backoff.nullish(),
  retryRules: z
    .array(
      z.object({ category: z.enum(ERROR_CATEGORIES), retryLimit: retryLimit.nullish(), backoff: backoff.nullish() }),
    )
    .max(ERROR_CATEGORIES.length)
    .refine(
      (rules) => new Set(rules.map(({ category }) => category)).size === rules.length,
      'has two rules for one category',
    )
    .readonly()
    .nullish(),
  tokenBudget: tokenBudget.nullish(),
  costBudget: costBudget.nullish(),
});

/** At most this many starts of an agent in any second or minute. */
export const rateLimit = z.object({
  starts: z.int().min(LIMITS.rateLimitStarts.min).max(LIMITS.rateLimitStarts.max),
  per: z.enum(['SECOND', 'MINUTE']).nullish(),
});

/** Where results go; null and absent: to a datasource of the execution's own. */
export const outputSchema = z.object({ datasourceId: z.string().nullish() });

export const overridesSchema = z.object({
  filters: filtersSchema.nullish(),
  userMessage: userMessage.nullish(),
  concurrency: concurrency.nullish(),
  retryLimit: retryLimit.nullish(),
  itemTimeoutMs: itemTimeoutMs.nullish(),
  output: outputSchema.nullish(),
});

export type FiltersInput = z.input<typeof filtersSchema>;
export type ExecutionParamsInput = z.input<typeof executionSchema>;
/** What an execution may change of its definition, as a caller writes it. */
export type OverridesInput = z.input<typeof overridesSchema>;

export interface TierInput extends OutputRulesInput, PricesInput {
  readonly agent?: string | null | undefined;
  readonly userMessage?: string | null | undefined;
  readonly config?: unknown;
  readonly rateLimit?: z.input<typeof rateLimit> | null | undefined;
}

/** A spec as a caller writes it: absent and null are the same everywhere. */
export interface BatchSpecInput extends OutputRulesInput, PricesInput {
  readonly name: string;
  readonly agent?: string | null | undefined;
  readonly config?: unknown;
  readonly rateLimit?: z.input<typeof rateLimit> | null | undefined;
  readonly tiers?: readonly TierInput[] | null | undefined;
  readonly userMessage?: string | null | undefined;
  readonly input: {
    readonly datasourceId?: string | null | undefined;
    readonly items?: readonly ElementInput[] | null | undefined;
    readonly filters?: FiltersInput | null | undefined;
  };
  readonly output?: z.input<typeof outputSchema> | null | undefined;
  readonly execution?: ExecutionParamsInput | null | undefined;
  readonly additionalProperties?: unknown;
}

/** The filters without what is absent; undefined when nothing is given. */
export function filtersOf(input: z.output<typeof filtersSchema> | null | undefined): InputFilters | undefined {
  if (input == null) return undefined;
  const { regex, mediaTypes, elementIds, additionalProperties } = input;
  const filters = {
    ...(regex != null && { regex }),
    ...(mediaTypes != null && { mediaTypes }),
    ...(elementIds != null && { elementIds }),
    ...(additionalProperties != null && { additionalProperties }),
  };
  return Object.keys(filters).length === 0 ? undefined : filters;
}

/** The execution parameters with the defaults for what is absent. */
export function executionParamsOf(input: z.output<typeof executionSchema> | null | undefined): ExecutionParams {
  return {
    concurrency: input?.concurrency ?? LIMITS.concurrency.default,
    retryLimit: input?.retryLimit ?? LIMITS.retryLimit.default,
    itemTimeoutMs: input?.itemTimeoutMs ?? LIMITS.itemTimeoutMs.default,
    backoff: backoffOf(input?.backoff),
    ...(input?.retryRules != null && { retryRules: input.retryRules.map(ruleOf) }),
    ...(input?.tokenBudget != null && { tokenBudget: input.tokenBudget }),
    ...(input?.costBudget != null && { costBudget: input.costBudget }),
  };
}

type RuleOutput = NonNullable<z.output<typeof executionSchema>['retryRules']>[number];

const ruleOf = (rule: RuleOutput): RetryRule => ({
  category: rule.category,
  ...(rule.retryLimit != null && { retryLimit: rule.retryLimit }),
  ...(rule.backoff != null && { backoff: backoffOf(rule.backoff) }),
});

const backoffOf = (given: z.output<typeof backoff> | null | undefined): Backoff => ({
  baseMs: given?.baseMs ?? DEFAULT_BACKOFF.baseMs,
  factor: given?.factor ?? DEFAULT_BACKOFF.factor,
  maxMs: given?.maxMs ?? DEFAULT_BACKOFF.maxMs,
  jitter: given?.jitter ?? DEFAULT_BACKOFF.jitter,
});
