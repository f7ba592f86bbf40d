/** Why an execution is as it is: one verdict for a person who asks, derived from what is known of it. */
import type { BlockedReason, DiagnosisFacts, FailureCategory, FailureGroup, Finding } from './diagnosis-facts.ts';
import type { ErrorCategory } from './item-error.ts';
import type { Execution, PauseReason } from './model.ts';
import { closedItems, progressOf } from './progress.ts';
import { type Recommendation, recommend } from './recommendations.ts';
import { isFinalExecution } from './states.ts';

/** The verdict, and what may be done. */
export interface Diagnosis extends Finding {
  readonly recommendations: readonly Recommendation[];
}

type Verdict = Pick<Finding, 'health' | 'reason'> & Partial<Pick<Finding, 'blockedReason' | 'stuckMs'>>;

/** Nothing changed for so long: what should move by itself does not. */
const IDLE_MS = 30_000;
/** A share of failed items from which it counts as failing. */
const FAILING_SHARE = 0.1;

/** What an execution's row and the facts beside it amount to at an instant. */
export function diagnose(execution: Execution, facts: DiagnosisFacts, now: Date): Diagnosis {
  const verdict = isFinalExecution(execution.status)
    ? ended(execution)
    : (held(execution, facts, now) ?? idle(execution, facts, now) ?? moving(execution, facts, now));
  const { health, reason, blockedReason = null, stuckMs = null } = verdict;
  const failureCategory = blockedReason === 'NO_NODE' ? 'ORPHANED' : categoryOf(facts.failures);
  const finding = { health, reason, blockedReason, stuckMs, failureCategory };
  return { ...finding, recommendations: recommend(execution, facts, finding) };
}

function ended(execution: Execution): Verdict {
  const { status, failed, total, error, cancelled, expired } = execution;
  const some = `${failed} of ${total} items failed`;
  switch (status) {
    case 'FAILED':
      return { health: 'FAILING', reason: error ?? `${some}.` };
    case 'EXPIRED':
      return { health: 'FAILING', reason: `Its deadline passed with ${expired} of ${total} items open.` };
    case 'CANCELLED':
      return { health: 'OK', reason: `It was cancelled with ${cancelled} of ${total} items open.` };
    case 'COMPLETED':
      return { health: 'OK', reason: `All ${total} items succeeded.` };
    default:
      return failed > 0
        ? { health: 'FAILING', reason: `It has ended; ${some}.` }
        : { health: 'OK', reason: 'It has ended; some results have field errors.' };
  }
}

const PAUSES: { readonly [reason in PauseReason]: { blockedReason: BlockedReason; reason: string } } = {
  USER: { blockedReason: 'PAUSED', reason: 'It was paused on request.' },
  SAMPLE: { blockedReason: 'SAMPLE', reason: 'Its sample has ended; it waits for somebody to look and resume it.' },
  BUDGET: { blockedReason: 'BUDGET', reason: 'It has used up its budget.' },
  AGENT_STORM: { blockedReason: 'AGENT_STORM', reason: 'Its agent failed at most calls for too long.' },
};

/** Somebody or something known holds it. */
function held(execution: Execution, facts: DiagnosisFacts, now: Date): Verdict | null {
  const { status, pauseReason, waitReason, concurrency, queued, retrying } = execution;
  if (status === 'DRAFT') return { health: 'WAITING', reason: 'It is a draft.', blockedReason: 'DRAFT' };
  if (pauseReason !== null) return { health: 'WAITING', ...PAUSES[pauseReason] };
  if (facts.overdueCalls >= concurrency && queued + retrying > 0) {
    return {
      ...{ health: 'STUCK', blockedReason: 'OVERDUE_CALLS', stuckMs: since(facts.overdueSince, now) },
      reason: `Calls that were told to stop and have not hold its every slot (${concurrency}).`,
    };
  }
  if (status === 'CANCELLING') {
    const idleMs = since(execution.lastActivityAt, now);
    const isStuck = idleMs > IDLE_MS && execution.cancelMode !== 'DRAIN';
    return {
      ...{ health: isStuck ? 'STUCK' : 'WAITING', blockedReason: 'CANCELLING', stuckMs: isStuck ? idleMs : null },
      reason: `It is being cancelled; ${execution.running} items still run.`,
    };
  }
  if (waitReason === null) return null;
  // Only a storm has an instant at which it is tried again.
  const blockedReason = execution.waitUntil === null ? 'OVERDUE_CALLS' : 'AGENT_STORM';
  return { health: 'WAITING', reason: waitReason, blockedReason };
}

