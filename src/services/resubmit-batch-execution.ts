/** Doing an execution again from a tier on, in a new round. */
import { z } from 'zod';
import type { Actor } from '../domain/model.ts';
import { ValidationError } from '../domain/user-error.ts';
import { checkInput } from './check-input.ts';
import { findAtRest, type RoundAnswer, roundFields, runRound } from './open-round.ts';
import type { ServiceDeps } from './ports.ts';
import { requireRole } from './require-role.ts';

const schemaAt = (now: Date) => z.object({ ...roundFields(now), fromTier: z.int().min(0).nullish() });

/** The arguments of a resubmit; `fromTier` is 0 by default, so that everything is done again. */
export type ResubmitBatchExecutionInput = z.input<ReturnType<typeof schemaAt>>;

export interface ResubmitBatchExecutionAnswer extends Omit<RoundAnswer, 'taken'> {
  /** Items that the new round does again, or would. */
  readonly resubmittedCount: number;
}

/**
 * Opens the next round with every item that has come to a tier, from that tier on; with `dryRun` only counts them.
 *
 * It takes items that succeeded and those that FAILED, were CANCELLED or EXPIRED there or later, whatever their error
 * and however often they were retried; it does not count as a retry of theirs. Results of the tiers before are kept,
 * and the last of them is what the tier starts from. Those of later tiers stay readable by their round. Items that
 * ended in an earlier tier have nothing to start from and are left as they are.
 */
export async function resubmitBatchExecution(
  deps: ServiceDeps,
  actor: Actor,
  input: ResubmitBatchExecutionInput,
): Promise<ResubmitBatchExecutionAnswer> {
  requireRole(actor, 'MEMBER');
  const request = checkInput(schemaAt(deps.now()), input);
  const execution = await findAtRest(deps, actor, 'resubmit', request);
  const fromTier = request.fromTier ?? 0;
  if (fromTier >= execution.spec.tiers.length) {
    const msg = `The execution has no tier ${fromTier}.`;
    throw new ValidationError([{ loc: ['input', 'fromTier'], msg, type: 'not_found' }]);
  }
  const { taken, ...answer } = await runRound(deps, actor, execution, request, { fromTier });
  return { ...answer, resubmittedCount: taken };
}
