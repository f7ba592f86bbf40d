/** Retrying what an execution left unsuccessful, in a new round. */
import { z } from 'zod';
import { parseItemId } from '../domain/ids.ts';
import { LIMITS } from '../domain/limits.ts';
import type { Actor, Execution } from '../domain/model.ts';
import {
  AGENT_VERSION_CHOICES,
  RETRY_MODES,
  RETRYABLE_STATUSES,
  type RetrySelection,
  SKIP_REASONS,
  type SkipReason,
} from '../domain/retry-selection.ts';
import type { PinnedSpec, PinnedTier } from '../domain/spec.ts';
import { executionMoveFrom, ITEM_STATUSES } from '../domain/states.ts';
import { InvalidStateError, NotFoundError, ValidationError, type ValidationIssue } from '../domain/user-error.ts';
import { findExecution } from '../store/execution-rows.ts';
import { openRound, type RetryTally, tallyRetry } from '../store/retry-items.ts';
import { checkInput } from './check-input.ts';
import { deadline } from './execution-control.ts';
import type { ServiceDeps } from './ports.ts';
import { requireRole } from './require-role.ts';

const { maxRetryCount: cap } = LIMITS;

const schemaAt = (now: Date) =>
  z.object({
    batchExecutionId: z.string(),
    mode: z.enum(RETRY_MODES).nullish(),
    tierNums: z.array(z.int()).max(LIMITS.tiers).nullish(),
    maxRetryCount: z.int().min(cap.min).max(cap.max).nullish(),
    itemIds: z.array(z.string()).min(1).max(LIMITS.inlineItems).nullish(),
    errorCodes: z.array(z.string()).min(1).max(100).nullish(),
    statuses: z.array(z.enum(ITEM_STATUSES)).min(1).nullish(),
    agentVersion: z.enum(AGENT_VERSION_CHOICES).nullish(),
    expectedRound: z.int().min(0).nullish(),
    deadlineAt: deadline(now).nullish(),
    dryRun: z.boolean().nullish(),
  });

/** The arguments of a retry; absent ones have their defaults, and `maxRetryCount: null` means no cap. */
export type RetryFailedItemsInput = z.input<ReturnType<typeof schemaAt>>;

export interface RetryFailedItemsAnswer {
  readonly execution: Execution;
  /** Items that the new round runs, or would run. */
  readonly retriedCount: number;
  /** Unsuccessful items left out, by the first reason that applies; reasons without items are not listed. */
  readonly skipped: readonly { readonly reason: SkipReason; readonly count: number }[];
}

/**
 * Opens the next round with the unsuccessful items that the input selects; with `dryRun` only counts them.
 *
 * A retry that selects nothing opens no round. `expectedRound` names the round the caller has seen: if another
 * retry opened one since, nothing is run twice and the answer is an InvalidStateError.
 */
export async function retryFailedItems(
  deps: ServiceDeps,
  actor: Actor,
  input: RetryFailedItemsInput,
): Promise<RetryFailedItemsAnswer> {
  requireRole(actor, 'MEMBER');
  const request = checkInput(schemaAt(deps.now()), input);
  const execution = await findExecution(deps.db, actor.projectId, request.batchExecutionId);
  if (execution === undefined) throw new NotFoundError('batch execution', request.batchExecutionId);
  const selection = selectionOf(request, execution);
  mustBeAtRest(execution, request.expectedRound ?? null);
  mustHaveTime(execution, request.deadlineAt ?? null, deps.now());
  const tally = await tallyRetry(deps.db, execution.id, execution.total, selection);
  if (request.dryRun || tally.retried === 0) {
    // Counted from items that another call may have moved meanwhile: then it is no answer.
    const now = (await findExecution(deps.db, actor.projectId, execution.id)) ?? execution;
    if (now.revision !== execution.revision) throw changedMeanwhile(now);
    return answer(execution, tally);
  }

  const spec = request.agentVersion === 'LATEST' ? await withLatestAgents(deps, actor, execution.spec) : execution.spec;
  const opened = await openRound(deps.db, actor.projectId, execution.id, {
    expectedRound: execution.round,
    selection,
    spec,
    ...(request.deadlineAt != null && { deadlineAt: request.deadlineAt }),
    now: deps.now(),
  });
  const after = (await findExecution(deps.db, actor.projectId, execution.id)) ?? execution;
  if (opened === null) throw changedMeanwhile(after);
  deps.publish(execution.id, opened.revision);
  deps.engine.wake(execution.id);
  return answer(after, tally);
}

