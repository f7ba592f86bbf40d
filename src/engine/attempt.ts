/** One call of an agent: its end as it is recorded, and the end of the call itself, which may come later. */
import type { AgentContext, AgentRun } from '../domain/agent-context.ts';
import { checkResult, type StorableResult } from '../domain/agent-result.ts';
import { AttemptInterrupted } from '../domain/attempt-interrupted.ts';
import type { CallSignal } from '../domain/call-signal.ts';
import { classifyThrown, type ItemError, itemError } from '../domain/item-error.ts';
import type { SharedTimer, Timed } from './call-timeouts.ts';

export type AttemptEnd =
  | { readonly kind: 'result'; readonly result: StorableResult }
  | { readonly kind: 'error'; readonly error: ItemError }
  /** Ended by `abort` without a result: nothing is charged. */
  | { readonly kind: 'interrupted' }
  /** Cut off by its runtime for no fault of its own: it is to be called again. */
  | { readonly kind: 'again' };

export interface Call {
  /** What to record. Comes at the timeout at the latest, unless the call is aborted and never answers. */
  readonly end: Promise<AttemptEnd>;
  /** Resolves when the agent's own promise has settled: until then it uses its slot. */
  readonly quiet: Promise<void>;
  /** Whether it has. */
  readonly isQuiet: boolean;
  /** Tells the agent to stop. A result it still returns counts; an error it throws after that does not. */
  abort(reason: DOMException): void;
  /** Ends the attempt as interrupted, whatever the agent still does. */
  abandon(): void;
}

/** A call that is made at once. Never throws; a synchronous throw of the agent is its error. */
export class AgentCall implements Call, Timed {
  readonly end: Promise<AttemptEnd>;
  readonly quiet: Promise<void>;
  isQuiet = false;
  readonly #stop: CallSignal;
  readonly #resolve: (end: AttemptEnd) => void;
  readonly #timer: SharedTimer;
  /** Its place there; null: it has left. */
  #place: number | null;
  #aborted = false;

  /** The context's signal is that of `stop`. */
  constructor(run: AgentRun, context: AgentContext, stop: CallSignal, timer: SharedTimer) {
    const { promise, resolve } = Promise.withResolvers<AttemptEnd>();
    this.end = promise;
    this.#resolve = resolve;
    this.#stop = stop;
    this.#timer = timer;
    this.#place = timer.join(this);
    this.quiet = this.#call(run, context);
  }

  abort(reason: DOMException): void {
    this.#aborted = true;
    this.#stop.abort(reason);
  }

  abandon(): void {
    // Aborted before: the timeout has nothing left to end, and would keep the process alive for as long.
    this.#leaveTimer();
    this.#resolve({ kind: 'interrupted' });
  }

  async #call(run: AgentRun, context: AgentContext): Promise<void> {
    try {
      this.#resolve(resultEnd(await run(context)));
    } catch (thrown) {
      this.#resolve(this.#aborted ? { kind: 'interrupted' } : thrownEnd(thrown));
    } finally {
      this.isQuiet = true;
      this.#leaveTimer();
    }
  }

  #leaveTimer(): void {
    if (this.#place !== null) this.#timer.leave(this.#place);
    this.#place = null;
  }

  /** Ends the attempt as timed out, and tells the agent to stop. */
  timeOut(timeoutMs: number): void {
    this.#resolve({
      kind: 'error',
      error: itemError('TIMEOUT', 'timeout', `The call took longer than ${timeoutMs} ms.`, {
        stage: 'call',
        recovery: 'Make the agent faster, or give it more time with itemTimeoutMs.',
      }),
    });
    this.#stop.abort(new DOMException('The call took longer than its timeout.', 'TimeoutError'));
  }
}

function thrownEnd(thrown: unknown): AttemptEnd {
  try {
    if (thrown instanceof AttemptInterrupted) return { kind: 'again' };
    return { kind: 'error', error: classifyThrown(thrown) };
  } catch {
    // An object may throw at every question about it: that, too, must end the attempt, and only the attempt.
    const error = itemError('RUNTIME', 'unreadable', 'What the agent threw cannot be read.', { stage: 'call' });
    return { kind: 'error', error };
  }
}

function resultEnd(value: unknown): AttemptEnd {
  const check = checkResult(value);
  return check.ok ? { kind: 'result', result: check.result } : { kind: 'error', error: check.error };
}
