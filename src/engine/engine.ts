/**
 * The scheduler of one node: a runner for each execution that has work.
 *
 * `wake` and `cancel` are hints that make it fast; the poll of the executions table is what makes it right, and
 * how a fresh process finds what a dead one left.
 */
import pLimit, { type LimitFunction } from 'p-limit';
import { ExecutionRunner } from './execution-runner.ts';
import type { EngineParts } from './ports.ts';

export class Engine {
  readonly #parts: EngineParts;
  readonly #runners = new Map<string, ExecutionRunner>();
  readonly #slots = new Map<string, LimitFunction>();
  #cancelPoll: (() => void) | null = null;
  #polling: Promise<void> | null = null;
  #state: 'new' | 'started' | 'stopped' = 'new';

  constructor(parts: EngineParts) {
    this.#parts = parts;
  }

  /** Begins with every execution that is open; resolves once all have been found. */
  async start(): Promise<void> {
    if (this.#state !== 'new') return;
    this.#state = 'started';
    await this.#poll();
  }

  /** Gives every lane back; resolves when nothing of the engine runs any more. Calls that ignore their abort may. */
  async stop(): Promise<void> {
    this.#state = 'stopped';
    this.#cancelPoll?.();
    await this.#polling;
    await Promise.all([...this.#runners.values()].map((runner) => runner.stop()));
  }

  /** Looks at an execution: it was created, opened again, resumed or cancelled. */
  wake(executionId: string): void {
    if (this.#state !== 'started') return;
    const running = this.#runners.get(executionId);
    if (running !== undefined) {
      running.poke();
      return;
    }
    const runner = new ExecutionRunner(this.#parts, executionId, (id, lane, share) => this.#slotsOf(id, lane, share));
    this.#runners.set(executionId, runner);
    void runner.done.finally(() => this.#ended(executionId, runner));
  }

  /** Executions with work on this node. */
  get busy(): number {
    return this.#runners.size;
  }

  #ended(executionId: string, runner: ExecutionRunner): void {
    this.#runners.delete(executionId);
    // Woken between its last look and here, e.g. by a retry of what had just ended.
    if (runner.isPoked) this.wake(executionId);
    for (const [key, slots] of this.#slots) {
      if (slots.activeCount === 0 && slots.pendingCount === 0) this.#slots.delete(key);
    }
  }

  #slotsOf(executionId: string, lane: number, share: number): LimitFunction {
    const key = `${executionId}/${lane}`;
    const slots = this.#slots.get(key) ?? pLimit(share);
    slots.concurrency = share;
    this.#slots.set(key, slots);
    return slots;
  }

  async #poll(): Promise<void> {
    this.#polling = this.#findWork();
    await this.#polling;
    if (this.#state === 'started') this.#cancelPoll = this.#parts.clock.after(this.#parts.pollMs, () => void this.#poll());
  }

  async #findWork(): Promise<void> {
    try {
      for (const { id } of await this.#parts.store.openExecutions()) this.wake(id);
    } catch (error) {
      this.#parts.log.error({ err: error }, 'could not look for work, will try again');
    }
  }
}
