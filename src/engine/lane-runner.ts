/**
 * Runs one lane of an execution on this node, from taking it to giving it back.
 *
 * Entry: `run()`, once, with a lane just taken. It claims a read-ahead of items, starts them through
 * `p-limit(share)`, and records what they produce. It stays while the execution may still get work (more chunks,
 * due retries, a resume) and leaves when
 * - `halt()` was called and what ran has ended ("halted": the execution is closed, or the node stops),
 * - an answer of the database says that the execution has ended ("ended"), or
 * - an answer says that the lane has a newer epoch ("lost"): calls are aborted, outcomes dropped.
 *
 * Items stay in `held`, and so in the claim on the lane's row, until their end or their backoff is committed.
 */
import type { LimitFunction } from 'p-limit';
import type { AgentRun } from '../domain/agent-context.ts';
import type { ItemError } from '../domain/item-error.ts';
import { type ExecutionStatus, isClaimable, isFinalExecution } from '../domain/states.ts';
import { Admission } from './admission.ts';
import type { Call } from './attempt.ts';
import { type Interruption, type ItemCalls, runItem } from './item-run.ts';
import type { LaneEnd, LaneHooks, LaneShared, LaneTuning } from './lane-contract.ts';
import { FATAL_DEATHS, inputMissing, workerCrash } from './lane-failures.ts';
import { type LaneItem, toFailed, toLaneItem } from './lane-item.ts';
import { Latch } from './latch.ts';
import { patiently } from './patience.ts';
import type { ClaimAnswer, EngineParts, ItemInput, ItemMove, SettleAnswer, TakenLane } from './ports.ts';
import { FLUSH_MAX, Recorder } from './recorder.ts';

const ABORT_TEXTS = {
  CANCELLED: 'The execution was cancelled.',
  EXPIRED: "The execution's deadline has passed.",
  shutdown: 'The service is stopping.',
} as const;
/** Due times this near are waited out together, so that scattered backoffs do not each cost a claim. */
const DUE_GRAIN_MS = 20;

export class LaneRunner {
  readonly #parts: EngineParts;
  readonly #taken: TakenLane;
  readonly #hooks: LaneHooks;
  readonly #recorder: Recorder;
  readonly #itemCalls: ItemCalls;
  readonly #wake = new Latch();
  readonly #held = new Map<number, LaneItem>();
  readonly #inputs = new Map<number, ItemInput>();
  // By item, not by ordinal: a call that ignores its timeout may still go on when the item is claimed again.
  readonly #calls = new Map<LaneItem, Call>();
  readonly #limit: LimitFunction;
  readonly #busy = new Set<LaneItem>();
  /** Claimed and not started, by whether its start must be committed first. */
  readonly #waiting = new Map<LaneItem, boolean>();
  readonly #admission: Admission;
  #tuning: LaneTuning;
  #paused = false;
  #halted = false;
  #interruption: Interruption | null = null;
  #end: LaneEnd | null = null;
  #dry = false;
  #pokes = 0;
  /** Items that ran in two deaths, to be run one after another before anything else; null once that is done. */
  #alone: { readonly queue: LaneItem[]; readonly rest: readonly LaneItem[] } | null = null;
  #dueAt: number | null = null;
  #cancelDue: (() => void) | null = null;

