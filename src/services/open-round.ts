/** What a retry and a resubmit have in common: an execution at rest, and the opening of its next round. */
import { z } from 'zod';
import type { Actor, Execution } from '../domain/model.ts';
import {
  AGENT_VERSION_CHOICES,
  type RoundParameters,
  type RoundSelection,
  SKIP_REASONS,
  type SkipReason,
} from '../domain/retry-selection.ts';
import type { PinnedSpec, PinnedTier } from '../domain/spec.ts';
import { type ExecutionVerb, executionMoveFrom } from '../domain/states.ts';
import { InvalidStateError, NotFoundError, ValidationError, type ValidationIssue } from '../domain/user-error.ts';
import { findExecution } from '../store/execution-rows.ts';
import { isResubmit, tallyRound } from '../store/round-selection.ts';
import { moveRoundChunk, openRound } from '../store/rounds.ts';
import { deadline, priority } from './execution-control.ts';
import type { ServiceDeps } from './ports.ts';
import { concurrency, itemTimeoutMs, retryLimit } from './spec-input.ts';

/** The arguments that every kind of round has. */
export const roundFields = (now: Date) => ({
  batchExecutionId: z.string(),
  agentVersion: z.enum(AGENT_VERSION_CHOICES).nullish(),
  expectedRound: z.int().min(0).nullish(),
  deadlineAt: deadline(now).nullish(),
  dryRun: z.boolean().nullish(),
  concurrency: concurrency.nullish(),
  retryLimit: retryLimit.nullish(),
  itemTimeoutMs: itemTimeoutMs.nullish(),
  priority: priority.nullish(),
});
type RoundRequest = z.output<z.ZodObject<ReturnType<typeof roundFields>>>;

/** What a round took, or would take. */
export interface RoundAnswer {
  readonly execution: Execution;
  /** Items that the new round runs. */
  readonly taken: number;
  /** Items left out, by the first reason that applies; reasons without items are not listed. */
  readonly skipped: readonly { readonly reason: SkipReason; readonly count: number }[];
}

/** The execution, if the verb may open its next round; throws NotFoundError or InvalidStateError else. */
export async function findAtRest(
  deps: ServiceDeps,
  actor: Actor,
  verb: Extract<ExecutionVerb, 'retry' | 'resubmit'>,
  request: Pick<RoundRequest, 'batchExecutionId' | 'expectedRound'>,
): Promise<Execution> {
  const execution = await findExecution(deps.db, actor.projectId, request.batchExecutionId);
  if (execution === undefined) throw new NotFoundError('batch execution', request.batchExecutionId);
  const { status, round } = execution;
  const expected = request.expectedRound ?? round;
  if (expected !== round) {
    const why = expected < round ? ': another call opened a round before.' : '.';
    throw new InvalidStateError(`The execution is in round ${round}, not ${expected}${why}`, status);
  }
  if (!executionMoveFrom(verb).includes(status)) {
    const why = status === 'COMPLETED' ? 'has no unsuccessful item' : 'has not ended';
    throw new InvalidStateError(`The execution is ${status}: it ${why}, so there is nothing to ${verb}.`, status);
  }
  return execution;
}

/**
 * Opens the next round with what the selection takes; with `dryRun` only counts it.
 *
 * A selection of nothing opens no round. If another call opened one since the execution was read, nothing is run
 * twice and the answer is an InvalidStateError.
 */
export async function runRound(
  deps: ServiceDeps,
  actor: Actor,
  execution: Execution,
  request: RoundRequest,
  selection: RoundSelection,
): Promise<RoundAnswer> {
  mustHaveTime(execution, request.deadlineAt ?? null, deps.now());
  const spec = await specOf(deps, actor, execution.spec, request, firstTier(selection));
  const { taken, skipped } = await tallyRound(deps.db, execution.id, execution.total, selection);
  const counts = SKIP_REASONS.map((reason) => ({ reason, count: skipped.get(reason) ?? 0 }));
  const answer = { taken, skipped: counts.filter(({ count }) => count > 0) };
  if (request.dryRun || taken === 0) {
    // Counted from items that another call may have moved meanwhile: then it is no answer.
    const now = (await findExecution(deps.db, actor.projectId, execution.id)) ?? execution;
    if (now.revision !== execution.revision) throw changedMeanwhile(now);
    return { execution, ...answer };
  }

  const opened = await openRound(deps.db, actor.projectId, execution.id, {
    ...{ expectedRound: execution.round, selection, spec, parameters: parametersOf(request), now: deps.now() },
    ...(request.deadlineAt != null && { deadlineAt: request.deadlineAt }),
  });
  const after = (await findExecution(deps.db, actor.projectId, execution.id)) ?? execution;
  if (opened === null) throw changedMeanwhile(after);
  deps.publish(execution.id, opened.revision);
  deps.engine.wake(execution.id);
  return { execution: after, ...answer };
}

/** Moves what a round that is being opened has yet to take: until then those items look as if they had ended. */
export async function finishOpening(deps: ServiceDeps, executionId: string): Promise<void> {
  for (let more = true; more; ) {
    const chunk = await moveRoundChunk(deps.db, executionId, deps.now());
    if (chunk !== null && chunk.revision !== null) deps.publish(executionId, chunk.revision);
    more = chunk?.more ?? false;
  }
}

function parametersOf(request: RoundRequest): RoundParameters {
  return {
    ...(request.concurrency != null && { concurrency: request.concurrency }),
    ...(request.retryLimit != null && { retryLimit: request.retryLimit }),
    ...(request.itemTimeoutMs != null && { itemTimeoutMs: request.itemTimeoutMs }),
    ...(request.priority != null && { priority: request.priority }),
  };
}

function changedMeanwhile({ status, round }: Execution): InvalidStateError {
  return new InvalidStateError(
    `Another call changed the execution meanwhile; it is ${status} in round ${round}.`,
    status,
  );
}

/** A deadline that has passed would end the new round at once, so it asks for a new one. */
function mustHaveTime(execution: Execution, deadlineAt: Date | null, now: Date): void {
  if (deadlineAt !== null || execution.deadlineAt === null || execution.deadlineAt > now) return;
  const msg = `The deadline ${execution.deadlineAt.toISOString()} has passed: the next round needs a new one.`;
  throw new ValidationError([{ loc: ['input', 'deadlineAt'], msg, type: 'missing' }]);
}

/** The first tier that the round may run: what came before it stays as it ran. */
const firstTier = (selection: RoundSelection): number =>
  isResubmit(selection) ? selection.fromTier : Math.min(...(selection.tiers ?? [0]));

/** The spec that the round runs. */
async function specOf(
  deps: ServiceDeps,
  actor: Actor,
  spec: PinnedSpec,
  { itemTimeoutMs: timeout, agentVersion }: RoundRequest,
  from: number,
): Promise<PinnedSpec> {
  const newest = agentVersion === 'LATEST' ? await latestAgents(deps, actor, spec.tiers.slice(from)) : null;
  const tiers = newest === null ? spec.tiers : [...spec.tiers.slice(0, from), ...newest];
  return {
    ...spec,
    tiers,
    execution: timeout == null ? spec.execution : { ...spec.execution, itemTimeoutMs: timeout },
  };
}

/** The tiers with the newest offered version of each agent, whose schema must still take the tier's config. */
async function latestAgents(
  deps: ServiceDeps,
  actor: Actor,
  before: readonly PinnedTier[],
): Promise<readonly PinnedTier[]> {
  const issues: ValidationIssue[] = [];
  const loc = ['input', 'agentVersion'];
  const tiers: PinnedTier[] = [];
  for (const tier of before) {
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
  return tiers;
}
