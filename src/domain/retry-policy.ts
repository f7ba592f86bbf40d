/** The rules of automatic retries: whether an attempt is followed by another, and after how long. */
import type { ErrorCategory, ItemError } from './item-error.ts';

/** How long to wait between attempts; every duration in ms. */
export interface Backoff {
  readonly baseMs: number;
  readonly factor: number;
  readonly maxMs: number;
  /** FULL draws uniformly from zero to the computed delay; NONE waits exactly that long. */
  readonly jitter: 'FULL' | 'NONE';
}

export const DEFAULT_BACKOFF: Backoff = { baseMs: 1_000, factor: 2, maxMs: 300_000, jitter: 'FULL' };

const NEVER_RETRIED: ReadonlySet<ErrorCategory> = new Set<ErrorCategory>(['VALIDATION', 'AUTHENTICATION']);

/**
 * The delay in ms before the attempt that follows failed attempt number `attempt` (from 1).
 *
 * `random` is in [0, 1). The exponent is capped, so no attempt number overflows. A `retryAfterMs` is a floor
 * that jitter never undercuts, and it may exceed `maxMs`.
 */
export function backoffDelayMs(
  backoff: Backoff,
  attempt: number,
  random: number,
  retryAfterMs: number | null = null,
): number {
  const exponent = Math.min(Math.max(attempt - 1, 0), 64);
  const ceiling = Math.min(backoff.maxMs, backoff.baseMs * backoff.factor ** exponent);
  const delay = backoff.jitter === 'FULL' ? ceiling * random : ceiling;
  return Math.round(Math.max(delay, retryAfterMs ?? 0));
}

/** What is otherwise for errors of one category. */
export interface RetryRule {
  readonly category: ErrorCategory;
  /** Tries after the first for these errors; 0 for none. */
  readonly retryLimit?: number;
  readonly backoff?: Backoff;
}

/** How an execution retries: the budget of an item, the delay, and what is otherwise for some categories. */
export interface RetryPolicy {
  readonly retryLimit: number;
  readonly backoff: Backoff;
  readonly rules: readonly RetryRule[];
}

/**
 * The delay in ms before the next attempt, or null when there is to be none.
 *
 * `charged` is how many failed attempts counted before this one. A rule for the error's category takes the place of
 * the general limit and backoff, also for categories that are not retried by themselves; the thrower's own
 * `transient: false` always ends it.
 */
export function nextDelayMs(policy: RetryPolicy, error: ItemError, charged: number, random: number): number | null {
  const rule = policy.rules.find(({ category }) => category === error.category);
  const limit = rule?.retryLimit ?? policy.retryLimit;
  const retryable = error.declared ?? (rule?.retryLimit !== undefined || isRetryable(error));
  if (!retryable || charged >= limit) return null;
  return backoffDelayMs(rule?.backoff ?? policy.backoff, charged + 1, random, error.retryAfterMs);
}

/** Whether the error's kind allows an automatic retry, whatever the budget. */
export function isRetryable(error: Pick<ItemError, 'category' | 'transient' | 'declared'>): boolean {
  if (error.declared !== null) return error.declared;
  return !NEVER_RETRIED.has(error.category);
}