  constructor(parts: EngineParts, taken: TakenLane, agents: readonly AgentRun[], shared: LaneShared, hooks: LaneHooks) {
    this.#parts = parts;
    this.#taken = taken;
    this.#hooks = hooks;
    this.#limit = shared.limit;
    this.#tuning = shared.tuning;
    const { gates, slots } = shared;
    this.#admission = new Admission({
      ...{ executionId: taken.lane.executionId, clock: parts.clock, slots },
      weight: () => 2 ** this.#tuning.priority,
      barred: (begins) =>
        this.#end !== null || this.#interruption !== null || (begins && (this.#halted || this.#paused)),
      waits: (wait) => hooks.waits(wait),
    });
    this.#recorder = new Recorder(parts, taken.lane, taken.round, {
      answered: (answer) => this.#answered(answer),
      written: (item, move) => this.#written(item, move),
      broken: (error) => {
        this.#lose();
        hooks.broken(error);
      },
    });
    this.#itemCalls = {
      parts,
      taken,
      tiers: taken.spec.tiers.map(({ agentId, agentName, rateLimit }, tier) => ({
        agentName,
        run: agents[tier] ?? unknownAgent,
        gate: gates.of(agentId, rateLimit ?? null),
      })),
      recorder: this.#recorder,
      policy: () => {
        const { backoff, retryRules = [] } = taken.spec.execution;
        return { retryLimit: this.#tuning.retryLimit, backoff, rules: retryRules };
      },
      admit: ({ gate, agentName }, begins) => this.#admission.enter(gate, agentName, begins),
      release: () => this.#admission.leave(),
      parked: ({ agentName }, until) => this.#admission.note(agentName, until),
      previous: (item) => {
        const { executionId } = this.#taken.lane;
        return this.#patiently(() => this.#parts.store.previousResult(executionId, item.ordinal, item.tier - 1));
      },
      interruption: () => this.#interruption,
      opened: (item, call) => void this.#calls.set(item, call),
      closed: (item) => this.#closed(item),
    };
  }

  /** Runs the lane until it leaves; rejects only on a database error outside a flush. */
  async run(): Promise<LaneEnd> {
    try {
      await this.#resumeClaim();
      while (this.#end === null && !(this.#halted && this.#busy.size === 0)) {
        if (this.#wantsMore()) await this.#claim();
        else await this.#wake.wait();
      }
      await this.#recorder.flushed();
      if (this.#end === null) {
        const suspects = this.#alone !== null || [...this.#waiting.values()].includes(true);
        await this.#parts.store.releaseLane(this.#taken.lane, [...this.#held.keys()], suspects);
      }
      return this.#end ?? 'halted';
    } finally {
      this.#lose();
    }
  }

  /** There may be more to claim: a chunk was appended, the execution was resumed. */
  poke(): void {
    this.#pokes += 1;
    this.#dry = false;
    this.#wake.set();
  }

  /** Starts nothing more; `run` ends when what runs has ended. */
  halt(): void {
    this.#halted = true;
    this.#limit.clearQueue();
    this.#admission.recheck();
    this.#wake.set();
  }

  /** Starts nothing while paused; what runs goes on. */
  pause(): void {
    if (this.#paused) return;
    this.#paused = true;
    this.#limit.clearQueue();
    this.#admission.recheck();
  }

  /** Goes on after a pause. */
  unpause(): void {
    if (!this.#paused) return;
    this.#paused = false;
    for (const item of this.#waiting.keys()) this.#enqueue(item);
    this.poke();
  }

  /** Takes over changed parameters: the next start and the next failure follow them. */
  tune(tuning: LaneTuning): void {
    this.#limit.concurrency = tuning.share;
    this.#tuning = tuning;
  }

  /** Aborts what runs: its items end so, or on a shutdown go back to the pool uncharged. */
  abort(reason: Exclude<Interruption, 'lost'>): void {
    if (this.#interruption !== null) return;
    this.#interruption = reason;
    this.#admission.recheck();
    for (const call of this.#calls.values()) call.abort(ABORT_TEXTS[reason]);
  }

  /** Ends every attempt as interrupted, also those whose agent ignores its abort. */
  abandon(): void {
    for (const call of this.#calls.values()) call.abandon();
  }

  /** Leaves at once and writes nothing more: the execution has ended elsewhere, or the database is away at a stop. */
  drop(): void {
    this.#leave('lost');
  }

  /** Resolves when all outcomes so far are in the database. */
  flushed(): Promise<void> {
    return this.#recorder.flushed();
  }

  /** Items whose attempt has not ended. */
  get active(): number {
    return this.#busy.size;
  }

  #wantsMore(): boolean {
    if (this.#halted || this.#paused || this.#end !== null || this.#dry || this.#alone !== null) return false;
    return this.#waiting.size < Math.max(this.#limit.concurrency, FLUSH_MAX / 2);
  }

  async #claim(): Promise<void> {
    const keep = [...this.#held.keys()];
    const pokes = this.#pokes;
    const answer = await this.#askClaim(keep);
    if (answer === null) return;
    if (answer.revision !== null) this.#parts.publish(this.#taken.lane.executionId, answer.revision);
    if (!answer.held) return this.#leave('lost');
    // What was appended while it was asked is not in the answer.
    this.#dry = answer.items.length < FLUSH_MAX && pokes === this.#pokes;
    this.#see(answer);
    this.#expectDue(answer.nextDueAt?.getTime() ?? null);
    await this.#admit(answer.items.map(toLaneItem));
  }

  /** A claim's answer; null when none came: what it may have added to the claim is then taken in, or the lane has left. */
  async #askClaim(keep: readonly number[]): Promise<ClaimAnswer | null> {
    const { store, clock, log } = this.#parts;
    const { lane } = this.#taken;
    try {
      return await store.claim(lane, keep, FLUSH_MAX, clock.now());
    } catch (error) {
      log.warn({ executionId: lane.executionId, err: error }, 'a claim was not answered');
    }
    const held = await this.#patiently(() => store.heldItems(lane));
    if (held === null) this.#leave('lost');
    else {
      // What was kept is known, and may have been settled since: only the rest is what the claim added.
      const known = new Set(keep);
      await this.#admit(held.filter(({ ordinal }) => !known.has(ordinal)).map(toLaneItem));
    }
    return null;
  }

  /** Asks the database until it answers; null when the lane has left meanwhile. */
  #patiently<T>(ask: () => Promise<T>): Promise<T | null> {
    return patiently(this.#parts, { executionId: this.#taken.lane.executionId }, () => this.#end !== null, ask);
  }

  /** Goes on with what the last holder left, before anything new is claimed. */
  async #resumeClaim(): Promise<void> {
    const items = this.#taken.items.map(toLaneItem);
    if (!this.#taken.afterDeath) return await this.#admit(items);
    const fatal = items.filter((item) => item.deaths + 1 >= FATAL_DEATHS);
    const repeated = items.filter((item) => item.deaths > 0 && item.deaths + 1 < FATAL_DEATHS);
    const first = items.filter((item) => item.deaths === 0);
    for (const item of items) this.#held.set(item.ordinal, item);
    for (const item of fatal) {
      item.deaths += 1;
      this.#fail(item, workerCrash());
    }
    await this.#loadInputs(items);
    this.#alone = { queue: repeated, rest: first };
    this.#nextAlone();
  }

  /** Starts the next item that is to run alone, so that the one to blame takes no neighbour with it; then the rest. */
  #nextAlone(): void {
    if (this.#alone === null) return;
    const item = this.#alone.queue.shift();
    if (item !== undefined) {
      this.#admitOne(item, true);
      return;
    }
    const { rest } = this.#alone;
    this.#alone = null;
    for (const other of rest) this.#admitOne(other, true);
    this.#wake.set();
  }

  /** Fails an item that no agent is called for. */
  #fail(item: LaneItem, error: ItemError): void {
    const at = this.#parts.clock.now();
    item.startedAt ??= at;
    const failure = { ordinal: item.ordinal, tier: item.tier, attempt: item.attempt + 1, error, at };
    this.#recorder.stage(item, toFailed(item, at, error), { failure });
  }

  async #admit(items: readonly LaneItem[]): Promise<void> {
    for (const item of items) this.#held.set(item.ordinal, item);
    await this.#loadInputs(items);
    for (const item of items) this.#admitOne(item, false);
  }

  #admitOne(item: LaneItem, afterDeath: boolean): void {
    this.#waiting.set(item, afterDeath);
    if (!this.#paused) this.#enqueue(item);
  }

  async #loadInputs(items: readonly LaneItem[]): Promise<void> {
    if (items.length === 0) return;
    const ordinals = items.map((item) => item.ordinal);
    const { inputs } = this.#parts;
    const loaded = await this.#patiently(() => inputs.load(this.#taken.lane.executionId, ordinals));
    for (const [ordinal, input] of loaded ?? []) this.#inputs.set(ordinal, input);
  }

  #enqueue(item: LaneItem): void {
    if (!this.#halted) void this.#limit(() => this.#run(item));
  }

  /** One slot's work with one item; never throws. */
  async #run(item: LaneItem): Promise<void> {
    await this.#recorder.room();
    const afterDeath = this.#waiting.get(item);
    const input = this.#inputs.get(item.ordinal);
    if (this.#halted || this.#paused || afterDeath === undefined) return;
    this.#waiting.delete(item);
    if (input === undefined) {
      this.#fail(item, inputMissing());
      this.#nextAlone();
      return;
    }
    this.#inputs.delete(item.ordinal);
    this.#busy.add(item);
    if (afterDeath) item.deaths += 1;
    try {
      if (await runItem(this.#itemCalls, item, input, afterDeath)) {
        this.#nextAlone();
        return;
      }
      // Barred before it began: it waits for the end of the pause, or for the lane's next holder.
      if (afterDeath) item.deaths -= 1;
      this.#inputs.set(item.ordinal, input);
      this.#waiting.set(item, afterDeath);
    } catch (error) {
      this.#lose();
      this.#hooks.broken(error);
    } finally {
      this.#closed(item);
    }
  }

  #closed(item: LaneItem): void {
    this.#busy.delete(item);
    this.#calls.delete(item);
    this.#wake.set();
  }

  #answered(answer: SettleAnswer): void {
    if (answer.revision !== null) this.#parts.publish(this.#taken.lane.executionId, answer.revision);
    if (!answer.held) return this.#leave(isFinalExecution(answer.status) ? 'ended' : 'lost');
    this.#see(answer);
  }

  /** Takes in where the execution stands; one that takes no more items is the runner's business. */
  #see({ status, closing }: { status: ExecutionStatus; closing: boolean }): void {
    if (isFinalExecution(status)) this.#leave('ended');
    if (closing || !isClaimable(status)) {
      this.#dry = true;
      this.#hooks.changed();
    }
  }

  #written(item: LaneItem, move: Omit<ItemMove, 'was'>): void {
    if (move.to === 'QUEUED' || move.to === 'RUNNING') return;
    this.#held.delete(item.ordinal);
    if (this.#held.size === 0 && this.#dry) this.#hooks.changed();
    if (move.runAfter !== null) this.#expectDue(move.runAfter.getTime());
    this.#wake.set();
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
    this.#limit.clearQueue();
    this.#cancelDue?.();
    this.#admission.recheck();
    this.#recorder.lose();
    for (const call of this.#calls.values()) {
      call.abort('Another node runs this item.');
      call.abandon();
    }
    this.#wake.set();
  }

  /** Claims again when the earliest waiting item is due. */
  #expectDue(at: number | null): void {
    if (at === null || (this.#dueAt !== null && this.#dueAt <= at)) return;
    this.#cancelDue?.();
    this.#dueAt = at;
    const wait = Math.max(at - this.#parts.clock.now().getTime(), 0) + DUE_GRAIN_MS;
    this.#cancelDue = this.#parts.clock.after(wait, () => {
      this.#dueAt = null;
      this.poke();
    });
  }
}

const unknownAgent: AgentRun = () => {
  throw new Error('a tier has no code');
};
