/** The subscriptions that run over server-sent events, so that the server can end them. */
import type { ExecutionResult, GraphQLError } from 'graphql';

type Results = AsyncIterable<ExecutionResult>;

/** Keeps the open streams, and ends one or all with a last event that says why. */
export class LiveStreams {
  readonly #open = new Set<LiveStream>();

  /** The source as a stream that `end` can end while it waits; `ended` is called once when it is over. */
  add(source: Results, ended: () => void): LiveStream {
    const stream = new LiveStream(source, () => {
      this.#open.delete(stream);
      ended();
    });
    this.#open.add(stream);
    return stream;
  }

  /** Ends all streams that are open now. */
  endAll(reason: GraphQLError): void {
    for (const stream of this.#open) stream.end(reason);
  }
}

type Result = IteratorResult<ExecutionResult, undefined>;
const DONE: Result = { done: true, value: undefined };

/**
 * One stream of results, for one reader that asks for one event at a time.
 *
 * A `next` that waits for the source is answered at once when the stream ends: an async generator could not be
 * returned while it waits, and a race against one long promise would keep memory for every event.
 */
export class LiveStream implements AsyncIterableIterator<ExecutionResult, undefined> {
  readonly #source: AsyncIterator<ExecutionResult>;
  readonly #ended: () => void;
  #closed = false;
  #last: ExecutionResult | null = null;
  #answer: ((result: Result) => void) | null = null;

  constructor(source: Results, ended: () => void) {
    this.#source = source[Symbol.asyncIterator]();
    this.#ended = ended;
  }

  /** Gives the reader a last event with the error, and then the end. */
  end(reason: GraphQLError): void {
    if (this.#closed) return;
    this.#leave();
    const event = { errors: [reason] };
    if (this.#answer === null) this.#last = event;
    else this.#settle({ done: false, value: event });
  }

  async next(): Promise<Result> {
    const last = this.#last;
    this.#last = null;
    if (last !== null) return { done: false, value: last };
    if (this.#closed) return DONE;
    const { promise, resolve, reject } = Promise.withResolvers<Result>();
    this.#answer = resolve;
    this.#source.next().then(
      (result) => {
        if (result.done === true) this.#close();
        this.#settle(result.done === true ? DONE : result);
      },
      (error: unknown) => {
        this.#close();
        reject(error);
      },
    );
    return promise;
  }

  async return(): Promise<Result> {
    this.#last = null;
    if (!this.#closed) this.#leave();
    this.#settle(DONE);
    return DONE;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  #settle(result: Result): void {
    this.#answer?.(result);
    this.#answer = null;
  }

  #close(): void {
    if (!this.#closed) this.#ended();
    this.#closed = true;
  }

  #leave(): void {
    this.#close();
    // Not waited for: a source that is stuck must not hold up the end. What it throws now, nobody can use.
    Promise.resolve(this.#source.return?.()).catch(() => undefined);
  }
}
