/** A wake-up that is never lost: `set` before `wait` makes the next `wait` return at once. */
export class Latch {
  #set = false;
  #wake: (() => void) | null = null;

  set(): void {
    if (this.#set) return;
    this.#set = true;
    this.#wake?.();
  }

  /** Whether the next `wait` returns at once. */
  get isSet(): boolean {
    return this.#set;
  }

  /** Resolves once set, and clears it. Only one caller waits at a time. */
  async wait(): Promise<void> {
    if (!this.#set) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      this.#wake = null;
    }
    this.#set = false;
  }
}
