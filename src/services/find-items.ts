/** Items by what names them. */
import type { Actor, Item } from '../domain/model.ts';
import { findItemOfElement } from '../store/item-of-element.ts';
import { type ItemKey, findItems as readItems } from '../store/item-rows.ts';
import type { ServiceDeps } from './ports.ts';

export type { ItemKey } from '../store/item-rows.ts';

/** The item with each key, in the order of the keys; null where the actor has none with it. */
export async function findItems(deps: ServiceDeps, actor: Actor, keys: readonly ItemKey[]): Promise<(Item | null)[]> {
  const rows = await readItems(deps.db, actor.projectId, keys);
  const found = new Map(rows.map((row) => [`${row.executionId} ${row.ordinal}`, row]));
  return keys.map((key) => found.get(`${key.executionId} ${key.ordinal}`) ?? null);
}

/** The item that an execution made from an element of its datasource, or null. */
export async function findItemByElement(
  deps: ServiceDeps,
  actor: Actor,
  executionId: string,
  elementId: string,
): Promise<Item | null> {
  return (await findItemOfElement(deps.db, actor.projectId, executionId, elementId)) ?? null;
}
