/** Whether a thread still answers: pings that it is sent, and the pongs that come back. */
export class Pulse {
  readonly #send: (ping: number) => void;
  #pings = 0;
  #pongs = 0;
  #silentSince: number | null = null;
  #expecting = false;
  #expectAgain = false;

  constructor(send: (ping: number) => void) {
    this.#send = send;
  }

  /** For how long a ping has been unanswered, in ms; 0 when none is. */
  get silentMs(): number {
    return this.#silentSince === null ? 0 : performance.now() - this.#silentSince;
  }

  /** Sends a ping, unless one is on its way. */
  beat(): void {
    if (this.#silentSince === null) this.#ping();
  }

  /** A pong has come. */
  heard(ping: number): void {
    this.#pongs = ping;
    this.#silentSince = ping === this.#pings ? null : performance.now();
  }

  /** Calls back unless a ping that is sent now is answered in time. */
  expect(withinMs: number, silent: () => void): void {
    if (this.#expecting) {
      this.#expectAgain = true;
      return;
    }
    this.#expecting = true;
    this.#expectAgain = false;
    const ping = this.#ping();
    const check = async (): Promise<void> => {
      if (!(await this.#answered(ping))) return silent();
      this.#expecting = false;
      if (this.#expectAgain) this.expect(withinMs, silent);
    };
    setTimeout(() => void check(), withinMs).unref();
  }

  /** Calls back if the last ping is still unanswered. */
  async confirm(silent: () => void): Promise<void> {
    if (!(await this.#answered(this.#pings))) silent();
  }

  /** When this thread was busy a timer fires before the pong is read that had come in time: read it first. */
  async #answered(ping: number): Promise<boolean> {
    await new Promise<void>((resolve) => setImmediate(resolve));
    return this.#pongs >= ping;
  }

  #ping(): number {
    this.#pings += 1;
    this.#silentSince ??= performance.now();
    this.#send(this.#pings);
    return this.#pings;
  }
}
