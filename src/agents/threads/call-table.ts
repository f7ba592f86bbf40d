/** Calls by their number, as many at a time as there are places. */

/** A number is its call's place and, times this, a count: what comes late for a call never meets the next one there. */
const PLACES = 2 ** 20;
/** Beyond it numbers would no longer be whole; the first come again then. */
const COUNTS = 2 ** 32;

/** No map, through which calls pass by the thousand: it keeps them alive long after they have left (see `LaneItem`). */
export class CallTable<Call> {
  readonly #calls: (Call | null)[] = [];
  readonly #numbers: number[] = [];
  readonly #free: number[] = [];
  #count = 0;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** Those that there are, in no order. */
  get all(): Call[] {
    return this.#calls.filter((call) => call !== null);
  }

  /** Takes a call in; its number. */
  add(call: Call): number {
    this.#count = (this.#count % COUNTS) + 1;
    const no = this.#count * PLACES + (this.#free.pop() ?? this.#calls.length);
    this.set(no, call);
    return no;
  }

  /** Takes a call in under a number from another table. */
  set(no: number, call: Call): void {
    const place = no % PLACES;
    this.#calls[place] = call;
    this.#numbers[place] = no;
    this.#size += 1;
  }

  get(no: number): Call | undefined {
    const place = no % PLACES;
    return this.#numbers[place] === no ? (this.#calls[place] ?? undefined) : undefined;
  }

  /** Lets go of a call; false: it was not there. */
  delete(no: number): boolean {
    if (this.get(no) === undefined) return false;
    const place = no % PLACES;
    this.#calls[place] = null;
    // Only who gives numbers gives places again.
    if (this.#count > 0) this.#free.push(place);
    this.#size -= 1;
    return true;
  }
}
