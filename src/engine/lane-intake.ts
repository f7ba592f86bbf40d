/**
 * The items in a lane's hands that it does not run: what it claims, in which order they start, what comes due.
 *
 * An item stays in `held`, and so in the claim on the lane's row, until its end or its backoff is committed. Claims
 * are asked for while few are waiting, and again when a poke says that there may be more or when a backoff has passed.
 */
import type { ItemError } from '../domain/item-error.ts';
import { FATAL_DEATHS, inputMissing, workerCrash } from './lane-failures.ts';
import { type LaneItem, toLaneItem } from './lane-item.ts';
import { patiently } from './patience.ts';
import type { ClaimAnswer, EngineParts, ItemInput, ItemMove, TakenLane } from './ports.ts';
import { FLUSH_MAX } from './recorder.ts';

/** Due times this near are waited out together, so that scattered backoffs do not each cost a claim. */
const DUE_GRAIN_MS = 20;

export interface IntakeHooks {
  /** The item may start. */
  ready(item: LaneItem): void;
  /** The database takes the item to run, and nothing of it does any more. */
  idle(item: LaneItem): void;
  /** The item ends without a call. */
  fail(item: LaneItem, error: ItemError): void;
  /** A claim was answered. */
  answered(answer: ClaimAnswer): void;
  /** The lane has a newer epoch. */
  lost(): void;
  /** Whether the lane has left. */
  hasLeft(): boolean;
  /** There may be more to claim. */
  wake(): void;
}

export class LaneIntake {
  readonly #parts: EngineParts;
  readonly #taken: TakenLane;
  readonly #hooks: IntakeHooks;
  /** What is in hand, and until the next claim also what was: see `LaneItem.isHeld`. */
  #items: LaneItem[] = [];
  #held = 0;
  /** How many of them wait for their start. */
  #waiting = 0;
  /** Cancelled by themselves; some may be in the answer of a claim that is under way. */
  readonly #cancelled = new Set<number>();
  /** Items that ran in two deaths, to be run one after another before anything else; null once that is done. */
  #alone: { readonly queue: LaneItem[]; readonly rest: readonly LaneItem[] } | null = null;
  #dry = false;
  #pokes = 0;
  #dueAt: number | null = null;
  #cancelDue: (() => void) | null = null;

  constructor(parts: EngineParts, taken: TakenLane, hooks: IntakeHooks) {
    this.#parts = parts;
    this.#taken = taken;
    this.#hooks = hooks;
  }

  /** The ordinals that the lane's claim must keep. */
  get keep(): number[] {
    return this.#inHand.map(({ ordinal }) => ordinal);
  }

  /** Items that wait for their start. */
  get waiting(): LaneItem[] {
    return this.#items.filter((item) => item.waits);
  }

  /** Whether items that may have run in a dead process have yet to be started. */
  get hasSuspects(): boolean {
    return this.#alone !== null || this.waiting.some((item) => item.afterDeath);
  }

  /** Whether nothing is in hand and nothing more is to be had at the moment. */
  get isEmpty(): boolean {
    return this.#held === 0 && this.#dry;
  }

  /** Whether another claim is due while so many may run at a time. */
  wantsMore(concurrency: number): boolean {
    return !this.#dry && this.#alone === null && this.#waiting < Math.max(concurrency, FLUSH_MAX / 2);
  }

  /** There may be more to claim. */
  poke(): void {
    this.#pokes += 1;
    this.#dry = false;
    this.#hooks.wake();
  }

  /** Claims more items. */
  async claim(): Promise<void> {
    this.#items = this.#inHand;
    const pokes = this.#pokes;
    const answer = await this.#ask(this.keep);
    if (answer === null) return;
    // What was appended while it was asked is not in the answer.
    this.#dry = answer.items.length < FLUSH_MAX && pokes === this.#pokes;
    this.#hooks.answered(answer);
    this.#expectDue(answer.nextDueAt?.getTime() ?? null);
    await this.#admit(answer.items.map(toLaneItem));
  }

