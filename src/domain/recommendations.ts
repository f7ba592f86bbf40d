/** What would help an execution, each with the mutation that does it where there is one. */
import type { DiagnosisFacts, FailureGroup, Finding } from './diagnosis-facts.ts';
import type { Execution } from './model.ts';
import { OUTPUT_MISMATCH } from './output-rules.ts';
import { isFinalExecution } from './states.ts';

export const RECOMMENDATION_KINDS = [
  ...(['SUBMIT', 'RESUME', 'WAIT', 'RETRY_TRANSIENT', 'RETRY_ALL', 'FIX_AGENT', 'FIX_INPUTS', 'FIX_OUTPUT'] as const),
  ...(['FIX_CREDENTIALS', 'RAISE_TIMEOUT', 'LOWER_CONCURRENCY', 'EXTEND_DEADLINE', 'RAISE_BUDGET'] as const),
  ...(['STOP_OVERDUE_CALLS', 'START_NODE', 'CANCEL'] as const),
] as const;
export type RecommendationKind = (typeof RECOMMENDATION_KINDS)[number];

/** One thing to do. */
export interface Recommendation {
  readonly kind: RecommendationKind;
  /** For people. */
  readonly text: string;
  /** The mutation that does it, and the `input` that it takes as far as it is known; null where none does. */
  readonly action: { readonly mutation: string; readonly input: Readonly<Record<string, unknown>> } | null;
}

/** What to do about a finding, the most useful first; empty when all is well. */
export function recommend(execution: Execution, facts: DiagnosisFacts, finding: Finding): readonly Recommendation[] {
  return [...unblock(execution, finding), ...mend(execution, facts), ...retry(execution, facts)];
}

function unblock(execution: Execution, { blockedReason, health }: Finding): readonly Recommendation[] {
  const { id, concurrency, deadlineAt, status } = execution;
  const on = { batchExecutionId: id };
  const act = (kind: RecommendationKind, text: string, mutation: string, input: object = {}): Recommendation => ({
    ...{ kind, text },
    action: { mutation, input: { ...on, ...input } },
  });
  const resume = (text: string) => act('RESUME', text, 'resumeBatchExecution');
  switch (blockedReason) {
    case 'DRAFT':
      return [act('SUBMIT', 'Submit it once all its items are there.', 'submitBatchExecution')];
    case 'PAUSED':
      return [resume('Resume it.')];
    case 'SAMPLE':
      return [resume('Look at the results of the sample, then resume it.')];
    case 'BUDGET':
      return [act('RAISE_BUDGET', 'Raise its budget, then resume it.', 'updateBatchExecution'), resume('Resume it.')];
    case 'AGENT_STORM': {
      const lower = Math.max(1, Math.floor(concurrency / 2));
      const text = 'Call the agent less often: it refuses or drops most calls.';
      const less = act('LOWER_CONCURRENCY', text, 'updateBatchExecution', { concurrency: lower });
      return status === 'PAUSED'
        ? [less, resume('Resume it once the agent is back.')]
        : [{ kind: 'WAIT', text: 'The agent is tried again by itself.', action: null }, less];
    }
    case 'BACKOFF':
      return [{ kind: 'WAIT', text: 'The items are tried again by themselves.', action: null }];
    case 'OVERDUE_CALLS':
      return [
        { kind: 'STOP_OVERDUE_CALLS', text: OVERDUE_TEXT, action: null },
        act('CANCEL', 'Or give it up.', 'cancelBatchExecution'),
      ];
    case 'NO_NODE':
      return [{ kind: 'START_NODE', text: 'Start the service, or ask its operator why no node runs.', action: null }];
    case 'NO_PROGRESS':
      return [
        { kind: 'WAIT', text: 'Other executions may hold the slots of the node: see what else runs.', action: null },
      ];
    default: {
      const isLate = health === 'SLOW' && deadlineAt !== null;
      if (status !== 'EXPIRED' && !isLate) return [];
      return isLate
        ? [act('EXTEND_DEADLINE', 'Give it a later deadline, or more concurrency.', 'updateBatchExecution')]
        : [
            act('EXTEND_DEADLINE', 'Retry it with a later deadline.', 'retryFailedItems', {
              statuses: ['EXPIRED'],
              mode: 'ALL',
            }),
          ];
    }
  }
}

const OVERDUE_TEXT =
  "Make the agent heed its context's `signal`, and let it run threaded, where a call that goes on can be ended; restarting the service ends those that there are.";

/** What to change so that the same does not happen again. */
function mend(execution: Execution, { failures }: DiagnosisFacts): readonly Recommendation[] {
  const count = (matches: (group: FailureGroup) => boolean): number =>
    failures.filter(matches).reduce((sum, group) => sum + group.count, 0);
  const some: Recommendation[] = [];
  const add = (kind: RecommendationKind, items: number, text: string): void => {
    if (items > 0) some.push({ kind, text: `${items} items: ${text}`, action: null });
  };
  const timeout = execution.spec.execution.itemTimeoutMs;
  add(
    'FIX_CREDENTIALS',
    count(({ category }) => category === 'AUTHENTICATION'),
    'the agent was refused; check its key.',
  );
  add(
    'RAISE_TIMEOUT',
    count(({ category }) => category === 'TIMEOUT'),
    `calls took longer than ${timeout} ms; allow more.`,
  );
  add(
    'LOWER_CONCURRENCY',
    count(({ category }) => category === 'RATE_LIMIT' || category === 'RESOURCE'),
    'the agent had too much to do; call it less often.',
  );
  add(
    'FIX_OUTPUT',
    count(({ code }) => code === OUTPUT_MISMATCH),
    'results miss what their tier promises; see their `fieldErrors`.',
  );
  add(
    'FIX_INPUTS',
    count(({ category, code }) => category === 'VALIDATION' && code !== OUTPUT_MISMATCH),
    'the agent refused the input.',
  );
  add(
    'FIX_AGENT',
    count(({ category }) => category === 'RUNTIME' || category === 'DEPENDENCY'),
    'the agent broke; see `error` of the items.',
  );
  return some;
}

function retry({ id, status, failed }: Execution, { failures }: DiagnosisFacts): readonly Recommendation[] {
  if (!isFinalExecution(status) || failed === 0) return [];
  const transient = failures.filter((group) => group.transient).reduce((sum, group) => sum + group.count, 0);
  // The numbers are of all items, also of those that were retried as often as a retry takes by default.
  const act = (mode: string) => ({
    mutation: 'retryFailedItems',
    input: { batchExecutionId: id, mode, maxRetryCount: null },
  });
  const some: Recommendation[] = [];
  if (transient > 0) {
    const text = `Retry the ${transient} items whose error may pass by itself.`;
    some.push({ kind: 'RETRY_TRANSIENT', text, action: act('TRANSIENT_ONLY') });
  }
  if (transient < failed) {
    some.push({
      kind: 'RETRY_ALL',
      text: `Retry all ${failed} failed items once the cause is mended.`,
      action: act('ALL'),
    });
  }
  return some;
}
