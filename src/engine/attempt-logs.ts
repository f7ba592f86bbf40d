/**
 * What agents log: gathered over all executions of a node, and written apart from the flushes of outcomes.
 *
 * Of an attempt `LIMITS.logLines` lines are kept; of the others, and of all that come while too many wait to be
 * written, only their number is, in a last line. A lost line is no reason to fail an item: a write that fails is
 * tried again for as long as the lines fit in memory.
 */
import type { AgentLog } from '../domain/agent-context.ts';
import { clipText, storableText } from '../domain/json.ts';
import { LIMITS } from '../domain/limits.ts';
import { LOG_LEVELS, type LogLevel } from '../domain/model.ts';
import type { EngineParts, LogLine } from './ports.ts';

/** How long lines gather before they are written. */
const GATHER_MS = 300;
/** How many lines are written at once; with as many waiting they go at once. */
const WRITE_MAX = 1_000;
/** More lines than this never wait. */
const WAIT_MAX = 20_000;
const RETRY_MS = 2_000;

/** The attempt that a line belongs to. */
export type LoggedAttempt = Pick<LogLine, 'executionId' | 'ordinal' | 'tier' | 'round' | 'attempt'>;

/** Lines of one attempt that were not kept. */
interface Dropped {
  count: number;
  /** The count when it was last looked at: it is told once it no longer rises. */
  seen: number;
}

export class AttemptLogs {
  readonly #parts: Pick<EngineParts, 'store' | 'clock' | 'log'>;
  #lines: LogLine[] = [];
  readonly #dropped = new Map<LoggedAttempt, Dropped>();
  #cancelTimer: (() => void) | null = null;
  /** Whether the last write failed, and the next waits for its time. */
  #rests = false;
  #writing: Promise<void> | null = null;

  constructor(parts: Pick<EngineParts, 'store' | 'clock' | 'log'>) {
    this.#parts = parts;
  }

  /** The log of one attempt. */
  open(attempt: LoggedAttempt): AgentLog {
    let kept = 0;
    return (message, level, more) => {
      const fits = kept < LIMITS.logLines && this.#lines.length < WAIT_MAX;
      if (fits) {
        kept += 1;
        this.#keep(attempt, clipText(storableText(String(message)), LIMITS.logLineLength), levelOf(level), 0);
      }
      const dropped = (fits ? 0 : 1) + (Number.isSafeInteger(more) && Number(more) > 0 ? Number(more) : 0);
      if (dropped > 0) this.#drop(attempt, dropped);
    };
  }

  /** Writes what is there, if the database takes it within `ms`. */
  async stop(ms: number): Promise<void> {
    this.#tellDropped(true);
    const { promise, resolve } = Promise.withResolvers<void>();
    const cancel = this.#parts.clock.after(ms, resolve);
    await Promise.race([this.#writeAll(), promise]);
    cancel();
    this.#cancelTimer?.();
    this.#lines = [];
  }

  #keep(attempt: LoggedAttempt, message: string, level: LogLevel, dropped: number): void {
    this.#lines.push({ ...attempt, message, level, dropped, at: this.#parts.clock.now() });
    if (this.#lines.length >= WRITE_MAX && !this.#rests) void this.#writeAll();
    else this.#writeSoon(GATHER_MS);
  }

  #drop(attempt: LoggedAttempt, count: number): void {
    const known = this.#dropped.get(attempt) ?? { count: 0, seen: 0 };
    known.count = Math.min(known.count + count, 2_147_483_647);
    this.#dropped.set(attempt, known);
    this.#writeSoon(GATHER_MS);
  }

  #writeSoon(ms: number): void {
    this.#cancelTimer ??= this.#parts.clock.after(ms, () => {
      this.#cancelTimer = null;
      this.#rests = false;
      this.#tellDropped(false);
      void this.#writeAll();
    });
  }

  /** Adds the last lines of attempts that seem to log no more; the others are looked at again. */
  #tellDropped(all: boolean): void {
    for (const [attempt, dropped] of this.#dropped) {
      const { count, seen } = dropped;
      dropped.seen = count;
      if (count > seen && !all) continue;
      this.#dropped.delete(attempt);
      const message = `${count} more ${count === 1 ? 'line was' : 'lines were'} not kept.`;
      this.#lines.push({ ...attempt, message, level: 'WARN', dropped: count, at: this.#parts.clock.now() });
    }
    if (this.#dropped.size > 0) this.#writeSoon(GATHER_MS);
  }

  #writeAll(): Promise<void> {
    this.#writing ??= this.#write().finally(() => {
      this.#writing = null;
    });
    return this.#writing;
  }

  async #write(): Promise<void> {
    while (this.#lines.length > 0) {
      const batch = this.#lines.splice(0, WRITE_MAX);
      try {
        await this.#parts.store.appendLogs(batch);
      } catch (error) {
        this.#parts.log.warn({ err: error, lines: batch.length }, 'lines of agents could not be stored');
        // Refused once they would be refused for ever.
        if (this.#parts.store.refusedData(error)) continue;
        this.#lines.unshift(...batch);
        this.#rests = true;
        this.#cancelTimer?.();
        this.#cancelTimer = null;
        return this.#writeSoon(RETRY_MS);
      }
    }
  }
}

// Agents hand `log` to `forEach` and the like: what is no level is none.
const levelOf = (level: unknown): LogLevel => LOG_LEVELS.find((known) => known === level) ?? 'INFO';
