import { Line } from './line.ts';

/** Of the ceiling, the part that is kept for those that have less than that part. */
const KEPT = 1 / 20;

/**
 * The node's ceiling of running calls, shared fairly by the executions that want more than there is.
 *
 * While there is room everyone gets a slot at once. Then each slot that comes free goes to the waiting execution that
 * has the least for its weight, so a small execution beside one of a million items gets its share with the next slots
 * that come free. Nothing is taken from a running call. Long calls of large executions tend to begin and end together,
 * and no slot comes free in between: so while there are several, those that have many leave some for the others.
 */
export class FairSlots {
  readonly #ceiling: number;
  readonly #kept: number;
  readonly #sharers = new Map<string, Sharer>();
  #running = 0;

  constructor(ceiling: number) {
    this.#ceiling = ceiling;
    this.#kept = Math.floor(ceiling * KEPT);
  }

  /** Calls that have a slot now. */
  get running(): number {
    return this.#running;
  }

  /**
   * A slot for a call of this execution: `true` at once, or a promise of it, or of `false` once `cancel` was called.
   *
   * The weight is asked for whenever a slot comes free: a change counts for those that wait already.
   */
  take(executionId: string, weight: () => number): true | SlotWait {
    const sharer = this.#sharers.get(executionId) ?? { running: 0, weight, waiting: new Line<Waiter>() };
    this.#sharers.set(executionId, sharer);
    sharer.weight = weight;
    if (this.#hasRoom(sharer)) {
      this.#grant(sharer);
      return true;
    }
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const place = sharer.waiting.join(resolve);
    return {
      granted: promise,
      cancel: () => {
        // Called again, it must not forget a sharer that came after this one.
        if (!sharer.waiting.leave(place)) return;
        resolve(false);
        this.#forget(executionId, sharer);
      },
    };
  }

  /** Gives a slot of this execution back. */
  give(executionId: string): void {
    const sharer = this.#sharers.get(executionId);
    if (sharer === undefined) return;
    sharer.running -= 1;
    this.#running -= 1;
    this.#forget(executionId, sharer);
    // More than one where what was kept is free for the last that is left.
    for (let next = this.#neediest(); next !== undefined; next = this.#neediest()) {
      this.#grant(next);
      next.waiting.shift()?.(true);
    }
  }

  #hasRoom({ running }: Sharer): boolean {
    const isKept = this.#sharers.size > 1 && running >= this.#kept;
    return this.#running < this.#ceiling - (isKept ? this.#kept : 0);
  }

  #grant(sharer: Sharer): void {
    sharer.running += 1;
    this.#running += 1;
  }

  /** Who is next of those that wait and may have a slot. */
  #neediest(): Sharer | undefined {
    let neediest: Sharer | undefined;
    for (const sharer of this.#sharers.values()) {
      if (sharer.waiting.size === 0 || !this.#hasRoom(sharer)) continue;
      if (neediest === undefined || hasOf(sharer) < hasOf(neediest)) neediest = sharer;
    }
    return neediest;
  }

  #forget(executionId: string, sharer: Sharer): void {
    if (sharer.running === 0 && sharer.waiting.size === 0) this.#sharers.delete(executionId);
  }
}

/** A slot that is not free yet. */
export interface SlotWait {
  readonly granted: Promise<boolean>;
  cancel(): void;
}

type Waiter = (granted: boolean) => void;

interface Sharer {
  running: number;
  weight: () => number;
  readonly waiting: Line<Waiter>;
}

/** What a sharer has for its weight. */
const hasOf = ({ running, weight }: Sharer): number => running / weight();
