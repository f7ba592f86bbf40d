/** Tokens of language models: what calls used, and the inputs that price it. */
import { LIMITS } from '../domain/limits.ts';
import type { Execution } from '../domain/model.ts';
import type { PricedUsage } from '../domain/usage.ts';
import { type ExecutionUsage, summarizeUsage, type UsageTotal } from '../services/summarize-usage.ts';
import { builder } from './builder.ts';
import { actorOf } from './context.ts';
import { oncePerState } from './once-per-state.ts';

const { tokenPrice } = LIMITS;
const WHOLE = 'a whole number';

/** What an execution used, loaded once for each state of it. */
export const usageOf = oncePerState<ExecutionUsage>((executions: readonly Execution[], ctx) =>
  summarizeUsage(ctx.deps, actorOf(ctx), executions),
);

export const UsageType = builder.objectRef<UsageTotal>('BatchUsage').implement({
  description:
    'What calls of language models used, over all rounds: those whose outcome was recorded, failed ones too. Counts are whole numbers, as Float because they may exceed Int.',
  fields: (t) => ({
    calls: t.exposeFloat('calls', { description: `Calls that said what they used, ${WHOLE}.` }),
    inputTokens: t.exposeFloat('inputTokens', { description: `Tokens of their inputs, ${WHOLE}.` }),
    outputTokens: t.exposeFloat('outputTokens', { description: `Tokens that they answered, ${WHOLE}.` }),
    cachedInputTokens: t.exposeFloat('cachedInputTokens', {
      description: `Of the input, those that the model had cached, ${WHOLE}.`,
    }),
    totalTokens: t.exposeFloat('totalTokens', { description: `All tokens, as the calls said, ${WHOLE}.` }),
    cost: t.exposeString('cost', {
      nullable: true,
      description: 'What they cost, as an exact decimal number, e.g. `0.00345`; null where no tier has prices.',
    }),
    currency: t.exposeString('currency', {
      nullable: true,
      description: 'The currency of `cost`, as of ISO 4217; null where no tier has prices.',
    }),
  }),
});

export const CallUsageType = builder.objectRef<PricedUsage>('CallUsage').implement({
  description: 'What one call of a language model used.',
  fields: (t) => ({
    inputTokens: t.exposeFloat('inputTokens', { description: `Tokens of its input, ${WHOLE}.` }),
    outputTokens: t.exposeFloat('outputTokens', { description: `Tokens that it answered, ${WHOLE}.` }),
    cachedInputTokens: t.exposeFloat('cachedInputTokens', {
      description: `Of the input, those that the model had cached, ${WHOLE}.`,
    }),
    reasoningTokens: t.float({
      description: `Of the output, those that were spent on reasoning, ${WHOLE}.`,
      resolve: ({ reasoningTokens }) => reasoningTokens ?? 0,
    }),
    totalTokens: t.exposeFloat('totalTokens', { description: `All tokens, ${WHOLE}.` }),
    model: t.exposeString('model', { nullable: true, description: 'The model, as the agent named it; null when not.' }),
    cost: t.exposeString('cost', {
      nullable: true,
      description: "What it cost, as an exact decimal number of the tier's currency; null where it has no prices.",
    }),
  }),
});

const PRICE = `${tokenPrice.min}-${tokenPrice.max}, at most six decimals`;

export const TokenPricesInput = builder.inputType('TokenPricesInput', {
  description: 'What the model of a tier costs. All tiers that have prices must have the same currency.',
  fields: (t) => ({
    inputPerMillion: t.float({ required: true, description: `A million tokens of input, ${PRICE}.` }),
    outputPerMillion: t.float({ required: true, description: `A million tokens of output, ${PRICE}.` }),
    cachedInputPerMillion: t.float({
      description: `A million tokens of input that the model had cached, ${PRICE}; that of input by default.`,
    }),
    currency: t.string({ defaultValue: 'USD', description: 'The currency: three capital letters, as of ISO 4217.' }),
  }),
});

/** What the inputs of budgets say. */
export const BUDGET_TEXT = {
  tokenBudget:
    'Tokens, a whole number of 1 or more: once its calls have used as many it pauses with the reason BUDGET, and what runs finishes. No bound when absent.',
  costBudget: "The same by cost, in the currency of the tiers' prices, more than 0. Needs prices of at least one tier.",
};
