/** One call of an agent: its end as it is recorded, and the end of the call itself, which may come later. */
import type { AgentContext, AgentRun } from '../domain/agent-context.ts';
import { checkResult, type StorableResult } from '../domain/agent-result.ts';
import { AttemptInterrupted } from '../domain/attempt-interrupted.ts';
import { classifyThrown, type ItemError, itemError } from '../domain/item-error.ts';
import type { Clock } from './ports.ts';

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
  /** Tells the agent to stop. A result it still returns counts; an error it throws after that does not. */
  abort(reason: string): void;
  /** Ends the attempt as interrupted, whatever the agent still does. */
  abandon(): void;
}

/** An abort signal that is only made when someone asks for it: that is a third of what a short call costs. */
export class CallSignal {
  #controller: AbortController | null = null;
  #reason: DOMException | null = null;

  get signal(): AbortSignal {
    if (this.#controller === null) {
      this.#controller = new AbortController();
      if (this.#reason !== null) this.#controller.abort(this.#reason);
    }
    return this.#controller.signal;
  }

  abort(reason: DOMException): void {
    this.#reason ??= reason;
    this.#controller?.abort(this.#reason);
  }
}

/**
 * Calls an agent once, with the context made for the call's own signal. Never throws; a synchronous throw of the
 * agent is its error.
 */
export function callAgent(
  run: AgentRun,
  contextFor: (stop: CallSignal) => AgentContext,
  timeoutMs: number,
  clock: Clock,
): Call {
  const stop = new CallSignal();
  const end = Promise.withResolvers<AttemptEnd>();
  let aborted = false;
  const cancelTimeout = clock.after(timeoutMs, () => {
    end.resolve({
      kind: 'error',
      error: itemError('TIMEOUT', 'timeout', `The call took longer than ${timeoutMs} ms.`, {
        stage: 'call',
        recovery: 'Make the agent faster, or give it more time with itemTimeoutMs.',
      }),
    });
    stop.abort(new DOMException('The call took longer than its timeout.', 'TimeoutError'));
  });
  const call = async (): Promise<void> => {
    try {
      end.resolve(resultEnd(await run(contextFor(stop))));
    } catch (thrown) {
      end.resolve(aborted ? { kind: 'interrupted' } : thrownEnd(thrown));
    } finally {
      cancelTimeout();
    }
  };
  return {
    end: end.promise,
    quiet: call(),
    abort(reason) {
      aborted = true;
      stop.abort(new DOMException(reason, 'AbortError'));
    },
    abandon() {
      // Aborted before: the timeout has nothing left to end, and would keep the process alive for as long.
      cancelTimeout();
      end.resolve({ kind: 'interrupted' });
    },
  };
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
