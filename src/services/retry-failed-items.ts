/** Retrying what an execution left unsuccessful, in a new round. */
import { z } from 'zod';
import { parseItemId } from '../domain/ids.ts';
import { ERROR_CATEGORIES } from '../domain/item-error.ts';
import type { ItemFilter } from '../domain/item-filter.ts';
import { LIMITS } from '../domain/limits.ts';
import type { Actor, Execution } from '../domain/model.ts';
import { RETRY_MODES, RETRYABLE_STATUSES, type RetrySelection } from '../domain/retry-selection.ts';
import { ITEM_STATUSES } from '../domain/states.ts';
import { ValidationError, type ValidationIssue } from '../domain/user-error.ts';
import { checkInput } from './check-input.ts';
import { findAtRest, type RoundAnswer, roundFields, runRound } from './open-round.ts';
import type { ServiceDeps } from './ports.ts';
import { requireRole } from './require-role.ts';

const { maxRetryCount: cap } = LIMITS;

const words = z.array(z.string()).max(100);
const tiers = z.array(z.int()).max(LIMITS.tiers);
const categories = z.array(z.enum(ERROR_CATEGORIES));

const schemaAt = (now: Date) =>
  z.object({
    ...roundFields(now),
    mode: z.enum(RETRY_MODES).nullish(),
    tierNums: tiers.nullish(),
    maxRetryCount: z.int().min(cap.min).max(cap.max).nullish(),
    itemIds: z.array(z.string()).min(1).max(LIMITS.inlineItems).nullish(),
    errorCategories: categories.min(1).nullish(),
    errorCodes: words.min(1).nullish(),
    statuses: z.array(z.enum(ITEM_STATUSES)).min(1).nullish(),
    filter: z
      .object({
        status: z.array(z.enum(ITEM_STATUSES)).nullish(),
        tier: tiers.nullish(),
        category: categories.nullish(),
        code: words.nullish(),
        filename: z.string().max(LIMITS.patternLength).nullish(),
        minScore: z.number().nullish(),
        maxScore: z.number().nullish(),
        minDurationMs: z.int().nullish(),
        maxDurationMs: z.int().nullish(),
        updatedAfterRevision: z.int().nullish(),
      } satisfies { [field in keyof ItemFilter]-?: z.ZodType })
      .nullish(),
  });

/** The arguments of a retry; absent ones have their defaults, and `maxRetryCount: null` means no cap. */
export type RetryFailedItemsInput = z.input<ReturnType<typeof schemaAt>>;

export interface RetryFailedItemsAnswer extends Omit<RoundAnswer, 'taken'> {
  /** Items that the new round runs, or would run. */
  readonly retriedCount: number;
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
  const execution = await findAtRest(deps, actor, 'retry', request);
  const { taken, ...answer } = await runRound(deps, actor, execution, request, selectionOf(request, execution));
  return { ...answer, retriedCount: taken };
}

/** The complete selection; every problem of its lists at once. */
function selectionOf(request: z.output<ReturnType<typeof schemaAt>>, execution: Execution): RetrySelection {
  const issues: ValidationIssue[] = [];
  const reject = (field: string, index: number, msg: string, type: string): void =>
    void issues.push({ loc: ['input', field, String(index)], msg, type });
  const tierNums = request.tierNums?.length ? request.tierNums : null;
  tierNums?.forEach((tier, index) => {
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
    tiers: tierNums,
    errorCategories: request.errorCategories ?? null,
    errorCodes: request.errorCodes ?? null,
    ordinals: ordinals ?? null,
    maxRetryCount: request.maxRetryCount === undefined ? cap.default : request.maxRetryCount,
    filter: request.filter ?? null,
  };
}
