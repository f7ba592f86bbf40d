/** Items one of which ended or blocked a thread that they shared: each is called alone until it has answered. */

interface Suspicion {
  /** Who was suspected first is called first. */
  readonly order: number;
  deaths: number;
}

/** Suspicions kept; most are over after one call, and a cancelled item is never called again to end its own. */
const MOST = 10_000;

/** The suspected items, by the idempotency key of their call. */
export class Suspects {
  readonly #byKey = new Map<string, Suspicion>();
  #order = 0;

  /** When an item was suspected, as a number that rises; null when it is not. */
  orderOf(key: string): number | null {
    return this.#byKey.get(key)?.order ?? null;
  }

  /** Suspects an item; its deaths so far stay. */
  add(key: string): void {
    if (this.#byKey.has(key)) return;
    this.#order += 1;
    this.#byKey.set(key, { order: this.#order, deaths: 0 });
    const [oldest] = this.#byKey.keys();
    if (this.#byKey.size > MOST && oldest !== undefined) this.#byKey.delete(oldest);
  }

  /** Counts a death of an item's own thread; how many there are now. */
  died(key: string): number {
    this.add(key);
    const suspicion = this.#byKey.get(key);
    if (suspicion === undefined) return 1;
    suspicion.deaths += 1;
    return suspicion.deaths;
  }

  /** The item has answered, or is given up. */
  forget(key: string): void {
    this.#byKey.delete(key);
  }
}
