/** What items have produced, read for many at once. */
import type { Actor, ItemFailure, ItemResult } from '../domain/model.ts';
import { cancelReasons } from '../store/cancel-items.ts';
import { lastFailures, newestResults, resultsByTier } from '../store/item-output-reads.ts';
import type { ItemKey } from '../store/item-rows.ts';
import type { ServiceDeps } from './ports.ts';

/** The newest result of each item, in the order of the keys; null where there is none yet. */
export async function readNewestResults(
  deps: ServiceDeps,
  actor: Actor,
  keys: readonly ItemKey[],
): Promise<(ItemResult | null)[]> {
  const byKey = grouped(await newestResults(deps.db, actor.projectId, distinct(keys)));
  return keys.map((key) => byKey.get(nameOf(key))?.[0] ?? null);
}

/** The results of each item by tier, in the order of the keys: of each tier the newest, or those of one round. */
export async function readTierResults(
  deps: ServiceDeps,
  actor: Actor,
  keys: readonly ItemKey[],
  round: number | null = null,
): Promise<(readonly ItemResult[])[]> {
  const byKey = grouped(await resultsByTier(deps.db, actor.projectId, distinct(keys), round));
  return keys.map((key) => byKey.get(nameOf(key)) ?? []);
}

/** Why each item was cancelled by itself, in the order of the keys; null for others, and where no reason was given. */
export async function readCancelReasons(
  deps: ServiceDeps,
  actor: Actor,
  keys: readonly ItemKey[],
): Promise<(string | null)[]> {
  const byKey = grouped(await cancelReasons(deps.db, actor.projectId, distinct(keys)));
  return keys.map((key) => byKey.get(nameOf(key))?.[0]?.reason ?? null);
}

/** The last failed attempts of each item, newest first, in the order of the keys. */
export async function readFailures(
  deps: ServiceDeps,
  actor: Actor,
  keys: readonly ItemKey[],
  last: number,
): Promise<(readonly ItemFailure[])[]> {
  const byKey = grouped(await lastFailures(deps.db, actor.projectId, distinct(keys), last));
  return keys.map((key) => byKey.get(nameOf(key)) ?? []);
}

const nameOf = (key: ItemKey): string => `${key.executionId} ${key.ordinal}`;

const distinct = (keys: readonly ItemKey[]): ItemKey[] => [...new Map(keys.map((key) => [nameOf(key), key])).values()];

function grouped<Row extends ItemKey>(rows: readonly Row[]): Map<string, Row[]> {
  return Map.groupBy(rows, nameOf);
}
