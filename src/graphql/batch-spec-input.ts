/** The inputs that describe a batch: the spec, its filters and parameters, and an execution's overrides. */
import { LIMITS } from '../domain/limits.ts';
import { DEFAULT_BACKOFF } from '../domain/retry-policy.ts';
import { ARTIFACT_RULES, ArtifactRuleInput, OUTPUT_SCHEMA } from './artifact-rule-input.ts';
import { ErrorCategoryEnum } from './batch-status.ts';
import { builder } from './builder.ts';
import { InlineItemInput } from './element-input.ts';
import { BUDGET_TEXT, TokenPricesInput } from './token-usage.ts';

const { concurrency, retryLimit, itemTimeoutMs, backoffMs, backoffFactor } = LIMITS;

export const EXECUTION_TEXT = {
  concurrency: `Items that run at once, ${concurrency.min}-${concurrency.max}.`,
  retryLimit: `Automatic tries more after a failed attempt, in each tier, ${retryLimit.min}-${retryLimit.max}.`,
  itemTimeoutMs: `Time that one attempt may take, in ms, ${itemTimeoutMs.min}-${itemTimeoutMs.max} (24 h).`,
};
const USER_MESSAGE = `at most ${LIMITS.userMessageLength} characters`;

export const BatchInputFilters = builder.inputType('BatchInputFilters', {
  description: 'Which elements are taken: those that pass every filter that is given.',
  fields: (t) => ({
    regex: t.string({
      description: `An RE2 pattern (no look-around, no back-references) that the filename must contain a match of, at most ${LIMITS.patternLength} characters.`,
    }),
    mediaTypes: t.stringList({
      description:
        'Media types, also with a wildcard such as `text/*`, of which one must match; at most 100. An empty list takes nothing.',
    }),
    elementIds: t.idList({
      description: `The ids of the elements to take, at most ${LIMITS.filterElementIds}; ids that are not there are ignored. An empty list takes nothing.`,
    }),
    additionalProperties: t.field({ type: 'JSON', description: 'Your own; kept, not looked at.' }),
  }),
});

const BatchInputConfig = builder.inputType('BatchInputConfig', {
  description: 'Where the elements come from: exactly one of `datasourceId` and `items`; a draft may have neither.',
  fields: (t) => ({
    datasourceId: t.id({ description: 'A datasource of the project, `ds_…`.' }),
    items: t.field({
      type: [InlineItemInput],
      description: `The items themselves, at most ${LIMITS.inlineItems}. They are kept as a datasource of their own; equal lists are one.`,
    }),
    filters: t.field({ type: BatchInputFilters, description: 'Which of the elements are taken; all by default.' }),
  }),
});

const RateUnitEnum = builder.enumType('RateUnit', {
  description: 'The length of time that a rate limit counts in.',
  values: { SECOND: { description: 'Any second.' }, MINUTE: { description: 'Any minute.' } },
});

export const AgentRateLimitInput = builder.inputType('AgentRateLimitInput', {
  description:
    'How often an agent may be called: in no stretch of time of that length do more calls start, on one node, over all executions that give the same limit.',
  fields: (t) => ({
    starts: t.int({
      required: true,
      description: `Calls that may start, ${LIMITS.rateLimitStarts.min}-${LIMITS.rateLimitStarts.max}.`,
    }),
    per: t.field({ type: RateUnitEnum, defaultValue: 'SECOND', description: 'In which time.' }),
  }),
});

export const BatchTierInput = builder.inputType('BatchTierInput', {
  description: 'One stage: an item enters it with the result of the stage before.',
  fields: (t) => ({
    agent: t.string({
      required: true,
      description: "The agent's id or name; or the id of one of its versions, `agv_…`, to run no other.",
    }),
    userMessage: t.string({
      description: `Instructions for the agent, ${USER_MESSAGE}; those of the spec by default.`,
    }),
    config: t.field({
      type: 'JSON',
      description: "The agent's configuration; it must fit the agent's `configSchema`.",
    }),
    rateLimit: t.field({
      type: AgentRateLimitInput,
      description: 'How often the agent may be called; as often as the concurrency allows when absent.',
    }),
    prices: t.field({
      type: TokenPricesInput,
      description: 'What its model costs; without, tokens are counted and cost nothing.',
    }),
    outputSchema: t.field({ type: 'JSON', description: OUTPUT_SCHEMA }),
    artifacts: t.field({ type: [ArtifactRuleInput], description: ARTIFACT_RULES }),
  }),
});

const BackoffJitterEnum = builder.enumType('BackoffJitter', {
  description: 'How a delay is spread, so that items that failed together are not all tried again together.',
  values: {
    FULL: { description: 'Evenly between zero and the computed delay.' },
    NONE: { description: 'Exactly the computed delay.' },
  },
});

export const BackoffInput = builder.inputType('BackoffInput', {
  description:
    'How long to wait between attempts: `baseMs` × `factor` to the power of the failed attempts before, at most `maxMs`.',
  fields: (t) => ({
    baseMs: t.int({
      defaultValue: DEFAULT_BACKOFF.baseMs,
      description: `The first delay, in ms, ${backoffMs.min}-${backoffMs.max}.`,
    }),
    factor: t.float({
      defaultValue: DEFAULT_BACKOFF.factor,
      description: `What each delay is multiplied by for the next, ${backoffFactor.min}-${backoffFactor.max}.`,
    }),
    maxMs: t.int({
      defaultValue: DEFAULT_BACKOFF.maxMs,
      description: `The longest delay, in ms, ${backoffMs.min}-${backoffMs.max}. An error's own \`retryAfterMs\` may exceed it.`,
    }),
    jitter: t.field({
      type: BackoffJitterEnum,
      defaultValue: DEFAULT_BACKOFF.jitter,
      description: 'How a delay is spread.',
    }),
  }),
});

