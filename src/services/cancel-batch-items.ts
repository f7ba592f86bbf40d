/** Cancelling chosen items, while their execution goes on. */
import { z } from 'zod';
import { parseItemId } from '../domain/ids.ts';
import { LIMITS } from '../domain/limits.ts';
import type { Actor, Execution } from '../domain/model.ts';
import { InvalidStateError, NotFoundError, ValidationError, type ValidationIssue } from '../domain/user-error.ts';
import { type CancelChunk, type CancelledChunk, cancelItems } from '../store/cancel-items.ts';
import { findExecution } from '../store/execution-rows.ts';
import { checkInput } from './check-input.ts';
import { finishOpening } from './open-round.ts';
import type { ServiceDeps } from './ports.ts';
import { requireRole } from './require-role.ts';
import { storableString } from './storable-string.ts';

const schema = z.object({
  batchExecutionId: z.string(),
  itemIds: z.array(z.string()).min(1).max(LIMITS.inlineItems).nullish(),
  tierNums: z.array(z.int()).min(1).max(LIMITS.tiers).nullish(),
  reason: storableString(1_000).nullish(),
});

/** What to cancel: exactly one of `itemIds` and `tierNums`. */
export type CancelBatchItemsInput = z.input<typeof schema>;

/** Why a chosen item was left as it is. */
export const CANCEL_SKIP_REASONS = ['ALREADY_CANCELLED', 'ALREADY_ENDED'] as const;
export type CancelSkipReason = (typeof CANCEL_SKIP_REASONS)[number];

export interface CancelBatchItemsAnswer {
  readonly execution: Execution;
  readonly cancelledCount: number;
  /** Chosen items that had ended before; reasons without items are not listed. */
  readonly skipped: readonly { readonly reason: CancelSkipReason; readonly count: number }[];
}

/**
 * Cancels the chosen items that are open, or all that are open in the chosen tiers at this moment.
 *
 * In chunks, each a commit of its own; a call that breaks off may be repeated. Their calls are aborted, and what those
 * still return is dropped. The execution goes on with the others, and ends if there are none. Repeated, it finds them
 * cancelled. A draft is an InvalidStateError.
 */
export async function cancelBatchItems(
  deps: ServiceDeps,
  actor: Actor,
  input: CancelBatchItemsInput,
): Promise<CancelBatchItemsAnswer> {
  requireRole(actor, 'MEMBER');
  const request = checkInput(schema, input);
  const { batchExecutionId: id, reason = null } = request;
  const execution = await findExecution(deps.db, actor.projectId, id);
  if (execution === undefined) throw new NotFoundError('batch execution', id);
  const choice = choiceOf(request, execution);
  if (execution.status === 'DRAFT') {
    throw new InvalidStateError('The execution is a draft: its items can be removed.', execution.status);
  }
  await finishOpening(deps, id);
  let cancelledCount = 0;
  const ended = { ALREADY_CANCELLED: 0, ALREADY_ENDED: 0 };
  let from = 0;
  for (let chunk: CancelChunk | null = firstChunk(choice); chunk !== null; ) {
    const answer = await cancelItems(deps.db, id, chunk, reason, deps.now());
    if (answer.revision !== null) {
      deps.publish(id, answer.revision);
      deps.engine.wake(id);
    }
    cancelledCount += answer.cancelled;
    for (const [status, count] of Object.entries(answer.ended)) {
      ended[status === 'CANCELLED' ? 'ALREADY_CANCELLED' : 'ALREADY_ENDED'] += count;
    }
    from += LIMITS.sweepChunk;
    chunk = nextChunk(choice, from, answer);
  }
  const skipped = CANCEL_SKIP_REASONS.map((why) => ({ reason: why, count: ended[why] }));
  return {
    execution: (await findExecution(deps.db, actor.projectId, id)) ?? execution,
    ...{ cancelledCount, skipped: skipped.filter(({ count }) => count > 0) },
  };
}

type Choice = { readonly ordinals: readonly number[] } | { readonly tiers: readonly number[] };

const firstChunk = (choice: Choice): CancelChunk =>
  'tiers' in choice ? { ...choice, cursor: 0 } : { ordinals: choice.ordinals.slice(0, LIMITS.sweepChunk) };

function nextChunk(choice: Choice, from: number, { cursor }: CancelledChunk): CancelChunk | null {
  if ('tiers' in choice) return cursor === null ? null : { ...choice, cursor };
  return from >= choice.ordinals.length ? null : { ordinals: choice.ordinals.slice(from, from + LIMITS.sweepChunk) };
}

/** The chosen items; every problem of the lists at once. */
function choiceOf({ itemIds, tierNums }: z.output<typeof schema>, execution: Execution): Choice {
  if ((itemIds == null) === (tierNums == null)) {
    const msg = 'Give exactly one of itemIds and tierNums.';
    throw new ValidationError([{ loc: ['input', itemIds == null ? 'itemIds' : 'tierNums'], msg, type: 'exactly_one' }]);
  }
  const issues: ValidationIssue[] = [];
  const reject = (field: string, index: number, msg: string): void =>
    void issues.push({ loc: ['input', field, String(index)], msg, type: 'not_found' });
  tierNums?.forEach((tier, index) => {
    if (tier < 0 || tier >= execution.spec.tiers.length) {
      reject('tierNums', index, `The execution has no tier ${tier}.`);
    }
  });
  const ordinals = itemIds?.map((id, index) => {
    const item = parseItemId(id);
    if (item?.executionId === execution.id && item.ordinal < execution.total) return item.ordinal;
    reject('itemIds', index, `The execution has no item ${JSON.stringify(id.slice(0, 80))}.`);
    return -1;
  });
  if (issues.length > 0) throw new ValidationError(issues);
  return ordinals === undefined ? { tiers: tierNums ?? [] } : { ordinals: [...new Set(ordinals)] };
}
