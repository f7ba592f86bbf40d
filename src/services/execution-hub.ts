/** What all subscribers of one execution share: one listener, one newest state, one read per window. */
import type { Execution } from '../domain/model.ts';
import { StateReader } from './execution-reader.ts';

/** Time, as the feed sees it. */
export interface FeedClock {
  /** Milliseconds from any fixed point; never falls. */
  now(): number;
  /** Calls back once after `ms`; the answer cancels it. */
  after(ms: number, callback: () => void): () => void;
}

/** How often a hub reads. */
export interface FeedTimes {
  /** The shortest time between the end of a read and the next, unless that will find the execution's end. */
  readonly intervalMs: number;
  /** The longest: a floor against lost events. */
  readonly floorMs: number;
}

/** What a hub needs of its surroundings. */
export interface HubParts {
  /** The execution's row; undefined when there is none that the hub's project may see. */
  readonly read: () => Promise<Execution | undefined>;
  /** Starts listening for newer revisions; the answer stops it. */
  readonly listen: (onRevision: (revision: number, ends: boolean) => void) => () => void;
  /** A read failed; the hub tries again by itself. */
  readonly onReadError: (error: unknown) => void;
  /** Nobody holds the hub any more; it is closed. */
  readonly onClosed: () => void;
  readonly clock: FeedClock;
  readonly times: FeedTimes;
}

