/** One subscriber's view of a list of executions: an async iterator with a place in the log and a bounded memory. */
import type { Execution } from '../domain/model.ts';
import type { ChangePlace, ListedChange } from '../store/listed-changes.ts';

/** What became of an execution in a list. */
export const LIST_CHANGES = ['ENTERED', 'CHANGED', 'LEFT', 'DELETED'] as const;
export type ListChangeKind = (typeof LIST_CHANGES)[number];

/** One event: every change up to `change` has been told. */
export interface ListUpdate {
  readonly change: number;
  readonly kind: ListChangeKind;
  readonly id: string;
  /** The execution where it is in the list; null otherwise. */
  readonly execution: Execution | null;
}

/** Gives updates until the client leaves or the service stops. */
export type ListReader = AsyncIterableIterator<ListUpdate, undefined, undefined>;

/** Changes behind a place, and those of their executions that the list holds. */
export interface ListPage {
  readonly changes: readonly ListedChange[];
  readonly held: ReadonlyMap<string, Execution>;
  /** Whether there are more behind these. */
  readonly hasMore: boolean;
}

export interface ListReaderParts {
  readonly readPage: (after: ChangePlace) => Promise<ListPage>;
  /** The newest number known of the project. */
  readonly head: () => number;
  /** Called once, when the reader gives no more. */
  readonly onEnd: (reader: PlacedReader) => void;
}

type Answer = IteratorResult<ListUpdate, undefined>;
const DONE: Answer = { done: true, value: undefined };
/** Executions whose being in the list a reader remembers; of others it says again what it may have said. */
const REMEMBERED = 10_000;

/**
 * Hand-written, because a generator cannot be returned while it waits. It reads a page of the log only when it is
 * asked and has nothing left, so a slow client costs one page and skips what came in between.
 */
export class PlacedReader implements ListReader {
  readonly #parts: ListReaderParts;
  /** Whether the list holds an execution, as far as this reader has told; those it told of last are last. */
  readonly #told = new Map<string, boolean>();
  #place: ChangePlace;
  #queue: ListUpdate[] = [];
  #wake: (() => void) | null = null;
  #ended = false;
  #last: Promise<unknown> = Promise.resolve();

  constructor(parts: ListReaderParts, after: number) {
    this.#parts = parts;
    this.#place = placeAfter(after);
  }

  /** One after another, whoever asks: two calls at once would read the same page twice. */
  next(): Promise<Answer> {
    const answer = this.#last.then(() => this.#next());
    this.#last = answer.catch(() => undefined);
    return answer;
  }

  /** Ends the stream at once, also while `next` waits: that one is answered as done. */
  return(): Promise<Answer> {
    this.end();
    return Promise.resolve(DONE);
  }

  throw(error: unknown): Promise<Answer> {
    this.end();
    return Promise.reject(error);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** There may be newer changes. */
  wake(): void {
    this.#wake?.();
  }

  /** Gives no more; may be repeated. */
  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#queue = [];
    this.#parts.onEnd(this);
    this.#wake?.();
  }

  async #next(): Promise<Answer> {
    for (;;) {
      if (this.#ended) return DONE;
      const update = this.#queue.shift();
      if (update !== undefined) return { done: false, value: update };
      if (this.#parts.head() <= this.#place.change && this.#place.id === LAST) await this.#news();
      else await this.#readPage();
    }
  }

  async #news(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
    this.#wake = null;
  }

  async #readPage(): Promise<void> {
    const head = this.#parts.head();
    const { changes, held, hasMore } = await this.#parts.readPage(this.#place);
    for (const [index, { id, change, deleted }] of changes.entries()) {
      const next = changes[index + 1];
      // Only the last of one number says that all of it was told.
      const isWhole = next === undefined ? !hasMore : next.change > change;
      this.#tell({ id, change: isWhole ? change : change - 1 }, deleted, held.get(id) ?? null);
    }
    const last = changes.at(-1);
    if (hasMore && last !== undefined) this.#place = last;
    else this.#place = placeAfter(Math.max(head, last?.change ?? 0, this.#place.change));
  }

  #tell(at: ChangePlace, deleted: boolean, execution: Execution | null): void {
    const { id } = at;
    const before = this.#told.get(id);
    this.#told.delete(id);
    if (!deleted) this.#told.set(id, execution !== null);
    if (this.#told.size > REMEMBERED)
      for (const oldest of this.#told.keys()) {
        this.#told.delete(oldest);
        break;
      }
    if (execution !== null) {
      this.#queue.push({ ...at, kind: before === true ? 'CHANGED' : 'ENTERED', execution });
    } else if (before !== false) this.#queue.push({ ...at, kind: deleted ? 'DELETED' : 'LEFT', execution: null });
  }
}

/** Behind every execution's id. */
const LAST = '\u{10ffff}';
const placeAfter = (change: number): ChangePlace => ({ change, id: LAST });
