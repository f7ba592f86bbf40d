/**
 * Everything this node does for one execution: prepares its items, runs its lanes, pauses and closes it.
 *
 * It looks at the execution's row, does what its status asks for, and waits to be poked: by a service after a
 * commit, by a lane that left, by the engine's poll. It ends when the execution has ended, or on `stop()`.
 * A database error is logged and the look is repeated after a pause; the row is always the truth.
 */
import type { LimitFunction } from 'p-limit';
import type { AgentRun } from '../domain/agent-context.ts';
import type { PauseReason } from '../domain/model.ts';
import type { PinnedSpec } from '../domain/spec.ts';
import { executionMoveFrom, isClaimable } from '../domain/states.ts';
import type { Wait } from './admission.ts';
import type { AgentGates } from './agent-gate.ts';
import { atMost } from './at-most.ts';
import type { AttemptLogs } from './attempt-logs.ts';
import { closeExecution } from './close.ts';
import type { FairSlots } from './fair-slots.ts';
import { ItemCancels } from './item-cancels.ts';
import { LaneRunner } from './lane-runner.ts';
import { Latch } from './latch.ts';
import { type OverdueCalls, OverdueNotes } from './overdue-calls.ts';
import type { EngineParts, OpenExecution, TakenLane } from './ports.ts';
import { StormNotes } from './storm-notes.ts';

const PAUSE_AFTER_ERROR_MS = 500;
/** How long the next chunk of items waits at most for what was left to be called. */
const LEFT_FIRST_MS = 1_000;
/** How long a stopping lane waits for aborted calls before it goes on without them. */
const SHUTDOWN_GRACE_MS = 1_000;
/** How long it then waits for the database to take what was left. */
const GIVE_UP_MS = 5_000;
/** What an execution says that met a defect of ours. */
const DEFECT = 'It met a defect of the service and could not go on; the log of the service says more.';

/** What the executions of a node share. */
export interface NodeShared {
  readonly gates: AgentGates;
  readonly slots: FairSlots;
  readonly overdue: OverdueCalls;
  readonly logs: AttemptLogs;
  /** The slots of a lane; they outlive its runs while calls that ignore their abort still use some. */
  limitOf(executionId: string, lane: number, share: number): LimitFunction;
}

export class ExecutionRunner {
  readonly #parts: EngineParts;
  readonly #id: string;
  readonly #shared: NodeShared;
  readonly #wake = new Latch();
  readonly #lanes = new Map<number, LaneRunner>();
  readonly #laneRuns = new Set<Promise<void>>();
  /** For each lane that was taken with items in its hands: its first call. */
  readonly #leftBegun: Promise<void>[] = [];
  readonly #itemCancels: ItemCancels;
  #holds = 0;
  #preparing: Promise<void> | null = null;
  readonly #stormNotes: StormNotes;
  readonly #overdueNotes: OverdueNotes;
  #cancelDeadline: (() => void) | null = null;
  #stopping = false;
  readonly #looked = Promise.withResolvers<void>();
  /** Resolves when this node has nothing more to do for the execution. */
  readonly done: Promise<void>;

  constructor(parts: EngineParts, executionId: string, shared: NodeShared) {
    this.#parts = parts;
    this.#id = executionId;
    this.#shared = shared;
    this.#itemCancels = new ItemCancels(parts.store);
    this.#stormNotes = new StormNotes(parts, executionId);
    this.#overdueNotes = new OverdueNotes(parts, shared.overdue);
    this.done = this.#run();
  }

