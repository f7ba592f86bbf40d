/** What tells a call to stop, and the signal of its context. */
import type { AgentContext } from './agent-context.ts';

export const STOP = Symbol('stop');

/**
 * An abort signal that is only made when someone asks for it, which is a third of what a short call costs. Who only wants
 * to hear of the abort listens, without one.
 */
export class CallSignal {
  #controller: AbortController | null = null;
  #reason: unknown = null;
  #aborted = false;
  #listener: (() => void) | null = null;

  get signal(): AbortSignal {
    if (this.#controller === null) {
      this.#controller = new AbortController();
      if (this.#aborted) this.#controller.abort(this.#reason);
    }
    return this.#controller.signal;
  }

  get isAborted(): boolean {
    return this.#aborted;
  }

  /** What it was aborted with; null while it was not. */
  get reason(): unknown {
    return this.#reason;
  }

  /** Only the first abort counts. */
  abort(reason: unknown): void {
    if (this.#aborted) return;
    this.#aborted = true;
    this.#reason = reason;
    this.#controller?.abort(reason);
    this.#listener?.();
  }

  /** Calls back on the abort; null: no more. One listens at a time. */
  listen(listener: (() => void) | null): void {
    this.#listener = listener;
  }
}

/** A context that knows what stops its call. */
export interface Stoppable {
  readonly [STOP]: CallSignal;
}

/** Gives a context its `signal`, a property of its own: an agent may take the context apart and copy it. */
export function withSignal<Context extends Stoppable>(context: Context): Context & Pick<AgentContext, 'signal'> {
  // What is defined here.
  return Object.defineProperty(context, 'signal', SIGNAL) as Context & Pick<AgentContext, 'signal'>;
}

/** One getter for all: each object with one of its own would get a hidden class of its own, at 1 us a call. */
const SIGNAL: PropertyDescriptor & ThisType<Stoppable> = {
  enumerable: true,
  get() {
    return this[STOP].signal;
  },
};

/** What stops the call of a context, also of one that was made elsewhere and has a signal only. */
export function stopOf(context: AgentContext & Partial<Stoppable>): CallSignal {
  const own = context[STOP];
  if (own !== undefined) return own;
  const { signal } = context;
  const stop = new CallSignal();
  if (signal.aborted) stop.abort(signal.reason);
  else signal.addEventListener('abort', () => stop.abort(signal.reason), { once: true });
  return stop;
}
