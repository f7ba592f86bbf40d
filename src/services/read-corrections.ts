/** What people made of results. */
import type { Actor, ItemCorrection } from '../domain/model.ts';
import { lastCorrections } from '../store/corrections.ts';
import type { ItemKey } from '../store/item-rows.ts';
import type { ServiceDeps } from './ports.ts';

/** The last corrections of each item, newest first, in the order of the keys. */
export async function readCorrections(
  { db }: Pick<ServiceDeps, 'db'>,
  actor: Actor,
  keys: readonly ItemKey[],
  last: number,
): Promise<(readonly ItemCorrection[])[]> {
  const nameOf = (key: ItemKey): string => `${key.executionId} ${key.ordinal}`;
  const distinct = [...new Map(keys.map((key) => [nameOf(key), key])).values()];
  const found = Map.groupBy(await lastCorrections(db, actor.projectId, distinct, last), nameOf);
  return keys.map((key) => found.get(nameOf(key)) ?? []);
}
