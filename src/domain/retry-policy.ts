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

/** Whether an error may be tried again, given how many retries were spent in this tier and round. */
export function mayRetry(error: ItemError, retriesSpent: number, retryLimit: number): boolean {
  return retriesSpent < retryLimit && isRetryable(error);
}

/** Whether the error's kind allows an automatic retry, whatever the budget. */
export function isRetryable(error: Pick<ItemError, 'category' | 'transient' | 'declared'>): boolean {
  if (error.declared !== null) return error.declared;
  return !NEVER_RETRIED.has(error.category);
}