interface Waiter {
  /** A state of this revision or above satisfies it, … */
  readonly revision: number;
  /** … and so does any read with this number or above, which began after the waiter came. */
  readonly read: number;
  readonly resolve: (execution: Execution | undefined) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Listens from its first moment, then reads the row: nothing that commits after the read can be missed.
 *
 * A newer revision is read at once if the last read ended an interval ago or it is a final one, else at the end of the
 * interval, and every `floorMs` without an event. A read that fails is tried again, later each time. The hub lives while someone
 * holds it: each `hold` is paired with one `release` (a reader's end is one).
 */
export class ExecutionHub {
  readonly #parts: HubParts;
  readonly #readers = new Set<StateReader>();
  readonly #waiters = new Set<Waiter>();
  readonly #stopListening: () => void;
  #holds = 0;
  #closed = false;
  #latest: Execution | undefined;
  /** The newest revision that an event named. */
  #announced = 0;
  /** The newest of them that is a final state. */
  #announcedEnd = 0;
  #reads = 0;
  #reading = false;
  #underWay: Promise<void> = Promise.resolve();
  #lastReadEndedAt = Number.NEGATIVE_INFINITY;
  #failures = 0;
  #cancelTimer: (() => void) | null = null;
  #timerAt = Number.POSITIVE_INFINITY;

  constructor(parts: HubParts) {
    this.#parts = parts;
    this.#stopListening = parts.listen((revision, ends) => {
      this.#announced = Math.max(this.#announced, revision);
      if (ends) this.#announcedEnd = Math.max(this.#announcedEnd, revision);
      if (this.#isBehind(this.#announced)) this.#readSoon();
    });
  }

  /** Keeps the hub alive until `release`. */
  hold(): void {
    this.#holds += 1;
  }

  release(): void {
    this.#holds -= 1;
    if (this.#holds === 0) void this.close();
  }

  /**
   * The state as of now: at least every revision announced so far, and never older than an interval.
   *
   * undefined when there is no such execution, or the hub closes meanwhile. Rejects when the read fails: an older
   * state could be a final one that is none any more.
   */
  current(): Promise<Execution | undefined> {
    const age = this.#parts.clock.now() - this.#lastReadEndedAt;
    const isRecent = this.#failures === 0 && age < this.#parts.times.intervalMs;
    if (this.#latest !== undefined && isRecent && !this.#isBehind(this.#announced))
      return Promise.resolve(this.#latest);
    return new Promise((resolve, reject) => {
      this.#waiters.add({ revision: this.#announced, read: this.#reads + 1, resolve, reject });
      this.#readSoon();
    });
  }

  /** A reader from the state that `current` gave on; it takes over one `hold`. */
  reader(since: number): StateReader {
    const reader = new StateReader(
      () => this.#known(),
      since,
      (ended) => {
        this.#readers.delete(ended);
        this.release();
      },
    );
    this.#readers.add(reader);
    return reader;
  }

  /** Ends every reader, stops listening and reading; resolves when a read under way has ended. May be repeated. */
  close(): Promise<void> {
    if (this.#closed) return this.#underWay;
    this.#closed = true;
    this.#stopListening();
    this.#cancelTimer?.();
    for (const reader of [...this.#readers]) reader.end();
    for (const waiter of this.#waiters) waiter.resolve(undefined);
    this.#waiters.clear();
    this.#parts.onClosed();
    return this.#underWay;
  }

  #known(): Execution {
    if (this.#latest === undefined) throw new Error('A reader was made before the first read.');
    return this.#latest;
  }

  #isBehind(revision: number): boolean {
    return revision > (this.#latest?.revision ?? 0);
  }

  /** Reads at the end of the interval since the last read, which may be now; the execution's end at once. */
  #readSoon(): void {
    if (this.#reading || this.#closed) return;
    if (this.#failures > 0) this.#readAt(this.#retryAt());
    else if (this.#isBehind(this.#announcedEnd)) this.#readAt(this.#parts.clock.now());
    else this.#readAt(this.#lastReadEndedAt + this.#parts.times.intervalMs);
  }

  #readAt(at: number): void {
    if (this.#timerAt <= at) return;
    this.#cancelTimer?.();
    this.#timerAt = at;
    const wait = at - this.#parts.clock.now();
    if (wait <= 0) this.#read();
    else this.#cancelTimer = this.#parts.clock.after(wait, () => this.#read());
  }

  #retryAt(): number {
    const { intervalMs, floorMs } = this.#parts.times;
    return this.#lastReadEndedAt + Math.min(intervalMs * 2 ** this.#failures, floorMs);
  }

  #read(): void {
    this.#cancelTimer = null;
    this.#reading = true;
    this.#reads += 1;
    this.#underWay = this.#readRow(this.#announced);
  }

  async #readRow(announcedBefore: number): Promise<void> {
    try {
      const row = await this.#parts.read();
      if (this.#closed) return;
      this.#failures = 0;
      this.#take(row, announcedBefore);
    } catch (error) {
      if (this.#closed) return;
      this.#failures += 1;
      this.#parts.onReadError(error);
      this.#failWaiters(error);
    } finally {
      this.#reading = false;
      this.#timerAt = Number.POSITIVE_INFINITY;
      this.#lastReadEndedAt = this.#parts.clock.now();
      this.#readNext();
    }
  }

  #take(row: Execution | undefined, announcedBefore: number): void {
    // A commit precedes its event, so an announced revision above the row's is of a database that is no more.
    if (this.#announced === announcedBefore) this.#announced = row?.revision ?? 0;
    this.#announcedEnd = Math.min(this.#announcedEnd, this.#announced);
    if (row !== undefined) this.#latest = row;
    for (const waiter of [...this.#waiters]) {
      const satisfied = this.#reads >= waiter.read || (row !== undefined && row.revision >= waiter.revision);
      if (!satisfied) continue;
      this.#waiters.delete(waiter);
      waiter.resolve(row);
    }
    // The row is gone: there is nothing left to tell.
    if (row === undefined) for (const reader of [...this.#readers]) reader.end();
    else for (const reader of [...this.#readers]) reader.wake();
  }

  #failWaiters(error: unknown): void {
    for (const waiter of this.#waiters) waiter.reject(error);
    this.#waiters.clear();
  }

  #readNext(): void {
    if (this.#closed) return;
    if (this.#failures > 0) this.#readAt(this.#retryAt());
    else if (this.#isBehind(this.#announced) || this.#waiters.size > 0) this.#readSoon();
    else this.#readAt(this.#lastReadEndedAt + this.#parts.times.floorMs);
  }
}
