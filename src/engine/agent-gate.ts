/**
 * What all calls of one agent on this node share: its rate limit, and a circuit breaker for storms.
 *
 * A storm is RATE_LIMIT or connection faults in most of the last calls. It opens the gate's breaker: nothing of the
 * agent starts for a while, then one call tries, and on its success all go on (cockatiel's count breaker, with
 * growing pauses). While it is open no retry is charged; for how long that may go on is the execution's business,
 * which is why `stormSince` tells when it began.
 */
import { BrokenCircuitError, CircuitState, CountBreaker, circuitBreaker, DelegateBackoff, handleAll } from 'cockatiel';
import pThrottle from 'p-throttle';
import type { ErrorCategory } from '../domain/item-error.ts';
import type { RateLimit } from '../domain/spec.ts';
import type { AttemptEnd } from './attempt.ts';
import type { Clock } from './ports.ts';

/** How many of the last calls are judged, and which share of faults is a storm. */
const JUDGED_CALLS = 20;
const STORM_SHARE = 0.5;
const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 30_000;
/** How soon those who wait for a trial call's end ask again. */
const TRIAL_CHECK_MS = 250;

const STORM_CATEGORIES: ReadonlySet<ErrorCategory> = new Set<ErrorCategory>(['RATE_LIMIT', 'NETWORK']);

/** Carries a storm's fault through the breaker, which counts what is thrown. */
class StormFault extends Error {
  readonly end: AttemptEnd;
  constructor(end: AttemptEnd) {
    super('storm');
    this.end = end;
  }
}

/** A start that is not allowed yet. */
export interface StartWait {
  /** `false` once `cancel` was called. */
  readonly granted: Promise<boolean>;
  cancel(): void;
}

export class AgentGate {
  readonly #clock: Clock;
  readonly #breaker;
  readonly #reserve: (() => Promise<void>) | null;
  readonly #starts = new Set<(granted: boolean) => void>();
  #reserving = false;
  #trying = false;
  /** Calls without a fault since the last fault, as far as the breaker has to know: up to what it judges. */
  #clean = 0;
  #stormSince: Date | null = null;
  #opensAt: Date | null = null;

