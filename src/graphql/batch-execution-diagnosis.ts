/** Why an execution is slow, stuck or failing. */
import {
  BLOCKED_REASONS,
  type BlockedReason,
  FAILURE_CATEGORIES,
  type FailureCategory,
  type FailureGroup,
  HEALTHS,
  type Health,
} from '../domain/diagnosis-facts.ts';
import {
  INFRASTRUCTURE_EVENT_KINDS,
  type InfrastructureEvent,
  type InfrastructureEventKind,
  infrastructureEvents,
} from '../domain/infrastructure-events.ts';
import { RECOMMENDATION_KINDS, type Recommendation, type RecommendationKind } from '../domain/recommendations.ts';
import {
  diagnoseExecution,
  type ExecutionDiagnosis,
  FAILED_SAMPLE,
  MAX_FAILURE_GROUPS,
  sampleFailures,
} from '../services/diagnose-execution.ts';
import { ExecutionType } from './batch-execution.ts';
import { ItemType } from './batch-item.ts';
import { ErrorCategoryEnum } from './batch-status.ts';
import { builder } from './builder.ts';
import { actorOf } from './context.ts';
import { oncePerState } from './once-per-state.ts';

const MAX_INT = 2_147_483_647;

const described = <Value extends string>(values: readonly Value[], texts: { readonly [value in Value]: string }) =>
  Object.fromEntries(values.map((value) => [value, { description: texts[value] }])) as {
    [value in Value]: { description: string };
  };

const HealthEnum = builder.enumType('Health', {
  description: 'The verdict on an execution. More values may come.',
  values: described<Health>(HEALTHS, {
    OK: 'It goes as it should, or has ended well.',
    WAITING: 'It waits for something that is known: somebody, an agent, a backoff.',
    SLOW: 'It goes on, but is held up.',
    STUCK: 'It does not go on, and will not by itself.',
    FAILING: 'A tenth or more of its items fail, or it has ended with failures.',
  }),
});

const BlockedReasonEnum = builder.enumType('BlockedReason', {
  description: 'What holds an execution up. More values may come.',
  values: described<BlockedReason>(BLOCKED_REASONS, {
    DRAFT: 'It is not submitted.',
    PAUSED: 'It was paused on request.',
    SAMPLE: 'Its sample has ended.',
    BUDGET: 'Its budget is used up.',
    AGENT_STORM: 'Its agent fails at most calls.',
    BACKOFF: 'All open items wait for their next attempt.',
    OVERDUE_CALLS: 'Calls that were told to stop and have not hold its slots.',
    NO_NODE: 'No node of the service works on it.',
    NO_PROGRESS: 'Nothing has changed for longer than a call may take.',
    CANCELLING: 'It is being cancelled.',
  }),
});

const FailureCategoryEnum = builder.enumType('FailureCategory', {
  description: 'Where failures come from. More values may come.',
  values: described<FailureCategory>(FAILURE_CATEGORIES, {
    INFRASTRUCTURE: 'The network, a limit of rate or resources, a process that died.',
    TIMEOUT: 'Calls that took too long.',
    ORPHANED: 'Nobody works on it.',
    PIPELINE: 'The agents, their configuration or the inputs.',
  }),
});

const RecommendationKindEnum = builder.enumType('RecommendationKind', {
  description: 'What may help. More values may come.',
  values: described<RecommendationKind>(RECOMMENDATION_KINDS, {
    SUBMIT: 'Submit the draft.',
    RESUME: 'Let it go on.',
    WAIT: 'Nothing: it goes on by itself.',
    RETRY_TRANSIENT: 'Retry what may pass by itself.',
    RETRY_ALL: 'Retry all that failed, once the cause is mended.',
    FIX_AGENT: "Mend the agent's code.",
    FIX_INPUTS: 'Mend the inputs.',
    FIX_OUTPUT: "Make the agent's results fit what the tier promises, or the promise fit the results.",
    FIX_CREDENTIALS: "Mend the agent's credentials.",
    RAISE_TIMEOUT: 'Give calls more time.',
    LOWER_CONCURRENCY: 'Make fewer calls at a time.',
    EXTEND_DEADLINE: 'Give it a later deadline.',
    RAISE_BUDGET: 'Give it a greater budget.',
    STOP_OVERDUE_CALLS: 'End the calls that do not stop.',
    START_NODE: 'Start a node of the service.',
    CANCEL: 'Give it up.',
  }),
});

const EventKindEnum = builder.enumType('InfrastructureEventKind', {
  description: 'What befell an execution. More values may come.',
  values: described<InfrastructureEventKind>(INFRASTRUCTURE_EVENT_KINDS, {
    NODE_LOST: 'A process that ran it ended without giving it back.',
    ITEMS_INTERRUPTED: 'Items were running when their process died, and were run again.',
    WORKER_CRASH: 'Items failed because their process died too often.',
    CALLS_OVERDUE: 'Calls were told to stop and have not.',
  }),
});

