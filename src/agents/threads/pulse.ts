/** Whether a thread still answers: pings that it is sent, one at a time, and the pongs that come back. */
export class Pulse {
  readonly #send: () => void;
  #silentSince: number | null = null;

  constructor(send: () => void) {
    this.#send = send;
  }

  /** For how long a ping has been unanswered, in ms; 0 when none is. */
  get silentMs(): number {
    return this.#silentSince === null ? 0 : performance.now() - this.#silentSince;
  }

  /** Sends a ping, unless one is on its way. */
  beat(): void {
    if (this.#silentSince !== null) return;
    this.#silentSince = performance.now();
    this.#send();
  }

  /** A pong has come. */
  heard(): void {
    this.#silentSince = null;
  }

  /**
   * Whether the thread has been silent for longer than that.
   *
   * When this thread was busy, a timer fires before the pong is read that had come in time: it is read first.
   */
  async isSilent(ms: number): Promise<boolean> {
    if (this.silentMs <= ms) return false;
    await new Promise<void>((resolve) => setImmediate(resolve));
    return this.silentMs > ms;
  }
}
