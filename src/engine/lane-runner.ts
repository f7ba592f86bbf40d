/**
 * Runs one lane of an execution on this node, from taking it to giving it back.
 *
 * Entry: `run()`, once, with a lane just taken. Its intake claims a read-ahead of items, its slots run them, its
 * recorder writes what they produce. It stays while the execution may still get work (more chunks,
 * due retries, a resume) and leaves when
 * - `halt()` was called and what ran has ended ("halted": the execution is closed, or the node stops),
 * - an answer of the database says that the execution has ended ("ended"), or
 * - an answer says that the lane has a newer epoch ("lost"): calls are aborted, outcomes dropped.
 */
import type { AgentRun } from '../domain/agent-context.ts';
import type { ItemError } from '../domain/item-error.ts';
import { isClaimable, isFinalExecution } from '../domain/states.ts';
import { rulesOf } from '../domain/tier-output.ts';
import { Admission } from './admission.ts';
import type { Call } from './attempt.ts';
import { BusyItems } from './busy-items.ts';
import { CallTimeouts } from './call-timeouts.ts';
import type { Interruption, ItemCalls } from './item-run.ts';
import type { LaneEnd, LaneHooks, LaneShared, LaneTuning } from './lane-contract.ts';
import { LaneIntake } from './lane-intake.ts';
import { type LaneItem, toFailed, toReturned } from './lane-item.ts';
import { LaneSlots } from './lane-slots.ts';
import { Latch } from './latch.ts';
import { patiently } from './patience.ts';
import type { ClaimAnswer, EngineParts, HeldLane, SettleAnswer, TakenLane } from './ports.ts';
import { Recorder } from './recorder.ts';
import { inTurns } from './turns.ts';

const ABORT_TEXTS = {
  CANCELLED: 'The execution was cancelled.',
  item: 'The item was cancelled.',
  EXPIRED: "The execution's deadline has passed.",
  shutdown: 'The service is stopping.',
} as const;

export class LaneRunner {
  readonly #parts: EngineParts;
  readonly #taken: TakenLane;
  readonly #hooks: LaneHooks;
  readonly #intake: LaneIntake;
  readonly #recorder: Recorder;
  readonly #admission: Admission;
  readonly #slots: LaneSlots;
  readonly #wake = new Latch();
  readonly #busy = new BusyItems();
  /** Of these, items that were cancelled by themselves. */
  readonly #cancelled = new Set<LaneItem>();
  #tuning: LaneTuning;
  #paused = false;
  #halted = false;
  #interruption: Interruption | null = null;
  #end: LaneEnd | null = null;
  readonly #begun = Promise.withResolvers<void>();
  #hasBegun = false;

