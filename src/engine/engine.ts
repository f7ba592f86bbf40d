/**
 * The scheduler of one node: a runner for each execution that has work.
 *
 * `wake` and `cancel` are hints that make it fast; the poll of the executions table is what makes it right, and
 * how a fresh process finds what a dead one left.
 */
import pLimit, { type LimitFunction } from 'p-limit';
import { AgentGates } from './agent-gate.ts';
import { atMost } from './at-most.ts';
import { AttemptLogs } from './attempt-logs.ts';
import { ExecutionRunner, type NodeShared } from './execution-runner.ts';
import { FairSlots } from './fair-slots.ts';
import { OverdueCalls } from './overdue-calls.ts';
import type { EngineParts } from './ports.ts';

/** How long a stop waits for what agents logged to be written. */
const LOGS_GRACE_MS = 2_000;

export class Engine {
  readonly #parts: EngineParts;
  readonly #runners = new Map<string, ExecutionRunner>();
  readonly #limits = new Map<string, LimitFunction>();
  readonly #shared: NodeShared;
  #cancelPoll: (() => void) | null = null;
  #polling: Promise<void> | null = null;
  #state: 'new' | 'started' | 'stopped' = 'new';

  constructor(parts: EngineParts) {
    this.#parts = parts;
    this.#shared = {
      gates: new AgentGates(parts.clock),
      slots: new FairSlots(parts.nodeConcurrency),
      overdue: new OverdueCalls(),
      logs: new AttemptLogs(parts),
      limitOf: (executionId, lane, share) => this.#limitOf(executionId, lane, share),
    };
  }

  /** Begins with every execution that is open; resolves once all have been found. */
  async start(): Promise<void> {
    if (this.#state !== 'new') return;
    this.#state = 'started';
    await this.#poll();
  }

  /**
   * Resolves when every execution that is known here has called an agent, or has none to call at the moment.
   *
   * At most `withinMs` later: an agent may take long to load, or wait out its rate limit.
   */
  async resumed(withinMs: number): Promise<void> {
    const begun = Promise.all([...this.#runners.values()].map((runner) => runner.begun()));
    await atMost(this.#parts.clock, withinMs, begun);
  }

  /** Gives every lane back; resolves when nothing of the engine runs any more. Calls that ignore their abort may. */
  async stop(): Promise<void> {
    this.#state = 'stopped';
    this.#cancelPoll?.();
    await this.#polling;
    await Promise.all([...this.#runners.values()].map((runner) => runner.stop()));
    this.#shared.gates.close();
    await this.#shared.logs.stop(LOGS_GRACE_MS);
  }

  /** Looks at an execution: it was created, opened again, resumed or cancelled. */
  wake(executionId: string): void {
    if (this.#state !== 'started') return;
    const running = this.#runners.get(executionId);
    if (running !== undefined) {
      running.poke();
      return;
    }
    const runner = new ExecutionRunner(this.#parts, executionId, this.#shared);
    this.#runners.set(executionId, runner);
    void runner.done.finally(() => this.#ended(executionId, runner));
  }

  /** Starts nothing more of an execution until it has looked at it again; to be called once a pause or cancel is committed. */
  hold(executionId: string): void {
    this.#runners.get(executionId)?.hold();
  }

  /** Executions with work on this node. */
  get busy(): number {
    return this.#runners.size;
  }

  /** Calls of agents that use a slot of this node, also those that ignore their abort. */
  get running(): number {
    return this.#shared.slots.running;
  }

  #ended(executionId: string, runner: ExecutionRunner): void {
    this.#runners.delete(executionId);
    // Woken between its last look and here, e.g. by a retry of what had just ended.
    if (runner.isPoked) this.wake(executionId);
    // What a runner holds must stay, also while nothing of it runs; the rest goes once its last call has ended.
    for (const [key, limit] of this.#limits) {
      const [id = ''] = key.split('/');
      if (!this.#runners.has(id) && limit.activeCount === 0 && limit.pendingCount === 0) this.#limits.delete(key);
    }
  }

  #limitOf(executionId: string, lane: number, share: number): LimitFunction {
    const key = `${executionId}/${lane}`;
    const limit = this.#limits.get(key) ?? pLimit(share);
    limit.concurrency = share;
    this.#limits.set(key, limit);
    return limit;
  }

  async #poll(): Promise<void> {
    this.#polling = this.#findWork();
    await this.#polling;
    if (this.#state === 'started')
      this.#cancelPoll = this.#parts.clock.after(this.#parts.pollMs, () => void this.#poll());
  }

  async #findWork(): Promise<void> {
    try {
      const open = new Set((await this.#parts.store.openExecutions()).map(({ id }) => id));
      for (const id of open) this.wake(id);
      // What ended on another node is not listed: whoever still runs it here is to see that.
      for (const [id, runner] of this.#runners) if (!open.has(id)) runner.poke();
    } catch (error) {
      this.#parts.log.error({ err: error }, 'could not look for work, will try again');
    }
  }
}
