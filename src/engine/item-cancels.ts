/** Follows which items were cancelled one by one, so that the lanes that hold them drop them. */
import type { LaneRunner } from './lane-runner.ts';
import type { LaneStore } from './ports.ts';

/**
 * The database has those items as CANCELLED before anyone is told, and takes nothing more of them: what this does
 * is to end their calls, and to start none.
 */
export class ItemCancels {
  readonly #store: Pick<LaneStore, 'cancelledItems'>;
  readonly #seen = new WeakMap<LaneRunner, number>();

  constructor(store: Pick<LaneStore, 'cancelledItems'>) {
    this.#store = store;
  }

  /** Brings lanes up to a count of cancels that was read before. What comes between is looked at again. */
  async follow(lanes: Iterable<LaneRunner>, count: number): Promise<void> {
    for (const lane of [...lanes]) {
      if ((this.#seen.get(lane) ?? 0) === count) continue;
      lane.cancelItems(await this.#store.cancelledItems(lane.held));
      this.#seen.set(lane, count);
    }
  }
}
