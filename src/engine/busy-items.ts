/** The items that a lane's slots work with, in no order. */
import type { LaneItem } from './lane-item.ts';

/** A list in which each item knows its place: a set keeps what has left it for long (see `LaneItem`). */
export class BusyItems {
  readonly #items: LaneItem[] = [];

  get size(): number {
    return this.#items.length;
  }

  /** Those that there are now. */
  get all(): readonly LaneItem[] {
    return [...this.#items];
  }

  add(item: LaneItem): void {
    item.place = this.#items.push(item) - 1;
  }

  /** May be repeated. */
  delete(item: LaneItem): void {
    if (item.place === null) return;
    const last = this.#items.pop();
    if (last !== undefined && last !== item) {
      this.#items[item.place] = last;
      last.place = item.place;
    }
    item.place = null;
  }
}
