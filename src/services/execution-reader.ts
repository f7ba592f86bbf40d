/** One subscriber's view of an execution: an async iterator that remembers only which revision it gave last. */
import type { Execution } from '../domain/model.ts';
import { isFinalExecution } from '../domain/states.ts';

/** One event of a stream: the newest state, and the revision that the event before it had. */
export interface ExecutionUpdate {
  readonly execution: Execution;
  /** What the reader knew before: the revision of its last event, or what it started from; 0 for nothing. */
  readonly since: number;
}

/** Gives updates until the execution has ended or the client leaves. */
export type ExecutionReader = AsyncIterableIterator<ExecutionUpdate, undefined, undefined>;

type Answer = IteratorResult<ExecutionUpdate, undefined>;
const DONE: Answer = { done: true, value: undefined };

/**
 * Hand-written, because a generator cannot be returned while it waits: its client would hold on until the next
 * event. A reader that nobody asks costs nothing but itself: it has no queue, and skips to the newest state when
 * it is asked again.
 */
export class StateReader implements ExecutionReader {
  readonly #latest: () => Execution;
  readonly #onEnd: (reader: StateReader) => void;
  readonly #waiting: ((answer: Answer) => void)[] = [];
  #given: number;
  #ended = false;

  /** `latest` is the newest known state; `onEnd` is called once, when the reader gives no more. */
  constructor(latest: () => Execution, since: number, onEnd: (reader: StateReader) => void) {
    this.#latest = latest;
    this.#given = since;
    this.#onEnd = onEnd;
  }

  next(): Promise<Answer> {
    return this.#hasNews() ? Promise.resolve(this.#take()) : new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** Ends the stream at once, also while `next` waits: that one is answered as done. */
  return(): Promise<Answer> {
    this.end();
    return Promise.resolve(DONE);
  }

  throw(error: unknown): Promise<Answer> {
    this.end();
    return Promise.reject(error);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** Answers who waits, now that there may be a newer state. */
  wake(): void {
    while (this.#waiting.length > 0 && this.#hasNews()) this.#waiting.shift()?.(this.#take());
  }

  /** Gives no more; may be repeated. */
  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#onEnd(this);
    for (const resolve of this.#waiting.splice(0)) resolve(DONE);
  }

  #hasNews(): boolean {
    if (this.#ended) return true;
    const { revision, status } = this.#latest();
    return revision > this.#given || isFinalExecution(status);
  }

  /** The newest state if it was not given yet, else the end; asked only when there is news. */
  #take(): Answer {
    if (this.#ended) return DONE;
    const execution = this.#latest();
    const since = this.#given;
    this.#given = execution.revision;
    if (isFinalExecution(execution.status)) this.end();
    return execution.revision > since ? { done: false, value: { execution, since } } : DONE;
  }
}
