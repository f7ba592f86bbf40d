/** Ends what was opened with a key once the key is revoked or has expired. */
import type { Logger } from '../log.ts';

/** Which of the keys are still valid. */
export type ValidKeys = (keyIds: readonly string[]) => Promise<ReadonlySet<string>>;

/**
 * Asks every few seconds, once for all open streams, whether their keys are still valid.
 *
 * A check that fails (the database is away) ends nothing: the next one decides. `stop` resolves when the running
 * check is over.
 */
export class KeyWatch {
  readonly #validKeys: ValidKeys;
  readonly #everyMs: number;
  readonly #log: Logger;
  readonly #watched = new Map<string, Set<() => void>>();
  #timer: NodeJS.Timeout | null = null;
  #check: Promise<void> = Promise.resolve();

  constructor(validKeys: ValidKeys, everyMs: number, log: Logger) {
    this.#validKeys = validKeys;
    this.#everyMs = everyMs;
    this.#log = log;
  }

  /** Calls `end` once when the key is no longer valid; the answer takes the watch away. */
  watch(keyId: string, end: () => void): () => void {
    const ends = this.#watched.get(keyId) ?? new Set();
    this.#watched.set(keyId, ends.add(end));
    return () => {
      ends.delete(end);
      if (ends.size === 0 && this.#watched.get(keyId) === ends) this.#watched.delete(keyId);
    };
  }

  start(): void {
    this.#timer ??= setInterval(() => {
      this.#check = this.#check.then(() => this.#run());
    }, this.#everyMs).unref();
  }

  async stop(): Promise<void> {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
    await this.#check;
  }

  async #run(): Promise<void> {
    const keyIds = [...this.#watched.keys()];
    if (keyIds.length === 0) return;
    try {
      const valid = await this.#validKeys(keyIds);
      for (const keyId of keyIds) {
        if (valid.has(keyId)) continue;
        const ends = this.#watched.get(keyId) ?? [];
        this.#watched.delete(keyId);
        for (const end of ends) end();
      }
    } catch (error) {
      this.#log.warn({ err: error }, 'could not check the keys of open streams');
    }
  }
}