function answer(execution: Execution, tally: RetryTally): RetryFailedItemsAnswer {
  const skipped = SKIP_REASONS.map((reason) => ({ reason, count: tally.skipped.get(reason) ?? 0 }));
  return { execution, retriedCount: tally.retried, skipped: skipped.filter(({ count }) => count > 0) };
}

function changedMeanwhile({ status, round }: Execution): InvalidStateError {
  return new InvalidStateError(
    `Another call changed the execution meanwhile; it is ${status} in round ${round}.`,
    status,
  );
}

function mustBeAtRest(execution: Execution, expectedRound: number | null): void {
  const { status, round } = execution;
  if (expectedRound !== null && expectedRound !== round) {
    throw new InvalidStateError(
      `The execution is in round ${round}, not ${expectedRound}: it was retried before.`,
      status,
    );
  }
  if (!executionMoveFrom('retry').includes(status)) {
    const why = status === 'COMPLETED' ? 'has no unsuccessful item' : 'has not ended';
    throw new InvalidStateError(`The execution is ${status}: it ${why}, so there is nothing to retry.`, status);
  }
}

/** A deadline that has passed would end the new round at once, so it asks for a new one. */
function mustHaveTime(execution: Execution, deadlineAt: Date | null, now: Date): void {
  if (deadlineAt !== null || execution.deadlineAt === null || execution.deadlineAt > now) return;
  const msg = `The deadline ${execution.deadlineAt.toISOString()} has passed: the retry needs a new one.`;
  throw new ValidationError([{ loc: ['input', 'deadlineAt'], msg, type: 'missing' }]);
}

/** The complete selection; every problem of its lists at once. */
function selectionOf(request: z.output<ReturnType<typeof schemaAt>>, execution: Execution): RetrySelection {
  const issues: ValidationIssue[] = [];
  const reject = (field: string, index: number, msg: string, type: string): void =>
    void issues.push({ loc: ['input', field, String(index)], msg, type });
  const tiers = request.tierNums?.length ? request.tierNums : null;
  tiers?.forEach((tier, index) => {
    if (tier < 0 || tier >= execution.spec.tiers.length)
      reject('tierNums', index, `The execution has no tier ${tier}.`, 'not_found');
  });
  const statuses = request.statuses ?? ['FAILED' as const];
  statuses.forEach((status, index) => {
    if (!RETRYABLE_STATUSES.some((retryable) => retryable === status)) {
      reject(
        'statuses',
        index,
        `Items that are ${status} cannot be retried; ${RETRYABLE_STATUSES.join(', ')} can.`,
        'not_allowed',
      );
    }
  });
  const ordinals = request.itemIds?.map((id, index) => {
    const item = parseItemId(id);
    if (item?.executionId === execution.id && item.ordinal < execution.total) return item.ordinal;
    reject('itemIds', index, `The execution has no item ${JSON.stringify(id.slice(0, 80))}.`, 'not_found');
    return -1;
  });
  if (issues.length > 0) throw new ValidationError(issues);
  return {
    mode: request.mode ?? 'TRANSIENT_ONLY',
    statuses,
    tiers,
    errorCodes: request.errorCodes ?? null,
    ordinals: ordinals ?? null,
    maxRetryCount: request.maxRetryCount === undefined ? cap.default : request.maxRetryCount,
  };
}

/** The spec with the newest offered version of each tier's agent, whose schema must still take the tier's config. */
async function withLatestAgents(deps: ServiceDeps, actor: Actor, spec: PinnedSpec): Promise<PinnedSpec> {
  const issues: ValidationIssue[] = [];
  const loc = ['input', 'agentVersion'];
  const tiers: PinnedTier[] = [];
  for (const tier of spec.tiers) {
    const found = await deps.agents.resolve(actor.projectId, tier.agentId);
    if (found === null) {
      issues.push({ loc, msg: `The agent ${tier.agentName} is no longer offered.`, type: 'not_found' });
      continue;
    }
    for (const { path, message } of await deps.agents.configProblems(found.version.id, tier.config ?? null)) {
      issues.push({
        loc,
        msg: `The newest ${tier.agentName} does not take the tier's config: ${path} ${message}`,
        type: 'config',
      });
    }
    tiers.push({ ...tier, agentVersionId: found.version.id, agentVersion: found.version.version });
  }
  if (issues.length > 0) throw new ValidationError(issues);
  return { ...spec, tiers };
}
