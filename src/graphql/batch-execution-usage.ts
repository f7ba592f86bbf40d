/** What an execution and its tiers used of language models, and may use. */
import { ExecutionType } from './batch-execution.ts';
import { TierType } from './batch-tier.ts';
import { builder } from './builder.ts';
import { UsageType, usageOf } from './token-usage.ts';

builder.objectFields(ExecutionType, (t) => ({
  usage: t.field({
    type: UsageType,
    complexity: 10,
    description: 'What the calls of all tiers used; zeros while none said.',
    resolve: async (execution, _args, ctx) => (await usageOf(execution, ctx)).total,
  }),
  tokenBudget: t.exposeFloat('tokenBudget', {
    nullable: true,
    description: 'Tokens, a whole number, after whose use it pauses; null for no bound.',
  }),
  costBudget: t.float({
    nullable: true,
    description: 'What its calls may cost before it pauses, in the currency of its prices; null for no bound.',
    resolve: ({ costBudget }) => (costBudget === null ? null : Number(costBudget)),
  }),
}));

builder.objectField(TierType, 'usage', (t) =>
  t.field({
    type: UsageType,
    complexity: 10,
    description: 'What its calls used; zeros while none said.',
    resolve: async ({ execution, number }, _args, ctx) => {
      const { tiers, total } = await usageOf(execution, ctx);
      return tiers[number] ?? total;
    },
  }),
);
