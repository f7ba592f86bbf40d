/** A wake-up that is never lost: `set` before `wait` makes the next `wait` return at once. */
export class Latch {
  #set = false;
  #wake: (() => void) | null = null;

  set(): void {
    this.#set = true;
    this.#wake?.();
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
