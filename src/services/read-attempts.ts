/** Every recorded attempt at items, failed or not. */
import type { Actor, ItemFailure } from '../domain/model.ts';
import { lastSuccesses, type Success } from '../store/attempt-reads.ts';
import type { ItemKey } from '../store/item-rows.ts';
import type { ServiceDeps } from './ports.ts';
import { readFailures } from './read-item-outputs.ts';

/** An attempt with its end; `error` is null where it succeeded. */
export interface ItemAttempt extends Success {
  readonly error: ItemFailure | null;
}

/** The last recorded attempts of each item over all rounds and tiers, newest first, in the order of the keys. */
export async function readAttempts(
  deps: ServiceDeps,
  actor: Actor,
  keys: readonly ItemKey[],
  last: number,
): Promise<(readonly ItemAttempt[])[]> {
  const failures = await readFailures(deps, actor, keys, last);
  const successes = Map.groupBy(
    await lastSuccesses(deps.db, actor.projectId, keys, last),
    ({ executionId, ordinal }) => `${executionId} ${ordinal}`,
  );
  return keys.map(({ executionId, ordinal }, index) =>
    [
      ...(successes.get(`${executionId} ${ordinal}`) ?? []).map((success) => ({ ...success, error: null })),
      ...(failures[index] ?? []).map((error) => ({ ...error, score: null, error })),
    ]
      .sort((a, b) => b.round - a.round || b.tier - a.tier || b.attempt - a.attempt)
      .slice(0, last),
  );
}
