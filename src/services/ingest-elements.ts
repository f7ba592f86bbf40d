/** Streaming elements into a stored datasource: any number of lines, in bounded memory. */
import type { Actor } from '../domain/model.ts';
import { NotFoundError, type ValidationIssue } from '../domain/user-error.ts';
import { type NewElement, upsertElements } from '../store/data-elements.ts';
import { lockDatasource } from '../store/datasources.ts';
import { mustBeStored } from './add-data-elements.ts';
import { isBlank, type Line, readElementLine } from './item-line.ts';
import { LineSet } from './line-set.ts';
import type { ServiceDeps } from './ports.ts';
import { requireRole } from './require-role.ts';

/** A line that is no element. */
export interface RejectedElementLine {
  /** From 1. */
  readonly line: number;
  readonly issues: readonly ValidationIssue[];
}

/** What became of the lines so far. */
export interface ElementReport {
  /** Lines that are not blank. */
  readonly lineCount: number;
  readonly addedCount: number;
  /** Lines whose element was there, and has the new content now. */
  readonly updatedCount: number;
  readonly rejectedCount: number;
  /** All of them, as stretches `[first, last]` of line numbers. */
  readonly rejectedLines: readonly (readonly [first: number, last: number])[];
  /** The first of them, at most MAX_REJECTED, with what is wrong. */
  readonly rejected: readonly RejectedElementLine[];
}

const MAX_REJECTED = 100;
const ISSUES_OF_A_LINE = 5;
const CHUNK_ROWS = 2_000;
const CHUNK_BYTES = 1_000_000;

/** One stream of lines into one datasource. */
export class ElementIntake {
  readonly #deps: Pick<ServiceDeps, 'db' | 'now'>;
  readonly #actor: Actor;
  readonly #datasourceId: string;
  readonly #counts = { lineCount: 0, addedCount: 0, updatedCount: 0, rejectedCount: 0 };
  readonly #rejectedLines = new LineSet();
  readonly #rejected: RejectedElementLine[] = [];
  #chunk = new Map<string, NewElement>();
  #chunkBytes = 0;

  constructor(deps: Pick<ServiceDeps, 'db' | 'now'>, actor: Actor, datasourceId: string) {
    this.#deps = deps;
    this.#actor = actor;
    this.#datasourceId = datasourceId;
  }

  /** What became of the lines that were taken so far. */
  get report(): ElementReport {
    return { ...this.#counts, rejectedLines: this.#rejectedLines.stretches, rejected: this.#rejected };
  }

  /**
   * Takes every line, a chunk at a time, and reads no further while one is written.
   *
   * A line that is no element is noted and the others are stored; of two with one id the later stays. When the lines
   * break off with an error, those that came are stored before it is thrown on. Needs MEMBER; throws NotFoundError, and
   * InvalidStateError for a datasource that is not STORED.
   */
  async take(lines: AsyncIterable<Line>): Promise<void> {
    requireRole(this.#actor, 'MEMBER');
    try {
      for await (const line of lines) {
        if (isBlank(line)) continue;
        await this.#read(line);
        if (this.#chunk.size >= CHUNK_ROWS || this.#chunkBytes >= CHUNK_BYTES) await this.#write();
      }
    } finally {
      await this.#write();
    }
  }

  async #read(line: Line): Promise<void> {
    this.#counts.lineCount += 1;
    const { element, issues } = readElementLine(line);
    if (element === null) {
      this.#counts.rejectedCount += 1;
      this.#rejectedLines.add(line.number);
      if (this.#rejected.length < MAX_REJECTED) {
        this.#rejected.push({ line: line.number, issues: issues.slice(0, ISSUES_OF_A_LINE) });
      }
      return;
    }
    // One statement takes an id once.
    if (this.#chunk.has(element.id)) await this.#write();
    this.#chunk.set(element.id, element);
    this.#chunkBytes += element.documents.length;
  }

  async #write(): Promise<void> {
    const elements = [...this.#chunk.values()];
    if (elements.length === 0) return;
    this.#chunk = new Map();
    this.#chunkBytes = 0;
    const { db, now } = this.#deps;
    const fresh = await db.transaction().execute(async (tx) => {
      const datasource = await lockDatasource(tx, this.#actor.projectId, this.#datasourceId);
      if (datasource === null) throw new NotFoundError('datasource', this.#datasourceId);
      mustBeStored(datasource);
      return await upsertElements(tx, datasource.id, elements, now());
    });
    this.#counts.addedCount += fresh.size;
    this.#counts.updatedCount += elements.length - fresh.size;
  }
}
