/**
 * Group commit: gathers what a lane's attempts produce and writes it in flushes, one at a time.
 *
 * Idle: the first outcome is flushed at once, alone. Busy: while a flush is in flight outcomes gather, and the
 * next flush takes up to `FLUSH_MAX` of them. Several moves of one item between two flushes become one. Starts
 * alone are held back, since most are followed by their outcome (see `UnsaidStarts`).
 *
 * Leaves an item's fate to the database: a move whose guard does not hold there is dropped. When the answer says
 * that the lane is lost, everything staged is dropped and nothing is written any more.
 */
import { type LaneItem, type Move, type Staged, toRunning } from './lane-item.ts';
import type { EngineParts, FailureRow, HeldLane, ResultRow, SettleAnswer, Settlement } from './ports.ts';
import { advanced, asRefused, holdsData } from './refused-outcome.ts';
import { nextTurn } from './turns.ts';
import { UnsaidStarts } from './unsaid-starts.ts';

/** Most items that one flush writes: fewer commits than with 1,000 (a tenth quicker), and as many as a statement may move. */
export const FLUSH_MAX = 2_000;
/** Most text of results that one flush writes, unless one item alone has more: a statement has to fit in memory. */
const FLUSH_CHARACTERS = 8_000_000;
const GATHER_MS = 25;
const RETRY_BASE_MS = 100;
const RETRY_MAX_MS = 5_000;
const NONE: readonly never[] = [];

/** What a lane records into. */
export type RecordedRun = Pick<Settlement, 'round' | 'tiers'>;

export interface RecorderHooks {
  /** After each flush that the database answered. */
  answered(answer: SettleAnswer): void;
  /** The item's staged move is in the database, or was refused there. */
  written(item: LaneItem, move: Move): void;
  /** A move that holds none of the user's data was refused: a defect of ours. The recorder has stopped. */
  broken(error: unknown): void;
}

export class Recorder {
  readonly #parts: Pick<EngineParts, 'store' | 'clock' | 'log'>;
  readonly #lane: HeldLane;
  readonly #run: RecordedRun;
  readonly #hooks: RecorderHooks;
  /** In the order in which something was first staged of them. */
  #staged: Staged[] = [];
  #outcomes = 0;
  #characters = 0;
  #pump: Promise<void> | null = null;
  readonly #starts = new UnsaidStarts();
  /** Ends the wait for starts to be due; null while none waits. */
  #cancelWait: (() => void) | null = null;
  #lost = false;
  #roomWaiters: (() => void)[] = [];
  readonly #awaited = new Map<LaneItem, () => void>();

  constructor(
    parts: Pick<EngineParts, 'store' | 'clock' | 'log'>,
    lane: HeldLane,
    run: RecordedRun,
    hooks: RecorderHooks,
  ) {
    this.#parts = parts;
    this.#lane = lane;
    this.#run = run;
    this.#hooks = hooks;
  }

  /** Stages an item's move, with a result or a failure to append. */
  stage(item: LaneItem, move: Move, rows: { result?: ResultRow; failure?: FailureRow } = {}): void {
    if (this.#lost) return;
    this.#starts.delete(item);
    const staged = item.staged ?? this.#open(item, move);
    staged.move = move;
    if (rows.result) {
      // Unlike a spread it leaves no room for sixteen more.
      staged.results = staged.results.concat(rows.result);
      this.#characters += sizeOf(rows.result);
    }
    if (rows.failure) staged.failures = staged.failures.concat(rows.failure);
    const outcome = move.to !== 'RUNNING' || rows.result !== undefined;
    if (outcome && !staged.outcome) {
      staged.outcome = true;
      this.#outcomes += 1;
    }
    if (outcome) this.#flushSoon();
  }

  /** Notes that an item's agent is being called, to be written with the next flush or in a while. */
  begin(item: LaneItem): void {
    if (this.#lost) return;
    // It goes with what waits.
    if (item.staged !== null) return this.stage(item, toRunning(item));
    this.#starts.add(item);
    if (this.#cancelWait === null) this.#awaitStarts();
  }

  #awaitStarts(): void {
    const { waitMs } = this.#starts;
    this.#cancelWait =
      waitMs === null
        ? null
        : this.#parts.clock.after(waitMs, () => {
            this.#say(this.#starts.due());
            this.#awaitStarts();
            if (this.#staged.length > 0) this.#flushSoon();
          });
  }

  #say(starts: readonly LaneItem[]): void {
    for (const item of starts) this.stage(item, toRunning(item));
  }

