/** The rules of what steers an execution: given when it is created, and changeable while it is open. */
import { z } from 'zod';
import { LIMITS } from '../domain/limits.ts';
import { ownJson } from './own-json.ts';
import { concurrency, label, retryLimit } from './spec-input.ts';
import { costBudget, tokenBudget } from './token-prices.ts';

/** An instant that has not passed; a deadline in the past would end the execution before it began. */
export const deadline = (now: Date) => z.date().refine((at) => at > now, 'must be in the future');

export const priority = z.int().min(LIMITS.priority.min).max(LIMITS.priority.max);

/** What may be given at creation beside the source. */
export const controlsSchema = (now: Date) =>
  z.object({
    deadlineAt: deadline(now).nullish(),
    priority: priority.nullish(),
    sampleSize: z.int().min(1).max(2_147_483_647).nullish(),
    toleratedFailures: z
      .object({ count: z.int().min(0).nullish(), percent: z.number().min(0).max(100).nullish() })
      .nullish(),
  });
export type ControlsInput = z.input<ReturnType<typeof controlsSchema>>;

/** What may be changed later; absent stays as it is. */
export const changesSchema = (now: Date) =>
  z.object({
    batchExecutionId: z.string(),
    concurrency: concurrency.nullish(),
    retryLimit: retryLimit.nullish(),
    priority: priority.nullish(),
    deadlineAt: deadline(now).nullish(),
    tokenBudget: tokenBudget.nullish(),
    costBudget: costBudget.nullish(),
    name: label.nullish(),
    metadata: ownJson(LIMITS.metadataBytes).optional(),
  });
export type ChangesInput = z.input<ReturnType<typeof changesSchema>>;
