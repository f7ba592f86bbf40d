/** Keeps the bodies that are in memory at one time together below a limit. */

/** Room for so many bytes; who asks waits for its turn, in order. */
export class ByteBudget {
  readonly #total: number;
  #taken = 0;
  readonly #waiting: { readonly bytes: number; readonly go: () => void }[] = [];

  constructor(total: number) {
    this.#total = total;
  }

  /** Resolves when there is room, which the answer gives back; more than there is at all counts as all of it. */
  async take(bytes: number): Promise<() => void> {
    const wanted = Math.min(bytes, this.#total);
    if (this.#waiting.length > 0 || this.#taken + wanted > this.#total) {
      await new Promise<void>((go) => this.#waiting.push({ bytes: wanted, go }));
    } else this.#taken += wanted;
    let isTaken = true;
    return () => {
      if (!isTaken) return;
      isTaken = false;
      this.#taken -= wanted;
      this.#letIn();
    };
  }

  #letIn(): void {
    for (let next = this.#waiting[0]; next !== undefined; next = this.#waiting[0]) {
      if (this.#taken + next.bytes > this.#total) return;
      this.#waiting.shift();
      this.#taken += next.bytes;
      next.go();
    }
  }
}
