/** Streaming items into a draft: any number of lines, in bounded memory. */
import type { Actor } from '../domain/model.ts';
import type { ExecutionStatus } from '../domain/states.ts';
import { NotFoundError, type ValidationIssue } from '../domain/user-error.ts';
import { appendDraftItems } from '../store/append-draft-items.ts';
import type { Tx } from '../store/database.ts';
import { isTaken } from '../store/draft-items.ts';
import type { IndexedElement } from '../store/draft-rows.ts';
import { type Draft, lockDraft } from '../store/drafts.ts';
import { findExecution } from '../store/execution-rows.ts';
import { mustBeDraft, type StoredItems, storeDraftItems } from './draft-items.ts';
import { isBlank, type Line, readLine } from './item-line.ts';
import { LineSet } from './line-set.ts';
import type { ServiceDeps } from './ports.ts';
import { requireRole } from './require-role.ts';
import { findWholeDraft } from './submit-batch-execution.ts';

type Deps = Pick<ServiceDeps, 'db' | 'now' | 'publish'>;

/** Where a stream of items stands. */
export interface IntakeState {
  readonly batchExecutionId: string;
  readonly status: ExecutionStatus;
  /** Items that are there. */
  readonly itemCount: number;
  /** The first index without an item: where a stream that was cut off goes on. */
  readonly nextIndex: number;
}

/** A line that is no item. */
export interface RejectedLine {
  /** From 1. */
  readonly line: number;
  readonly index: number;
  readonly issues: readonly ValidationIssue[];
}

/** What became of the lines of one stream so far. */
export interface IntakeReport {
  /** Lines that are not blank. */
  readonly lineCount: number;
  readonly addedCount: number;
  /** Lines whose item was there already. */
  readonly repeatedCount: number;
  readonly rejectedCount: number;
  /** All of them, as stretches `[first, last]` of line numbers. */
  readonly rejectedLines: readonly (readonly [first: number, last: number])[];
  /** The first of them, by line, at most MAX_REJECTED, with what is wrong. */
  readonly rejected: readonly RejectedLine[];
}

/** Most rejected lines of which a report says what is wrong. */
export const MAX_REJECTED = 100;
const ISSUES_OF_A_LINE = 5;
// What one statement of `insertDraftItems` takes, so that a chunk is one.
const CHUNK_ROWS = 2_000;
const CHUNK_BYTES = 1_000_000;

/** Where the items of an execution stand; needs READER. Throws NotFoundError. */
export async function readIntake({ db }: Pick<Deps, 'db'>, actor: Actor, id: string): Promise<IntakeState> {
  requireRole(actor, 'READER');
  const draft = await findWholeDraft(db, actor.projectId, id);
  if (draft !== null) {
    const { status, itemCount, nextIndex } = draft;
    return { batchExecutionId: id, status, itemCount, nextIndex };
  }
  const execution = await findExecution(db, actor.projectId, id);
  if (execution === undefined) throw new NotFoundError('batch execution', id);
  const { status, total } = execution;
  return { batchExecutionId: id, status, itemCount: total, nextIndex: total };
}

/** One stream of lines into one draft. */
export class ItemIntake {
  readonly #deps: Deps;
  readonly #actor: Actor;
  readonly #id: string;
  readonly #from: number;
  readonly #counts = { lineCount: 0, addedCount: 0, repeatedCount: 0, rejectedCount: 0 };
  readonly #rejectedLines = new LineSet();
  #rejected: RejectedLine[] = [];
  #chunk = new Map<IndexedElement, number>();
  #chunkBytes = 0;
  #writing: Promise<void> = Promise.resolve();
  #allNew = true;
  #failure: { readonly error: unknown } | null = null;

  /** `from` is the index of the first line. */
  constructor(deps: Deps, actor: Actor, executionId: string, from: number) {
    this.#deps = deps;
    this.#actor = actor;
    this.#id = executionId;
    this.#from = from;
  }

