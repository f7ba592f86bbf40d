/** A lane's slots: the items that may start, and what takes one after the other through `p-limit(share)`. */
import type { LimitFunction } from 'p-limit';
import { type ItemCalls, runItem } from './item-run.ts';
import type { LaneIntake } from './lane-intake.ts';
import type { LaneItem } from './lane-item.ts';
import { CALLS_A_TURN, NEXT_CALLS_A_TURN, nextTurn } from './turns.ts';

/** How many taken items stay in the list: to shift each out of a list of thousands costs a tenth of a short call. */
const TAKEN_MOST = 500;

/** What the slots work with. */
export interface SlotParts {
  readonly limit: LimitFunction;
  readonly intake: LaneIntake;
  readonly calls: ItemCalls;
}

export interface SlotHooks {
  /** Whether nothing may start at the moment. */
  isHeld(): boolean;
  /** An item has a slot. */
  began(item: LaneItem): void;
  /** An item is through with its slot, whatever came of it; may be repeated. */
  closed(item: LaneItem): void;
  /** An item's run rejected: a defect of ours. */
  broken(error: unknown): void;
}

export class LaneSlots {
  readonly #limit: LimitFunction;
  readonly #intake: LaneIntake;
  readonly #calls: ItemCalls;
  readonly #hooks: SlotHooks;
  /** Items that may start, in order, those taken included; each of the limit's slots takes one after the other. */
  #ready: LaneItem[] = [];
  /** How many of them are taken. */
  #taken = 0;
  /** Slots asked of the limit, and those of them that it has given. */
  #asked = 0;
  #askedInTurn = 0;
  #beganInTurn = 0;
  #turn: Promise<void> | null = null;
  #open = 0;

  constructor({ limit, intake, calls }: SlotParts, hooks: SlotHooks) {
    this.#limit = limit;
    this.#intake = intake;
    this.#calls = calls;
    this.#hooks = hooks;
  }

  /** How many there may be. */
  get share(): number {
    return this.#limit.concurrency;
  }

  set share(share: number) {
    this.#limit.concurrency = share;
    this.#ask();
  }

  /** Starts an item as soon as a slot is free. */
  enqueue(item: LaneItem): void {
    this.#ready.push(item);
    this.#ask();
  }

  /** Starts none of those that wait. */
  clear(): void {
    this.#ready = [];
    this.#taken = 0;
    this.#limit.clearQueue();
    this.#asked = this.#open;
  }

  /** A slot for each item that may start, as many as there are to be; no more in one turn than calls may start in it. */
  #ask(): void {
    const wanted = Math.min(this.#open + this.#ready.length - this.#taken, this.#limit.concurrency);
    for (; this.#asked < wanted && this.#askedInTurn < CALLS_A_TURN; this.#asked += 1) {
      if (this.#askedInTurn === 0) {
        setImmediate(() => {
          this.#askedInTurn = 0;
          this.#ask();
        });
      }
      this.#askedInTurn += 1;
      void this.#limit(() => this.#fill());
    }
  }

  /** Runs items in a slot while there are any; taking a slot for each costs more than a short call does. Never throws. */
  async #fill(): Promise<void> {
    const { recorder } = this.#calls;
    this.#open += 1;
    for (let item = this.#next(); item !== undefined; item = this.#next()) {
      if (!recorder.hasRoom) await recorder.room();
      if (this.#beganInTurn >= NEXT_CALLS_A_TURN) await this.#nextTurn();
      this.#beganInTurn += 1;
      const input = this.#hooks.isHeld() ? null : this.#intake.take(item);
      if (input === null) continue;
      this.#hooks.began(item);
      try {
        if (await runItem(this.#calls, item, input, item.afterDeath)) this.#intake.nextAlone();
        // Barred before it began: it waits for the end of the pause, or for the lane's next holder.
        else this.#intake.putBack(item, input);
      } catch (error) {
        this.#hooks.broken(error);
      } finally {
        this.#hooks.closed(item);
      }
    }
    this.#open -= 1;
    this.#asked -= 1;
    this.#ask();
  }

  /** Answers that have come meanwhile are taken in then: else the next items would be asked for when there are none left. */
  #nextTurn(): Promise<void> {
    this.#turn ??= nextTurn().then(() => {
      this.#turn = null;
      this.#beganInTurn = 0;
    });
    return this.#turn;
  }

  /** The next item for a slot; undefined when there is none, or when there are more slots now than there are to be. */
  #next(): LaneItem | undefined {
    if (this.#limit.activeCount > this.#limit.concurrency) return undefined;
    const item = this.#ready[this.#taken];
    this.#taken += item === undefined ? 0 : 1;
    if (this.#taken >= TAKEN_MOST) this.#forget();
    return item;
  }

  /** Lets go of those that are taken. */
  #forget(): void {
    this.#ready = this.#ready.slice(this.#taken);
    this.#taken = 0;
  }
}
