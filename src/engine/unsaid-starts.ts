/**
 * Calls that have begun and that the database does not know of yet.
 *
 * A start is worth a flush of its own only where its outcome is not about to follow. While few calls begin, all are told
 * a moment later; while many do, as with quick agents, only those that still run after a while: an item that has its end by
 * then needs one row written and no other changed, or none of its own at all.
 */
import type { LaneItem } from './lane-item.ts';

/** From so many on, starts are held back longer. */
const MANY = 20;
/** How long starts wait, in ms, while they are few, and at least, at most twice that, while they are many. */
const SHORT_WAIT_MS = 10;
const LONG_WAIT_MS = 125;

export class UnsaidStarts {
  /** Those since the last look, and those before; ended ones are among them until `tidy`. */
  #recent: LaneItem[] = [];
  #older: LaneItem[] = [];
  #count = 0;

  /** Whether so few wait that they may as well go with the next flush. */
  get isFew(): boolean {
    return this.#count < MANY;
  }

  /** When to look whether some are due, in ms from now; null while none waits. */
  get waitMs(): number | null {
    if (this.#count === 0) return null;
    return this.isFew ? SHORT_WAIT_MS : LONG_WAIT_MS;
  }

  add(item: LaneItem): void {
    item.startIsUnsaid = true;
    this.#count += 1;
    this.#recent.push(item);
  }

  /** There is no need any more to tell of this start. May be called for any item. */
  delete(item: LaneItem): void {
    if (!item.startIsUnsaid) return;
    item.startIsUnsaid = false;
    this.#count -= 1;
  }

  /** Those that are to be told now; whoever asks tells of all of them, and deletes them with that. */
  due(): LaneItem[] {
    if (this.isFew) return this.all();
    const due = this.#older.filter(isUnsaid);
    this.#older = this.#recent.filter(isUnsaid);
    this.#recent = [];
    return due;
  }

  /** All that wait. */
  all(): LaneItem[] {
    return [...this.#older, ...this.#recent].filter(isUnsaid);
  }

  /** Lets go of the items whose start needs not be told. */
  tidy(): void {
    this.#older = this.#older.filter(isUnsaid);
    this.#recent = this.#recent.filter(isUnsaid);
  }
}

const isUnsaid = (item: LaneItem): boolean => item.startIsUnsaid;
