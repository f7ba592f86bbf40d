/** Says on an execution that it waits for an agent whose calls fail, and sees when it has waited for too long. */
import type { Wait } from './admission.ts';
import type { EngineParts } from './ports.ts';

export class StormNotes {
  readonly #parts: Pick<EngineParts, 'store' | 'clock' | 'publish' | 'stormLimitMs'>;
  readonly #executionId: string;
  #noted: Wait | null = null;
  #since: Date | null = null;

  constructor(parts: Pick<EngineParts, 'store' | 'clock' | 'publish' | 'stormLimitMs'>, executionId: string) {
    this.#parts = parts;
    this.#executionId = executionId;
  }

  /** Whether the execution says that it waits. */
  get isWaiting(): boolean {
    return this.#noted !== null;
  }

  /** Notes what it waits for, null when it goes on; calls `tooLong` instead where that is so. */
  async note(wait: Wait | null, tooLong: () => Promise<void>): Promise<void> {
    if (wait?.until.getTime() === this.#noted?.until.getTime()) return;
    this.#noted = wait;
    const now = this.#parts.clock.now();
    this.#since = wait && (this.#since ?? now);
    if (this.#since === null || now.getTime() - this.#since.getTime() <= this.#parts.stormLimitMs) {
      return await this.#say(wait);
    }
    // Counted anew after a resume: whoever resumes wants it to be tried.
    this.#since = null;
    await tooLong();
  }

  async #say(wait: Wait | null): Promise<void> {
    const said = wait && {
      reason: `The agent ${wait.agentName} fails at most calls; it is tried again later.`,
      until: wait.until,
    };
    const revision = await this.#parts.store.noteWait(this.#executionId, said);
    if (revision !== null) this.#parts.publish(this.#executionId, revision);
  }
}