  /** Goes on with what the last holder left, before anything new is claimed. */
  async resume(): Promise<void> {
    const items = this.#taken.items.map(toLaneItem);
    // Else more of them would count as running than may, once others are started before them.
    for (const item of items) if (item.recorded === 'RUNNING') this.#hooks.idle(item);
    if (!this.#taken.afterDeath) return await this.#admit(items);
    this.#hold(items);
    const [fatal, open] = partition(items, (item) => item.deaths + 1 >= FATAL_DEATHS);
    const [repeated, first] = partition(open, (item) => item.deaths > 0);
    for (const item of fatal) {
      item.deaths += 1;
      this.#hooks.fail(item, workerCrash());
    }
    await this.#loadInputs(open);
    this.#alone = { queue: repeated, rest: first };
    this.nextAlone();
  }

  /** Starts the next item that is to run alone, so that the one to blame takes no neighbour with it; then the rest. */
  nextAlone(): void {
    if (this.#alone === null) return;
    for (let item = this.#alone.queue.shift(); item !== undefined; item = this.#alone.queue.shift()) {
      if (this.#wait(item, true)) return;
    }
    const { rest } = this.#alone;
    this.#alone = null;
    for (const other of rest) this.#wait(other, true);
    this.#hooks.wake();
  }

  /** Takes an item out to start it; null where it has started before, or cannot. */
  take(item: LaneItem): ItemInput | null {
    if (!this.#leaves(item)) return null;
    const { input } = item;
    item.input = null;
    if (input !== null) {
      if (item.afterDeath) item.deaths += 1;
      return input;
    }
    this.#hooks.fail(item, inputMissing());
    this.nextAlone();
    return null;
  }

  /** Puts an item back that did not start after all; it is not made ready again by itself. */
  putBack(item: LaneItem, input: ItemInput): void {
    if (item.afterDeath) item.deaths -= 1;
    if (this.#dropped(item)) return;
    item.input = input;
    this.#joins(item);
  }

  /** Starts none of these items any more: the database has them as CANCELLED. What has started is the caller's. */
  drop(ordinals: readonly number[]): void {
    const held = new Map(this.#inHand.map((item) => [item.ordinal, item]));
    for (const ordinal of ordinals) {
      this.#cancelled.add(ordinal);
      const item = held.get(ordinal);
      if (item === undefined || !this.#leaves(item)) continue;
      this.#dropped(item);
      this.nextAlone();
    }
    this.#hooks.wake();
  }

  /** The item's move is in the database, or was refused there. */
  written(item: LaneItem, move: Omit<ItemMove, 'was' | 'wasTier'>): void {
    if (move.to === 'QUEUED' || move.to === 'RUNNING') return;
    this.#release(item);
    if (move.runAfter !== null) this.#expectDue(move.runAfter.getTime());
    this.#hooks.wake();
  }

  /** Waits for nothing any more. */
  stop(): void {
    this.#cancelDue?.();
  }

  /** A claim's answer; null when none came: what it may have added to the claim is then taken in, or the lane left. */
  async #ask(keep: readonly number[]): Promise<ClaimAnswer | null> {
    const { store, clock, log } = this.#parts;
    const { lane } = this.#taken;
    try {
      return await store.claim(lane, keep, FLUSH_MAX, clock.now());
    } catch (error) {
      log.warn({ executionId: lane.executionId, err: error }, 'a claim was not answered');
    }
    const held = await this.#patiently(() => store.heldItems(lane));
    if (held === null) this.#hooks.lost();
    else {
      // What was kept is known, and may have been settled since: only the rest is what the claim added.
      const known = new Set(keep);
      await this.#admit(held.filter(({ ordinal }) => !known.has(ordinal)).map(toLaneItem));
    }
    return null;
  }

  async #admit(items: readonly LaneItem[]): Promise<void> {
    this.#hold(items);
    await this.#loadInputs(items);
    for (const item of items) this.#wait(item, false);
  }

  /** Makes an item ready; false: it was cancelled. */
  #wait(item: LaneItem, afterDeath: boolean): boolean {
    if (this.#dropped(item)) return false;
    item.afterDeath = afterDeath;
    this.#joins(item);
    this.#hooks.ready(item);
    return true;
  }

  #joins(item: LaneItem): void {
    item.waits = true;
    this.#waiting += 1;
  }

  /** Takes an item out of those that wait; false: it was none of them. */
  #leaves(item: LaneItem): boolean {
    if (!item.waits) return false;
    item.waits = false;
    this.#waiting -= 1;
    return true;
  }

  get #inHand(): LaneItem[] {
    return this.#items.filter((item) => item.isHeld);
  }

  #hold(items: readonly LaneItem[]): void {
    for (const item of items) item.isHeld = true;
    this.#items = this.#items.concat(items);
    this.#held += items.length;
  }

  /** May be repeated. */
  #release(item: LaneItem): void {
    if (!item.isHeld) return;
    item.isHeld = false;
    this.#held -= 1;
  }

  #dropped(item: LaneItem): boolean {
    if (this.#cancelled.size === 0 || !this.#cancelled.has(item.ordinal)) return false;
    this.#release(item);
    item.input = null;
    return true;
  }

  async #loadInputs(items: readonly LaneItem[]): Promise<void> {
    if (items.length === 0) return;
    const ordinals = items.map((item) => item.ordinal);
    const { inputs } = this.#parts;
    const loaded = await this.#patiently(() => inputs.load(this.#taken.lane.executionId, ordinals));
    for (const item of items) item.input = loaded?.get(item.ordinal) ?? null;
  }

  /** Asks the database until it answers; null when the lane has left meanwhile. */
  #patiently<T>(ask: () => Promise<T>): Promise<T | null> {
    const { executionId } = this.#taken.lane;
    return patiently(this.#parts, { executionId }, () => this.#hooks.hasLeft(), ask);
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

function partition<T>(list: readonly T[], test: (entry: T) => boolean): [T[], T[]] {
  return [list.filter(test), list.filter((entry) => !test(entry))];
}