/** Nothing of it runs though something should, or nothing has come of what runs. */
function idle(execution: Execution, facts: DiagnosisFacts, now: Date): Verdict | null {
  const { running, queued, retrying, lastActivityAt, spec } = execution;
  const idleMs = since(lastActivityAt, now);
  const lastAt = lastActivityAt.toISOString();
  if (
    running === 0 &&
    queued === 0 &&
    retrying > 0 &&
    (facts.nextAttemptAt ?? now) >= new Date(now.getTime() - IDLE_MS)
  ) {
    const due = facts.nextAttemptAt === null ? '' : ` until ${facts.nextAttemptAt.toISOString()}`;
    return { health: 'WAITING', reason: `${retrying} items wait${due} to be tried again.`, blockedReason: 'BACKOFF' };
  }
  if (running === 0 && idleMs > IDLE_MS && !facts.isOwned) {
    return {
      ...{ health: 'STUCK', blockedReason: 'NO_NODE', stuckMs: idleMs },
      reason: `No node of the service works on it; nothing has changed since ${lastAt}.`,
    };
  }
  const patienceMs = IDLE_MS + (running > 0 ? spec.execution.itemTimeoutMs : 0);
  if (idleMs <= patienceMs) return null;
  return {
    ...{ health: 'STUCK', blockedReason: 'NO_PROGRESS', stuckMs: idleMs },
    reason: `Nothing has changed since ${lastAt}; ${running} items run and ${queued} wait for a slot.`,
  };
}

function moving(execution: Execution, facts: DiagnosisFacts, now: Date): Verdict {
  const { failed, total, queued, running, retrying, concurrency, deadlineAt } = execution;
  const closed = closedItems(execution);
  if (failed > 0 && failed >= closed * FAILING_SHARE) {
    return { health: 'FAILING', reason: `${failed} of the ${closed} items that have ended failed.` };
  }
  if (facts.overdueCalls > 0) {
    const text = `${facts.overdueCalls} of ${concurrency} slots are held by calls that were told to stop and have not.`;
    return { health: 'SLOW', reason: text };
  }
  if (retrying > 0 && retrying >= queued + running) {
    return {
      health: 'SLOW',
      reason: `${retrying} of ${queued + running + retrying} open items failed and wait for their next attempt.`,
    };
  }
  const { estimatedEndAt } = progressOf(execution, now);
  if (deadlineAt !== null && estimatedEndAt !== null && estimatedEndAt > deadlineAt) {
    return { health: 'SLOW', reason: `At its rate it ends at ${estimatedEndAt.toISOString()}, after its deadline.` };
  }
  return { health: 'OK', reason: `${closed} of ${total} items have ended, ${running} run.` };
}

const since = (at: Date | null, now: Date): number => Math.max(now.getTime() - (at ?? now).getTime(), 0);

const INFRASTRUCTURE: ReadonlySet<ErrorCategory> = new Set<ErrorCategory>([
  ...(['NETWORK', 'RATE_LIMIT', 'RESOURCE', 'INTERRUPTED'] as const),
]);

/** What most of the failed items have in common; null when none failed. */
function categoryOf(failures: readonly FailureGroup[]): FailureCategory | null {
  const counts = new Map<FailureCategory, number>();
  for (const { category, count } of failures) {
    const kind = category === 'TIMEOUT' ? 'TIMEOUT' : INFRASTRUCTURE.has(category) ? 'INFRASTRUCTURE' : 'PIPELINE';
    counts.set(kind, (counts.get(kind) ?? 0) + count);
  }
  return [...counts].sort(([, a], [, b]) => b - a)[0]?.[0] ?? null;
}
