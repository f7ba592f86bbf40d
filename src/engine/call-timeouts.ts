/**
 * The timeouts of a lane's calls, which are all equally long: calls that begin together share a timer.
 *
 * A timer of its own costs a tenth of what a short call does, and hardly any is ever needed.
 */
import type { Clock } from './ports.ts';

/** What is told that its time is up. */
export interface Timed {
  timeOut(ms: number): void;
}

export class CallTimeouts {
  readonly #clock: Clock;
  readonly #ms: number;
  /** For calls that begin at this instant of this turn of the event loop: a clock that jumps may show it again. */
  #timer: SharedTimer | null = null;

  constructor(clock: Clock, ms: number) {
    this.#clock = clock;
    this.#ms = ms;
  }

  /** The timer of a call that begins now: to be joined at once, and left when the call has ended. */
  begin(): SharedTimer {
    const now = this.#clock.now().getTime();
    if (this.#timer?.began !== now || this.#timer.isClosed) this.#timer = new SharedTimer(this.#clock, now, this.#ms);
    return this.#timer;
  }
}

/** The timer of calls that began together. */
export class SharedTimer {
  readonly began: number;
  readonly #calls: (Timed | null)[] = [];
  readonly #cancel: () => void;
  #open = 0;
  #isClosed = false;

  constructor(clock: Clock, began: number, ms: number) {
    this.began = began;
    this.#cancel = clock.after(ms, () => {
      // It may go off before its turn is over.
      this.#isClosed = true;
      for (const call of this.#calls.splice(0)) call?.timeOut(ms);
    });
    setImmediate(() => {
      this.#isClosed = true;
      this.#cancelIfUnused();
    });
  }

  /** Whether its turn is over or it has gone off, so that no call may join it any more. */
  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** A call begins; the place is to leave by. */
  join(call: Timed): number {
    this.#open += 1;
    return this.#calls.push(call) - 1;
  }

  /** A call has ended; once only. */
  leave(place: number): void {
    this.#calls[place] = null;
    this.#open -= 1;
    this.#cancelIfUnused();
  }

  #cancelIfUnused(): void {
    if (this.#isClosed && this.#open === 0) this.#cancel();
  }
}