export const RetryRuleInput = builder.inputType('RetryRuleInput', {
  description: 'How errors of one category are retried, in place of the general rules.',
  fields: (t) => ({
    category: t.field({ type: ErrorCategoryEnum, required: true, description: 'Which errors.' }),
    retryLimit: t.int({
      description: `Automatic tries after the first for them, ${retryLimit.min}-${retryLimit.max}; 0 for none. Also makes categories retryable that are not by themselves.`,
    }),
    backoff: t.field({ type: BackoffInput, description: 'The delays for them.' }),
  }),
});

const BatchExecutionParams = builder.inputType('BatchExecutionParams', {
  description: 'How an execution runs.',
  fields: (t) => ({
    concurrency: t.int({ defaultValue: concurrency.default, description: EXECUTION_TEXT.concurrency }),
    retryLimit: t.int({ defaultValue: retryLimit.default, description: EXECUTION_TEXT.retryLimit }),
    itemTimeoutMs: t.int({ defaultValue: itemTimeoutMs.default, description: EXECUTION_TEXT.itemTimeoutMs }),
    backoff: t.field({ type: BackoffInput, description: 'The delays between attempts.' }),
    retryRules: t.field({
      type: [RetryRuleInput],
      description: 'What is otherwise for errors of some categories; at most one rule for each.',
    }),
    tokenBudget: t.float({ description: BUDGET_TEXT.tokenBudget }),
    costBudget: t.float({ description: BUDGET_TEXT.costBudget }),
  }),
});

export const BatchOutputConfig = builder.inputType('BatchOutputConfig', {
  description: 'Where results go.',
  fields: (t) => ({
    datasourceId: t.id({
      description:
        "A datasource of kind RESULTS (`createResultsDatasource`), `ds_…`, that gathers them; null: a datasource of each execution's own.",
    }),
  }),
});

export const BatchSpecInput = builder.inputType('BatchSpecInput', {
  description: 'A batch definition in full: who works on what, and how. Give `agent`, or `tiers` for several stages.',
  fields: (t) => ({
    name: t.string({
      required: true,
      description: `The definition's name in its project: letters and digits with ".", "_" and "-" between them, at most ${LIMITS.nameLength}.`,
    }),
    agent: t.string({
      description:
        "The only tier's agent, by id or name; or one version of an agent, by its id, `agv_…`, to run no other.",
    }),
    config: t.field({
      type: 'JSON',
      description: "The configuration of `agent`; it must fit the agent's `configSchema`.",
    }),
    rateLimit: t.field({ type: AgentRateLimitInput, description: 'How often `agent` may be called.' }),
    prices: t.field({ type: TokenPricesInput, description: 'What the model of `agent` costs.' }),
    outputSchema: t.field({ type: 'JSON', description: OUTPUT_SCHEMA }),
    artifacts: t.field({ type: [ArtifactRuleInput], description: ARTIFACT_RULES }),
    tiers: t.field({ type: [BatchTierInput], description: `The stages in order, 1-${LIMITS.tiers}.` }),
    userMessage: t.string({
      description: `Instructions for every agent whose tier has none of its own, ${USER_MESSAGE}.`,
    }),
    input: t.field({ type: BatchInputConfig, required: true, description: 'The elements to work on.' }),
    output: t.field({
      type: BatchOutputConfig,
      description: "Where results go; a datasource of each execution's own when absent.",
    }),
    execution: t.field({ type: BatchExecutionParams, description: 'How it runs; the defaults where absent.' }),
    additionalProperties: t.field({ type: 'JSON', description: 'Your own; kept, not looked at.' }),
  }),
});

export const BatchSource = builder.inputType('BatchSource', {
  description: 'What to run: a stored definition, or a spec that becomes one.',
  isOneOf: true,
  fields: (t) => ({
    definitionId: t.id({ description: 'A definition version of the project, `def_…`.' }),
    spec: t.field({
      type: BatchSpecInput,
      description:
        'A spec; it is stored as a version of the definition of its name, the same version for the same content.',
    }),
  }),
});

export const BatchInputOverrides = builder.inputType('BatchInputOverrides', {
  description: 'What this execution changes of its definition; the definition stays as it is.',
  fields: (t) => ({
    filters: t.field({
      type: BatchInputFilters,
      description: "Instead of the definition's filters as a whole; `{}` takes everything.",
    }),
    userMessage: t.string({ description: `Instead of the user message of every tier, ${USER_MESSAGE}.` }),
    concurrency: t.int({ description: EXECUTION_TEXT.concurrency }),
    retryLimit: t.int({ description: EXECUTION_TEXT.retryLimit }),
    itemTimeoutMs: t.int({ description: EXECUTION_TEXT.itemTimeoutMs }),
    output: t.field({
      type: BatchOutputConfig,
      description: "Another place for the results; with a `datasourceId` of null one of this execution's own.",
    }),
  }),
});