  constructor(clock: Clock, rateLimit: RateLimit | null, closed = new AbortController().signal) {
    this.#clock = clock;
    this.#reserve = rateLimit === null ? null : throttle(rateLimit, closed);
    this.#breaker = circuitBreaker(handleAll, {
      halfOpenAfter: new DelegateBackoff(({ attempt }: { attempt: number }) => {
        const pauseMs = Math.min(FIRST_PAUSE_MS * 2 ** Math.min(attempt - 1, 10), LONGEST_PAUSE_MS);
        this.#opensAt = new Date(clock.now().getTime() + pauseMs);
        return pauseMs;
      }),
      breaker: new CountBreaker({ threshold: STORM_SHARE, size: JUDGED_CALLS, minimumNumberOfCalls: JUDGED_CALLS }),
    });
    this.#breaker.onBreak(() => {
      this.#stormSince ??= clock.now();
    });
    this.#breaker.onReset(() => {
      this.#clean = 0;
      this.#stormSince = null;
      this.#opensAt = null;
    });
  }

  /** When the storm that goes on began; null while there is none. */
  get stormSince(): Date | null {
    return this.#stormSince;
  }

  /** Until when nothing of the agent is to start; null when calls may try. */
  get parkedUntil(): Date | null {
    if (this.#breaker.state === CircuitState.Closed) return null;
    const now = this.#clock.now();
    // One call tries; nobody else knows how long it takes.
    if (this.#trying) return new Date(now.getTime() + TRIAL_CHECK_MS);
    return this.#opensAt !== null && this.#opensAt > now ? this.#opensAt : null;
  }

  /**
   * While a storm of this category goes on, for up to `limitMs`: how long until the gate opens, in ms. null: the
   * fault is the item's own, and is charged.
   */
  parkedMs(category: ErrorCategory, now: Date, limitMs: number): number | null {
    if (this.#stormSince === null || !STORM_CATEGORIES.has(category)) return null;
    if (now.getTime() - this.#stormSince.getTime() > limitMs) return null;
    return Math.max((this.#opensAt?.getTime() ?? 0) - now.getTime(), 0);
  }

  /** Whether starts must wait for `nextStart`. */
  get isLimited(): boolean {
    return this.#reserve !== null;
  }

  /** The next start that the rate limit allows; null where there is no limit. In the order in which they ask. */
  nextStart(): StartWait | null {
    if (this.#reserve === null) return null;
    const { promise, resolve } = Promise.withResolvers<boolean>();
    this.#starts.add(resolve);
    void this.#grantStarts(this.#reserve);
    return {
      granted: promise,
      cancel: () => {
        if (this.#starts.delete(resolve)) resolve(false);
      },
    };
  }

  /** One start is reserved at a time, so that those who gave up waiting leave none behind. */
  async #grantStarts(reserve: () => Promise<void>): Promise<void> {
    if (this.#reserving) return;
    this.#reserving = true;
    while (this.#starts.size > 0) {
      const granted = await reserve().then(
        () => true,
        // Closed: nobody starts any more.
        () => false,
      );
      const [first] = this.#starts;
      if (first === undefined) continue;
      this.#starts.delete(first);
      first(granted);
    }
    this.#reserving = false;
  }

  /**
   * Whether a call need not be watched: another success tells a breaker nothing that has only seen successes. Its end is
   * then for `heed`.
   */
  get isCalm(): boolean {
    return this.#clean >= JUDGED_CALLS && this.#breaker.state === CircuitState.Closed;
  }

  /** Takes note of the end of a call that was made in a calm; to be waited for where it answers a promise. */
  heed(end: AttemptEnd): Promise<unknown> | null {
    const tells = isFault(end) || this.#clean < JUDGED_CALLS;
    return tells && this.#breaker.state === CircuitState.Closed ? this.watch(() => Promise.resolve(end)) : null;
  }

  /** Makes a call under the breaker; null when it was not made because the storm goes on. */
  async watch(call: () => Promise<AttemptEnd>): Promise<AttemptEnd | null> {
    const tries = this.#breaker.state !== CircuitState.Closed;
    if (tries && this.#trying) return null;
    this.#trying = tries;
    try {
      return await this.#breaker.execute(async () => {
        const end = await call();
        const faulty = isFault(end) || (tries && isInconclusive(end));
        this.#clean = faulty ? 0 : this.#clean + 1;
        if (faulty) throw new StormFault(end);
        return end;
      });
    } catch (error) {
      if (error instanceof StormFault) return error.end;
      if (error instanceof BrokenCircuitError) return null;
      throw error;
    } finally {
      if (tries) this.#trying = false;
    }
  }
}

const isFault = (end: AttemptEnd): boolean => end.kind === 'error' && STORM_CATEGORIES.has(end.error.category);

/** A trial that says nothing of whether the agent is back. */
const isInconclusive = (end: AttemptEnd): boolean =>
  end.kind === 'interrupted' || end.kind === 'again' || (end.kind === 'error' && end.error.category === 'TIMEOUT');

const UNIT_MS = { SECOND: 1_000, MINUTE: 60_000 } as const;

function throttle({ starts, per }: RateLimit, signal: AbortSignal): () => Promise<void> {
  // Strict: no window of that length sees more starts, wherever it begins.
  const start = pThrottle({ limit: starts, interval: UNIT_MS[per], strict: true, signal })(() => undefined);
  return async () => {
    await start();
  };
}

/** How long a gate is kept that no lane uses, in ms: its rate limit must not forget a start, however slow the limit. */
const KEPT_MS = 2 * UNIT_MS.MINUTE;

interface KeptGate {
  readonly gate: AgentGate;
  lanes: number;
  leftAt: number;
}

/** The gates of one node. */
export class AgentGates {
  readonly #clock: Clock;
  readonly #gates = new Map<string, KeptGate>();
  readonly #closed = new AbortController();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Lets nobody start any more who waits for a rate limit, and waits for none itself. */
  close(): void {
    this.#closed.abort();
  }

  /** The gate that all executions share which call this agent under this limit; for a lane, until it calls `leave`. */
  of(agentId: string, rateLimit: RateLimit | null): AgentGate {
    this.#forget();
    const key = keyOf(agentId, rateLimit);
    const fresh = () => ({ gate: new AgentGate(this.#clock, rateLimit, this.#closed.signal), lanes: 0, leftAt: 0 });
    const kept = this.#gates.get(key) ?? fresh();
    kept.lanes += 1;
    this.#gates.set(key, kept);
    return kept.gate;
  }

  /** A lane needs the gate that it got for this agent and limit no more. */
  leave(agentId: string, rateLimit: RateLimit | null): void {
    const kept = this.#gates.get(keyOf(agentId, rateLimit));
    if (kept === undefined) return;
    kept.lanes -= 1;
    kept.leftAt = this.#clock.now().getTime();
  }

  /** Gates that are kept. */
  get size(): number {
    return this.#gates.size;
  }

  /** Drops the gates that no lane has used for long; a storm that went on then is to be found out anew. */
  #forget(): void {
    const now = this.#clock.now().getTime();
    for (const [key, { lanes, leftAt }] of this.#gates) {
      if (lanes === 0 && now - leftAt > KEPT_MS) this.#gates.delete(key);
    }
  }
}

const keyOf = (agentId: string, rateLimit: RateLimit | null): string =>
  `${agentId} ${rateLimit?.starts ?? ''} ${rateLimit?.per ?? ''}`;