  constructor(parts: EngineParts, taken: TakenLane, agents: readonly AgentRun[], shared: LaneShared, hooks: LaneHooks) {
    this.#parts = parts;
    this.#taken = taken;
    this.#hooks = hooks;
    this.#tuning = shared.tuning;
    const { lane, spec } = taken;
    this.#intake = new LaneIntake(parts, taken, {
      ready: (item) => this.#enqueue(item),
      idle: (item) => this.#recorder.stage(item, toReturned(item)),
      fail: (item, error) => this.#fail(item, error),
      answered: (answer) => this.#see(answer),
      lost: () => this.#leave('lost'),
      hasLeft: () => this.#end !== null,
      wake: () => this.#wake.set(),
    });
    this.#admission = new Admission({
      ...{ executionId: lane.executionId, clock: parts.clock, slots: shared.slots },
      weight: () => 2 ** this.#tuning.priority,
      barred: (begins) =>
        this.#end !== null || this.#interruption !== null || (begins && (this.#halted || this.#paused)),
      waits: (wait) => hooks.waits(wait),
    });
    this.#recorder = new Recorder(
      parts,
      lane,
      { round: taken.round, tiers: spec.tiers.length },
      {
        answered: (answer) => this.#see(answer),
        written: (item, move) => {
          this.#intake.written(item, move);
          if (this.#intake.isEmpty) hooks.changed();
        },
        broken: (error) => this.#break(error),
      },
    );
    const calls: ItemCalls = {
      ...{ parts, taken, recorder: this.#recorder, logs: shared.logs },
      timeouts: new CallTimeouts(parts.clock, spec.execution.itemTimeoutMs),
      keyPrefix: `${lane.executionId}:${taken.round}:`,
      tiers: spec.tiers.map((tier, index) => ({
        ...{ agentName: tier.agentName, prices: tier.prices, rules: rulesOf(tier) },
        run: agents[index] ?? unknownAgent,
        gate: shared.gates.of(tier.agentId, tier.rateLimit ?? null),
      })),
      policy: () => {
        const { backoff, retryRules = [] } = spec.execution;
        return { retryLimit: this.#tuning.retryLimit, backoff, rules: retryRules };
      },
      admit: ({ gate, agentName }, begins) => this.#admission.enter(gate, agentName, begins),
      release: () => this.#admission.leave(),
      parked: ({ agentName }, until) => this.#admission.note(agentName, until),
      previous: (item) =>
        patiently(
          parts,
          { executionId: lane.executionId },
          () => this.#end !== null,
          () => parts.store.previousResult(lane.executionId, item.ordinal, item.tier - 1),
        ),
      interruption: (item) => this.#interruption ?? (this.#cancelled.has(item) ? 'CANCELLED' : null),
      isBudgeted: () => this.#tuning.isBudgeted,
      opened: () => this.#begin(),
      overdue: () => shared.overdue.began(lane, parts.clock.now()),
      closed: (item) => this.#closed(item),
    };
    this.#slots = new LaneSlots(
      { limit: shared.limit, intake: this.#intake, calls },
      {
        isHeld: () => this.#halted || this.#paused,
        began: (item) => this.#busy.add(item),
        closed: (item) => this.#closed(item),
        broken: (error) => this.#break(error),
      },
    );
  }

  /** Runs the lane until it leaves; rejects only on a database error while it gives the lane back. */
  async run(): Promise<LaneEnd> {
    try {
      await this.#intake.resume();
      while (this.#end === null && !(this.#halted && this.#busy.size === 0)) {
        if (!this.#halted && !this.#paused && this.#intake.wantsMore(this.#slots.share)) {
          await this.#intake.claim();
        } else {
          if (this.#paused || this.#intake.isEmpty) this.#begin();
          await this.#wake.wait();
        }
      }
      await this.#recorder.flushed();
      if (this.#end === null) {
        const { keep, hasSuspects } = this.#intake;
        await this.#parts.store.releaseLane(this.#taken.lane, keep, hasSuspects);
      }
      return this.#end ?? 'halted';
    } finally {
      this.#begin();
      this.#lose();
    }
  }

  /** Resolves when it has called an agent, or has nothing to call one for at the moment. */
  get begun(): Promise<void> {
    return this.#begun.promise;
  }

  /** The lane as this node holds it. */
  get held(): HeldLane {
    return this.#taken.lane;
  }

  /** There may be more to claim: a chunk was appended, the execution was resumed. */
  poke(): void {
    this.#intake.poke();
  }

  /** Starts nothing more; `run` ends when what runs has ended. */
  halt(): void {
    this.#halted = true;
    this.#startNothing();
    this.#wake.set();
  }

  /** Starts nothing while paused; what runs goes on. */
  pause(): void {
    if (this.#paused) return;
    this.#paused = true;
    this.#startNothing();
  }

  /** Goes on after a pause. */
  unpause(): void {
    if (!this.#paused) return;
    this.#paused = false;
    for (const item of this.#intake.waiting) this.#enqueue(item);
    this.poke();
  }

  /** Takes over changed parameters: the next start and the next failure follow them. */
  tune(tuning: LaneTuning): void {
    this.#tuning = tuning;
    this.#slots.share = tuning.share;
  }

  /** Aborts what runs: its items end so, or on a shutdown go back to the pool uncharged. */
  abort(reason: Exclude<Interruption, 'lost'>): void {
    if (this.#interruption !== null) return;
    this.#interruption = reason;
    this.#admission.recheck();
    this.#stopCalls(callsOf(this.#busy.all), ABORT_TEXTS[reason]);
  }

  /** Drops items that the database has as CANCELLED: starts none of them, and aborts the calls of those that run. */
  cancelItems(ordinals: readonly number[]): void {
    const chosen = new Set(ordinals);
    const running = this.#busy.all.filter(({ ordinal }) => chosen.has(ordinal));
    for (const item of running) this.#cancelled.add(item);
    this.#stopCalls(callsOf(running), ABORT_TEXTS.item);
    this.#intake.drop(ordinals);
  }

  /** Ends every attempt as interrupted, also those whose agent ignores its abort. */
  abandon(): void {
    for (const { call } of this.#busy.all) call?.abandon();
  }

  /** Leaves at once and writes nothing more: the execution has ended elsewhere, or the database is away at a stop. */
  drop(): void {
    this.#leave('lost');
  }

  /** Resolves when all outcomes so far are in the database. */
  flushed(): Promise<void> {
    return this.#recorder.flushed();
  }

  /** Asked for each call: a promise that is settled again costs more than a look. */
  #begin(): void {
    if (this.#hasBegun) return;
    this.#hasBegun = true;
    this.#begun.resolve();
  }

  #enqueue(item: LaneItem): void {
    if (!this.#halted && !this.#paused) this.#slots.enqueue(item);
  }

  /** Tells calls to stop, all for the same reason: an error of its own for each is half of what an abort costs. */
  #stopCalls(calls: readonly Call[], why: string, abandons = false): void {
    const reason = new DOMException(why, 'AbortError');
    void inTurns(calls, (call) => {
      call.abort(reason);
      if (abandons) call.abandon();
    });
  }

  #startNothing(): void {
    this.#slots.clear();
    this.#admission.recheck();
  }

  /** Fails an item that no agent is called for. */
  #fail(item: LaneItem, error: ItemError): void {
    const at = this.#parts.clock.now();
    item.startedAt ??= at;
    const failure = {
      ordinal: item.ordinal,
      tier: item.tier,
      attempt: item.attempt + 1,
      error,
      startedAt: at,
      at,
      usage: null,
    };
    this.#recorder.stage(item, toFailed(item, at, error), { failure });
  }

  #closed(item: LaneItem): void {
    this.#busy.delete(item);
    this.#cancelled.delete(item);
    item.call = null;
    this.#wake.set();
  }

  /** Takes in where the execution stands; one that takes no more items is the runner's business. */
  #see(answer: ClaimAnswer | SettleAnswer): void {
    const { held, status, closing, revision } = answer;
    if (revision !== null) this.#parts.publish(this.#taken.lane.executionId, revision, isFinalExecution(status));
    if (isFinalExecution(status)) return this.#leave('ended');
    if (!held) return this.#leave('lost');
    const isSpent = 'spent' in answer && answer.spent;
    if (!isSpent && !closing && isClaimable(status)) return;
    // Not later, when the runner has looked: quick calls would go on until then.
    this.pause();
    this.#hooks.changed();
  }

  #break(error: unknown): void {
    this.#lose();
    this.#hooks.broken(error);
  }

  #leave(end: LaneEnd): void {
    this.#end ??= end;
    if (end === 'lost') this.#lose();
    this.#wake.set();
  }

  #lose(): void {
    this.#end ??= 'lost';
    this.#interruption = 'lost';
    this.#halted = true;
    this.#startNothing();
    this.#intake.stop();
    this.#recorder.lose();
    this.#stopCalls(callsOf(this.#busy.all), 'Another node runs this item.', true);
    this.#wake.set();
  }
}

const unknownAgent: AgentRun = () => {
  throw new Error('a tier has no code');
};

const callsOf = (items: readonly LaneItem[]): Call[] => items.flatMap(({ call }) => call ?? []);
