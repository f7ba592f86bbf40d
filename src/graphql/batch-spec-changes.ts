/** The input of a partial update of a definition: what is absent stays, null goes back to the default. */
import { LIMITS } from '../domain/limits.ts';
import { ARTIFACT_RULES, ArtifactRuleInput, OUTPUT_SCHEMA } from './artifact-rule-input.ts';
import {
  AgentRateLimitInput,
  BackoffInput,
  BatchInputFilters,
  BatchOutputConfig,
  BatchTierInput,
  EXECUTION_TEXT,
  RetryRuleInput,
} from './batch-spec-input.ts';
import { builder } from './builder.ts';
import { InlineItemInput } from './element-input.ts';
import { BUDGET_TEXT, TokenPricesInput } from './token-usage.ts';

const BatchInputChanges = builder.inputType('BatchInputChanges', {
  description: 'What is otherwise about the elements; at most one of `datasourceId` and `items`.',
  fields: (t) => ({
    datasourceId: t.id({ description: 'Another datasource of the project, `ds_…`.' }),
    items: t.field({
      type: [InlineItemInput],
      description: `Items in place of what was read, at most ${LIMITS.inlineItems}.`,
    }),
    filters: t.field({ type: BatchInputFilters, description: 'Other filters, as a whole; null: none.' }),
  }),
});

const BatchExecutionChanges = builder.inputType('BatchExecutionChanges', {
  description: 'What is otherwise about how an execution runs; null: the default.',
  fields: (t) => ({
    concurrency: t.int({ description: EXECUTION_TEXT.concurrency }),
    retryLimit: t.int({ description: EXECUTION_TEXT.retryLimit }),
    itemTimeoutMs: t.int({ description: EXECUTION_TEXT.itemTimeoutMs }),
    backoff: t.field({ type: BackoffInput, description: 'Other delays between attempts, as a whole.' }),
    retryRules: t.field({ type: [RetryRuleInput], description: 'Other rules, as a whole; null: none.' }),
    tokenBudget: t.float({ description: BUDGET_TEXT.tokenBudget }),
    costBudget: t.float({ description: BUDGET_TEXT.costBudget }),
  }),
});

export const BatchSpecChanges = builder.inputType('BatchSpecChanges', {
  description:
    'What is otherwise in the next version of a definition: what is absent stays as it is, null goes back to the default. The name stays.',
  fields: (t) => ({
    agent: t.string({ description: "Another agent for the only tier, by id or name; the tier's other values stay." }),
    config: t.field({ type: 'JSON', description: 'Another configuration for the only tier; null: none.' }),
    rateLimit: t.field({ type: AgentRateLimitInput, description: 'Another limit for the only tier; null: none.' }),
    outputSchema: t.field({ type: 'JSON', description: `For the only tier; null: none. ${OUTPUT_SCHEMA}` }),
    artifacts: t.field({
      type: [ArtifactRuleInput],
      description: `For the only tier, as a whole; null: none. ${ARTIFACT_RULES}`,
    }),
    prices: t.field({ type: TokenPricesInput, description: 'Other prices for the only tier; null: none.' }),
    tiers: t.field({ type: [BatchTierInput], description: `Other stages, all of them, 1-${LIMITS.tiers}.` }),
    userMessage: t.string({ description: 'Other instructions, for every tier; null: none.' }),
    input: t.field({ type: BatchInputChanges, description: 'What is otherwise about the elements.' }),
    output: t.field({
      type: BatchOutputConfig,
      description: "Another place for the results; null: a datasource of each execution's own.",
    }),
    execution: t.field({
      type: BatchExecutionChanges,
      description: 'What is otherwise about how it runs, parameter by parameter; null: all defaults.',
    }),
    additionalProperties: t.field({ type: 'JSON', description: 'Your own; kept, not looked at. null: none.' }),
  }),
});
