/** Waiting for a condition instead of for a time. */
import { setTimeout as delay } from 'node:timers/promises';

const POLL_MS = 10;

/**
 * The first truthy answer of `condition`, asked every 10 ms.
 *
 * Throws after `deadlineMs`, naming the condition's source, so that a hanging test says what it waited for. What the
 * condition throws ends the wait at once.
 */
export async function until<T>(
  condition: () => T | Promise<T>,
  deadlineMs = 20_000,
): Promise<Exclude<T, false | null | undefined>> {
  const end = performance.now() + deadlineMs;
  for (;;) {
    const answer = await condition();
    if (isThere(answer)) return answer;
    if (performance.now() > end) throw new Error(`Not true within ${deadlineMs} ms: ${condition.toString()}`);
    await delay(POLL_MS);
  }
}

function isThere<T>(answer: T): answer is Exclude<T, false | null | undefined> {
  return answer !== false && answer !== null && answer !== undefined;
}