const ActionType = builder.objectRef<NonNullable<Recommendation['action']>>('NextAction').implement({
  description: 'A mutation that would help.',
  fields: (t) => ({
    mutation: t.exposeString('mutation', { description: 'Its name, e.g. `retryFailedItems`.' }),
    input: t.expose('input', {
      type: 'JSON',
      description: 'The `input` that it takes; what only you can know is left out, e.g. a new deadline.',
    }),
  }),
});

const RecommendationType = builder.objectRef<Recommendation>('Recommendation').implement({
  description: 'One thing that may help.',
  fields: (t) => ({
    kind: t.expose('kind', { type: RecommendationKindEnum, description: 'What it is, for programs.' }),
    text: t.exposeString('text', { description: 'What it is, for people.' }),
    action: t.expose('action', {
      type: ActionType,
      nullable: true,
      description: 'The mutation that does it; null when none does.',
    }),
  }),
});

const FailureGroupType = builder.objectRef<FailureGroup>('FailureGroup').implement({
  description: 'Failed items that ended alike.',
  fields: (t) => ({
    category: t.expose('category', { type: ErrorCategoryEnum, description: 'What kind of error it is.' }),
    code: t.exposeString('code', { description: 'The error for programs.' }),
    tier: t.exposeInt('tier', { description: 'The tier they failed in, from 0.' }),
    transient: t.exposeBoolean('transient', { description: 'Whether a later attempt may succeed.' }),
    count: t.exposeInt('count', { description: 'How many items.' }),
  }),
});

const EventType = builder.objectRef<InfrastructureEvent>('InfrastructureEvent').implement({
  description: 'Something that befell an execution.',
  fields: (t) => ({
    kind: t.expose('kind', { type: EventKindEnum, description: 'What it was.' }),
    count: t.exposeInt('count', { description: 'How often, or how many of them.' }),
    at: t.expose('at', {
      type: 'DateTime',
      nullable: true,
      description: 'When it happened last, or began; null when that is not kept.',
    }),
    text: t.exposeString('text', { description: 'What it was, for people.' }),
  }),
});

const DiagnosisType = builder.objectRef<ExecutionDiagnosis>('BatchDiagnosis').implement({
  description: 'Why an execution is as it is, looked into when asked for.',
  fields: (t) => ({
    health: t.expose('health', { type: HealthEnum, description: 'The verdict.' }),
    reason: t.exposeString('reason', { description: 'What the verdict rests on, in a sentence for people.' }),
    blockedReason: t.expose('blockedReason', {
      type: BlockedReasonEnum,
      nullable: true,
      description: 'What holds it up; null when nothing does.',
    }),
    stuckMs: t.int({
      nullable: true,
      description: 'For how many milliseconds it has been STUCK; null when it is not.',
      resolve: ({ stuckMs }) => (stuckMs === null ? null : Math.min(stuckMs, MAX_INT)),
    }),
    overdueCalls: t.int({
      description: 'Calls that were told to stop, have not, and hold slots; told of after some seconds.',
      resolve: ({ facts }) => facts.overdueCalls,
    }),
    failureCategory: t.expose('failureCategory', {
      type: FailureCategoryEnum,
      nullable: true,
      description: 'Where most failures come from; null when nothing failed.',
    }),
    failures: t.field({
      type: [FailureGroupType],
      complexity: { field: 1, multiplier: 10 },
      description: `Failed items by category, code and tier, most frequent first, at most ${MAX_FAILURE_GROUPS} groups.`,
      resolve: ({ facts }) => [...facts.failures],
    }),
    failedItems: t.field({
      type: [ItemType],
      complexity: { field: 10, multiplier: FAILED_SAMPLE },
      description: `The first failed items in input order, at most ${FAILED_SAMPLE}.`,
      resolve: ({ executionId }, _args, ctx) => sampleFailures(ctx.deps, actorOf(ctx), executionId),
    }),
    recommendations: t.field({
      type: [RecommendationType],
      complexity: { field: 1, multiplier: 3 },
      description: 'What may help, the most useful first; empty when all is well.',
      resolve: ({ recommendations }) => [...recommendations],
    }),
    infrastructureEvents: t.field({
      type: [EventType],
      description: 'What befell it that neither its agents nor its inputs are to blame for.',
      resolve: ({ facts }) => [...infrastructureEvents(facts)],
    }),
    at: t.expose('at', { type: 'DateTime', description: 'When it was looked into.' }),
  }),
});

const diagnosisOf = oncePerState<ExecutionDiagnosis>((executions, ctx) =>
  Promise.all(executions.map((execution) => diagnoseExecution(ctx.deps, actorOf(ctx), execution))),
);

/** Grouping the failed items reads each of them. */
const DIAGNOSIS_COST = 100;

builder.objectFields(ExecutionType, (t) => ({
  diagnosis: t.field({
    type: DiagnosisType,
    complexity: DIAGNOSIS_COST,
    description: 'Why it is slow, stuck or failing, and what would help.',
    resolve: (execution, _args, ctx) => diagnosisOf(execution, ctx),
  }),
}));