  /** What became of the lines that were taken so far. */
  get report(): IntakeReport {
    return { ...this.#counts, rejectedLines: this.#rejectedLines.stretches, rejected: this.#rejected };
  }

  /**
   * Takes every line, one chunk being written while the next one is read; reads no further meanwhile.
   *
   * A line that is no item is noted and the others are stored. When the lines break off with an error, those that
   * came are stored before it is thrown on. Needs MEMBER; throws NotFoundError, and InvalidStateError once the
   * execution is no DRAFT.
   */
  async take(lines: AsyncIterable<Line>): Promise<void> {
    requireRole(this.#actor, 'MEMBER');
    try {
      for await (const line of lines) {
        if (this.#failure !== null) break;
        this.#read(line);
        if (this.#chunk.size >= CHUNK_ROWS || this.#chunkBytes >= CHUNK_BYTES) await this.#flush();
      }
    } finally {
      if (this.#failure === null) await this.#flush();
      await this.#writing;
    }
    // Assigned by the write meanwhile, which the compiler cannot see.
    const failure = this.#failure as { readonly error: unknown } | null;
    if (failure !== null) throw failure.error;
  }

  #read(line: Line): void {
    if (isBlank(line)) return;
    const read = readLine(line, this.#from + this.#counts.lineCount);
    this.#counts.lineCount += 1;
    if (read.ok) {
      this.#chunk.set(read.item, line.number);
      this.#chunkBytes += read.item.documents.length;
    } else this.#reject(line.number, read.index, read.issues);
  }

  #reject(line: number, index: number, issues: readonly ValidationIssue[]): void {
    this.#counts.rejectedCount += 1;
    this.#rejectedLines.add(line);
    // A conflict is found when its chunk is written, after bad lines that came behind it.
    this.#rejected.push({ line, index, issues: issues.slice(0, ISSUES_OF_A_LINE) });
    if (this.#rejected.length > MAX_REJECTED) {
      this.#rejected = this.#rejected.sort((a, b) => a.line - b.line).slice(0, MAX_REJECTED);
    }
  }

  /** Begins to write the chunk as soon as the one before is written. */
  async #flush(): Promise<void> {
    await this.#writing;
    if (this.#chunk.size === 0 || this.#failure !== null) return;
    const chunk = this.#chunk;
    this.#chunk = new Map();
    this.#chunkBytes = 0;
    this.#writing = this.#write(chunk).catch((error: unknown) => {
      this.#failure = { error };
    });
  }

  async #write(chunk: ReadonlyMap<IndexedElement, number>): Promise<void> {
    const answer = await this.#store([...chunk.keys()]);
    this.#counts.addedCount += answer.added;
    this.#counts.repeatedCount += answer.repeated;
    for (const { item, message } of answer.conflicts) {
      this.#reject(chunk.get(item) ?? 0, item.index, [{ loc: [], msg: message, type: 'conflict' }]);
    }
    if (answer.revision !== null) this.#deps.publish(this.#id, answer.revision);
  }

  /** In the quick way while all items are new, as they are but for a stream that is sent again. */
  async #store(items: readonly IndexedElement[]): Promise<StoredItems> {
    const { db, now } = this.#deps;
    if (this.#allNew && isStretch(items)) {
      try {
        const revision = await appendDraftItems(db, this.#actor.projectId, this.#id, items, now());
        if (revision !== null) return { added: items.length, repeated: 0, conflicts: [], revision };
      } catch (error) {
        if (!isTaken(error)) throw error;
      }
    }
    const answer = await this.#inDraft((tx, draft) => storeDraftItems(tx, draft, items, this.#deps.now()));
    this.#allNew = answer.added === items.length;
    return answer;
  }

  async #inDraft(store: (tx: Tx, draft: Draft) => Promise<StoredItems>): Promise<StoredItems> {
    const { projectId } = this.#actor;
    return await this.#deps.db.transaction().execute(async (tx) => {
      return await store(tx, await mustBeDraft(tx, projectId, this.#id, await lockDraft(tx, projectId, this.#id)));
    });
  }
}

/** Whether the indexes follow each other without a gap. */
const isStretch = (items: readonly IndexedElement[]): boolean =>
  items.every((item, n) => item.index === (items[0]?.index ?? 0) + n);