  #open(item: LaneItem, move: Move): Staged {
    const staged: Staged = { item, move, outcome: false, results: NONE, failures: NONE };
    item.staged = staged;
    this.#staged.push(staged);
    return staged;
  }

  /** Whether fewer outcomes than one flush takes are waiting. */
  get hasRoom(): boolean {
    return (this.#outcomes < FLUSH_MAX && this.#characters < FLUSH_CHARACTERS) || this.#lost;
  }

  /** Resolves when there is room; starts should wait for it. */
  async room(): Promise<void> {
    while (!this.hasRoom) {
      await new Promise<void>((resolve) => this.#roomWaiters.push(resolve));
    }
  }

  /** Resolves when all that is staged now is in the database, or the lane is lost. */
  async flushed(): Promise<void> {
    this.#say(this.#starts.all());
    while (this.#staged.length > 0 || this.#pump !== null) {
      this.#flushSoon();
      await this.#pump;
    }
  }

  /** Resolves when what is staged of this item is in the database, or the lane is lost. */
  async written(item: LaneItem): Promise<void> {
    if (item.startIsUnsaid) this.stage(item, toRunning(item));
    if (item.staged === null) return;
    this.#flushSoon();
    await new Promise<void>((resolve) => this.#awaited.set(item, resolve));
  }

  /** Drops what is staged and writes no more; a flush in flight may still land or be refused. */
  lose(): void {
    this.#lost = true;
    this.#cancelWait?.();
    for (const { item } of this.#staged.splice(0)) item.staged = null;
    this.#outcomes = 0;
    this.#characters = 0;
    this.#releaseRoom();
    for (const resolve of this.#awaited.values()) resolve();
    this.#awaited.clear();
  }

  #flushSoon(): void {
    this.#pump ??= this.#pumpAll()
      .catch((error: unknown) => {
        this.lose();
        this.#hooks.broken(error);
      })
      .finally(() => {
        this.#pump = null;
        if (this.#outcomes > 0) this.#flushSoon();
      });
  }

  async #pumpAll(): Promise<void> {
    while (this.#staged.length > 0 && !this.#lost) {
      await this.#gather();
      if (this.#staged.length > 0 && !this.#lost) await this.#write(this.#take());
    }
  }

  /**
   * Waits while each turn of the event loop brings more outcomes, at most `GATHER_MS`.
   *
   * Idle that is one turn. Busy it makes fewer flushes, and fuller ones.
   */
  async #gather(): Promise<void> {
    const end = this.#parts.clock.now().getTime() + GATHER_MS;
    for (
      let before = -1;
      this.#outcomes > before && this.#outcomes < FLUSH_MAX && this.#parts.clock.now().getTime() < end;
    ) {
      before = this.#outcomes;
      await nextTurn();
    }
  }

  #take(): Staged[] {
    if (this.#starts.isFew) this.#say(this.#starts.all());
    this.#starts.tidy();
    let count = 0;
    let characters = 0;
    for (const { results } of this.#staged) {
      const size = results.reduce((sum, result) => sum + sizeOf(result), 0);
      if (count === FLUSH_MAX || (count > 0 && characters + size > FLUSH_CHARACTERS)) break;
      characters += size;
      count += 1;
    }
    const batch = this.#staged.splice(0, count);
    for (const { item, outcome } of batch) {
      item.staged = null;
      if (outcome) this.#outcomes -= 1;
    }
    this.#characters -= characters;
    this.#releaseRoom();
    return batch;
  }

  #releaseRoom(): void {
    for (const resolve of this.#roomWaiters.splice(0)) resolve();
  }

  async #write(batch: readonly Staged[]): Promise<void> {
    // An interrupted item that the database never saw running has nothing to take back.
    const [idle, moving] = partition(batch, ({ item, move }) => move.to === 'QUEUED' && item.recorded !== 'RUNNING');
    for (const { item, move } of idle) this.#wrote(item, move);
    for (let delay = RETRY_BASE_MS; moving.length > 0 && !this.#lost; delay = Math.min(delay * 2, RETRY_MAX_MS)) {
      try {
        return this.#answered(moving, await this.#settle(moving));
      } catch (error) {
        if (this.#parts.store.refusedData(error)) return await this.#isolate(moving, error);
        this.#parts.log.warn(
          { executionId: this.#lane.executionId, err: error, retryInMs: delay },
          'flush failed, will be retried',
        );
        await new Promise<void>((resolve) => this.#parts.clock.after(delay, resolve));
      }
    }
  }

  #settle(batch: readonly Staged[]): Promise<SettleAnswer> {
    for (const { item, move } of batch) {
      move.was = item.recorded;
      move.wasTier = item.recordedTier;
    }
    return this.#parts.store.settle(this.#lane, {
      ...this.#run,
      moves: batch.map(({ move }) => move),
      results: batch.flatMap(({ results }) => results),
      failures: batch.flatMap(({ failures }) => failures),
    });
  }

  #answered(batch: readonly Staged[], answer: SettleAnswer): void {
    if (!answer.held) this.lose();
    for (const { item, move } of batch) {
      item.recorded = move.to;
      item.recordedTier = move.tier;
      this.#wrote(item, move);
    }
    this.#hooks.answered(answer);
  }

  #wrote(item: LaneItem, move: Move): void {
    this.#hooks.written(item, move);
    // What is staged of it again came after the flush that is answered here.
    if (this.#awaited.size === 0 || item.staged !== null) return;
    this.#awaited.get(item)?.();
    this.#awaited.delete(item);
  }

  /** The database refused this data: halves the batch down to the guilty item, which fails as VALIDATION. */
  async #isolate(batch: readonly Staged[], cause: unknown): Promise<void> {
    const [first] = batch;
    if (first === undefined) return;
    if (batch.length > 1) {
      const middle = batch.length >> 1;
      await this.#write(batch.slice(0, middle));
      return await this.#write(batch.slice(middle));
    }
    const { item, move } = first;
    const [earlier, ...later] = first.results;
    if (earlier !== undefined && later.length > 0) {
      // The results of several tiers: the refused one must not take the good ones before it along.
      await this.#write([{ ...first, move: advanced(move, earlier.tier + 1), results: [earlier], failures: [] }]);
      if (item.recorded === 'RUNNING') await this.#write([{ ...first, results: later }]);
      return;
    }
    this.#parts.log.warn(
      { executionId: this.#lane.executionId, ordinal: item.ordinal, err: cause },
      'result refused by the database',
    );
    if (!holdsData(first)) {
      // Nothing here can mend it, and trying again for ever would block the lane.
      throw new Error(`a move of item ${item.ordinal} to ${move.to} was refused`, { cause });
    }
    await this.#write([asRefused(first, this.#parts.clock.now())]);
  }
}

const sizeOf = ({ data, fieldErrors, artifacts }: ResultRow): number =>
  data.length + (fieldErrors?.length ?? 0) + (artifacts?.length ?? 0);

function partition<T>(list: readonly T[], test: (entry: T) => boolean): [T[], T[]] {
  return [list.filter(test), list.filter((entry) => !test(entry))];
}
