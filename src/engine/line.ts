/**
 * Those who wait, in order.
 *
 * No set, through which they pass by the thousand: it keeps what has left it alive for long (see `LaneItem`).
 */
export class Line<T> {
  #first: Place<T> | null = null;
  #last: Place<T> | null = null;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** All that wait now. */
  get all(): T[] {
    const all: T[] = [];
    for (let place = this.#first; place !== null; place = place.after) all.push(place.value);
    return all;
  }

  /** Comes last; the place is to leave by. */
  join(value: T): Place<T> {
    const place: Place<T> = { value, before: this.#last, after: null, isIn: true };
    if (this.#last === null) this.#first = place;
    else this.#last.after = place;
    this.#last = place;
    this.#size += 1;
    return place;
  }

  /** false: it had left before. */
  leave(place: Place<T>): boolean {
    if (!place.isIn) return false;
    const { before, after } = place;
    if (before === null) this.#first = after;
    else before.after = after;
    if (after === null) this.#last = before;
    else after.before = before;
    // Nothing that has left leads to what is still there.
    place.before = null;
    place.after = null;
    place.isIn = false;
    this.#size -= 1;
    return true;
  }

  /** Takes out the first; undefined when nobody waits. */
  shift(): T | undefined {
    const first = this.#first;
    if (first !== null) this.leave(first);
    return first?.value;
  }
}

/** Where somebody waits; its fields are the line's. */
export interface Place<T> {
  readonly value: T;
  before: Place<T> | null;
  after: Place<T> | null;
  isIn: boolean;
}