  /** Resolves when each of its lanes here has called an agent, or has nothing to call one for at the moment. */
  async begun(): Promise<void> {
    await this.#looked.promise;
    await Promise.all([...this.#lanes.values()].map((lane) => lane.begun));
  }

  /** Looks at the execution again. */
  poke(): void {
    for (const lane of this.#lanes.values()) lane.poke();
    this.#wake.set();
  }

  /** Starts nothing more until it has looked at the execution again. */
  hold(): void {
    this.#holds += 1;
    for (const lane of this.#lanes.values()) lane.pause();
    this.#wake.set();
  }

  /** Whether it was poked after its last look. */
  get isPoked(): boolean {
    return this.#wake.isSet;
  }

  /** Lets what runs finish for `drainMs`, aborts the rest, gives the lanes back. */
  async stop(): Promise<void> {
    this.#stopping = true;
    const lanes = [...this.#lanes.values()];
    for (const lane of lanes) lane.halt();
    const cancels = [
      this.#parts.clock.after(this.#parts.drainMs, () => lanes.forEach((lane) => lane.abort('shutdown'))),
      this.#parts.clock.after(this.#parts.drainMs + SHUTDOWN_GRACE_MS, () => lanes.forEach((lane) => lane.abandon())),
      // With the database away nothing can be given back: the next holder finds what was running.
      this.#parts.clock.after(this.#parts.drainMs + SHUTDOWN_GRACE_MS + GIVE_UP_MS, () =>
        lanes.forEach((lane) => lane.drop()),
      ),
    ];
    this.#wake.set();
    await this.done;
    for (const cancel of cancels) cancel();
  }

  async #run(): Promise<void> {
    while (!this.#stopping) {
      try {
        if (await this.#look()) break;
        this.#looked.resolve();
        // A look that waited itself has taken the wake-up of a stop: nobody would give another.
        if (!this.#stopping) await this.#wake.wait();
      } catch (error) {
        this.#parts.log.error({ executionId: this.#id, err: error }, 'could not work on the execution, will try again');
        await this.#pause(PAUSE_AFTER_ERROR_MS);
      }
    }
    this.#looked.resolve();
    this.#cancelDeadline?.();
    await Promise.all([...this.#laneRuns, this.#preparing]);
  }

  /** Does what the execution's row asks for; true when it has ended. */
  async #look(): Promise<boolean> {
    const holds = this.#holds;
    const open = await this.#parts.store.openExecution(this.#id);
    if (open === null) {
      // It ended elsewhere: what still runs here is nobody's any more.
      for (const lane of this.#lanes.values()) lane.drop();
      return true;
    }
    // Held while the row was read: what was read may be from before the commit that it is held for.
    if (holds !== this.#holds) return false;
    this.#expect(open.deadlineAt);
    await this.#itemCancels.follow(this.#lanes.values(), open.itemCancels);
    if (open.closing !== null) {
      return await closeExecution(this.#parts, open, open.closing, {
        lanes: () => [...this.#lanes.values()],
        holds: (no) => this.#lanes.has(no),
        poked: this.#wake,
        takeLane: (no) => this.#parts.store.takeLane(this.#id, no),
        stopping: () => this.#stopping,
      });
    }
    if (open.sampled) await this.#pauseAs('SAMPLE');
    else if (open.spent && executionMoveFrom('pause').includes(open.status)) await this.#pauseAs('BUDGET');
    else if (isClaimable(open.status)) await this.#goOn(open);
    else for (const lane of this.#lanes.values()) lane.pause();
    return false;
  }

  /** Runs what may run, with the parameters as they are now. */
  async #goOn(open: OpenExecution): Promise<void> {
    const { retryLimit, priority } = open;
    const isBudgeted = open.spent !== null;
    for (const { no, share } of open.lanes) this.#lanes.get(no)?.tune({ share, retryLimit, priority, isBudgeted });
    // What is still being prepared cannot be paused yet.
    for (const lane of this.#lanes.values()) {
      if (open.spent) lane.pause();
      else lane.unpause();
    }
    await this.#startLanes(open);
    for (const { no, share } of open.lanes) {
      const lane = this.#lanes.get(no);
      if (lane !== undefined) await this.#overdueNotes.look(lane.held, share, !this.#stormNotes.isWaiting);
    }
    // Whoever has a lane prepares: two nodes could, but only one would get each chunk in.
    if (open.unprepared && this.#lanes.size > 0) this.#preparing ??= this.#prepareAll();
  }

  /** Says on the execution what it waits for; a storm that goes on for too long pauses it. */
  #noteWait(wait: Wait | null): void {
    this.#stormNotes.note(wait, () => this.#pauseAs('AGENT_STORM')).catch((error: unknown) => this.#stumble(error));
  }

  async #pauseAs(reason: PauseReason): Promise<void> {
    const revision = await this.#parts.store.pauseExecution(this.#id, reason);
    if (revision !== null) this.#parts.publish(this.#id, revision);
    this.#wake.set();
  }

  /** Looks again when the deadline has passed. */
  #expect(deadlineAt: Date | null): void {
    this.#cancelDeadline?.();
    this.#cancelDeadline =
      deadlineAt === null
        ? null
        : this.#parts.clock.after(Math.max(deadlineAt.getTime() - this.#parts.clock.now().getTime(), 0), () =>
            this.#wake.set(),
          );
  }

  async #prepareAll(): Promise<void> {
    try {
      // Else the first call after a kill would wait for a chunk that nobody needs yet: 0.2 s on the embedded database.
      if (this.#leftBegun.length > 0) await atMost(this.#parts.clock, LEFT_FIRST_MS, Promise.all(this.#leftBegun));
      for (let more = true; more && !this.#stopping; ) {
        const answer = await this.#parts.prepare(this.#id);
        more = answer.more;
        if (answer.revision !== null) this.#parts.publish(this.#id, answer.revision, answer.ends);
        // The lanes are all who care for another chunk; who reads the row each time reads it once for each flush.
        if (more) for (const lane of this.#lanes.values()) lane.poke();
        else this.poke();
      }
    } catch (error) {
      if (codeOf(error) === 'execution_cannot_go_on' && error instanceof Error) {
        await this.#stopWith(error.message).catch((failed: unknown) => this.#stumbleAndPause(failed));
      } else await this.#stumbleAndPause(error);
    } finally {
      this.#preparing = null;
    }
  }

  async #startLanes(open: OpenExecution): Promise<void> {
    const { gates, slots, overdue, logs } = this.#shared;
    for (const { no } of open.lanes) {
      if (this.#lanes.has(no) || this.#stopping) continue;
      // A process that has just started loads the agents while it takes what a dead one left.
      const foresee = (spec: PinnedSpec) => void this.#load(spec).catch(() => undefined);
      const taken = await this.#parts.store.takeLane(this.#id, no, foresee);
      if (taken === null) continue;
      const agents = await this.#loadAgents(taken.spec);
      if (agents === null || this.#stopping) {
        return await this.#parts.store.releaseLane(
          taken.lane,
          taken.items.map((item) => item.ordinal),
          taken.afterDeath,
        );
      }
      const { share, retryLimit } = taken;
      const tuning = { share, retryLimit, priority: open.priority, isBudgeted: open.spent !== null };
      const limit = this.#shared.limitOf(this.#id, no, share);
      const lane = new LaneRunner(
        this.#parts,
        taken,
        agents,
        { limit, gates, slots, overdue, logs, tuning },
        {
          changed: () => this.#wake.set(),
          waits: (wait) => this.#noteWait(wait),
          broken: (error) => {
            this.#stumble(error);
            this.#stopWith(DEFECT).catch((failed: unknown) => this.#stumble(failed));
          },
        },
      );
      if (open.spent) lane.pause();
      this.#lanes.set(no, lane);
      if (taken.items.length > 0) this.#leftBegun.push(lane.begun);
      const run = this.#runLane(taken, lane);
      this.#laneRuns.add(run);
      void run.finally(() => this.#laneRuns.delete(run));
    }
  }

  async #runLane({ lane: { no }, spec }: TakenLane, lane: LaneRunner): Promise<void> {
    try {
      const end = await lane.run();
      this.#parts.log.debug({ executionId: this.#id, lane: no, end }, 'lane left');
      if (end === 'lost' && !this.#stopping) await this.#pause(PAUSE_AFTER_ERROR_MS);
    } catch (error) {
      await this.#stumbleAndPause(error);
    } finally {
      if (this.#stormNotes.isWaiting) this.#noteWait(null);
      for (const { agentId, rateLimit = null } of spec.tiers) this.#shared.gates.leave(agentId, rateLimit);
      this.#lanes.delete(no);
      this.#wake.set();
    }
  }

  #load(spec: PinnedSpec): Promise<AgentRun[]> {
    return Promise.all(spec.tiers.map((tier) => this.#parts.agents.load(tier.agentVersionId)));
  }

  async #loadAgents(spec: PinnedSpec): Promise<AgentRun[] | null> {
    try {
      return await this.#load(spec);
    } catch (error) {
      if (codeOf(error) !== 'agent_unavailable') throw error;
      await this.#stopWith(error instanceof Error ? error.message : 'An agent of this execution cannot be run.');
      return null;
    }
  }

  /** Records why the execution cannot go on; the next look closes it. */
  async #stopWith(reason: string): Promise<void> {
    await this.#parts.store.stopExecution(this.#id, reason);
    this.#wake.set();
  }

  /** Logs an error that a later look may get over. */
  #stumble(error: unknown): void {
    this.#parts.log.error({ executionId: this.#id, err: error }, 'work on the execution stumbled');
    this.#wake.set();
  }

  async #stumbleAndPause(error: unknown): Promise<void> {
    this.#stumble(error);
    await this.#pause(PAUSE_AFTER_ERROR_MS);
  }

  async #pause(ms: number): Promise<void> {
    await new Promise<void>((resolve) => this.#parts.clock.after(ms, resolve));
  }
}

function codeOf(error: unknown): unknown {
  return typeof error === 'object' && error !== null ? Reflect.get(error, 'code') : undefined;
}
