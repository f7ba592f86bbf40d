/** Time that passes only when a test says so. */
import type { FeedClock } from '../../src/services/execution-hub.ts';

export class FakeFeedClock implements FeedClock {
  #now = 0;
  readonly #timers = new Map<() => void, number>();

  now(): number {
    return this.#now;
  }

  after(ms: number, callback: () => void): () => void {
    const own = () => callback();
    this.#timers.set(own, this.#now + ms);
    return () => this.#timers.delete(own);
  }

  /** Lets time pass, timer by timer, and what they start settle. */
  async pass(ms: number): Promise<void> {
    const end = this.#now + ms;
    for (;;) {
      await settled();
      const [next] = [...this.#timers].filter(([, at]) => at <= end).sort((a, b) => a[1] - b[1]);
      if (next === undefined) break;
      this.#now = Math.max(this.#now, next[1]);
      this.#timers.delete(next[0]);
      next[0]();
    }
    this.#now = end;
    await settled();
  }

  /** Timers that are set. */
  get pending(): number {
    return this.#timers.size;
  }
}

/** Resolves when every promise that is ready has run its reactions. */
export const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
