/**
 * What the engine needs of the world. It knows no SQL, no GraphQL and no clock of its own.
 *
 * Lock order of every writer behind `LaneStore`: execution, lane, items by ordinal. Every write checks the
 * lane's epoch in its own statement or transaction, so a node that lost a lane cannot write.
 */
import type { AgentItem, AgentRun } from '../domain/agent-context.ts';
import type { StorableResult } from '../domain/agent-result.ts';
import type { ItemError } from '../domain/item-error.ts';
import type { LogLevel, PauseReason } from '../domain/model.ts';
import type { OutputChecker } from '../domain/output-rules.ts';
import type { PinnedSpec } from '../domain/spec.ts';
import type { ExecutionStatus, ItemStatus } from '../domain/states.ts';
import type { PricedUsage } from '../domain/usage.ts';

/** Calls that were told to stop and have not, and since when the first of them is. */
export interface Overdue {
  readonly calls: number;
  readonly since: Date;
}

/** A lane as its holder knows it; `epoch` is the fence. */
export interface HeldLane {
  readonly executionId: string;
  readonly no: number;
  readonly epoch: number;
}

/** An item in a lane's claim, as the database knows it. */
export interface ClaimedItem {
  readonly ordinal: number;
  readonly status: ItemStatus;
  readonly tier: number;
  readonly attempt: number;
  readonly charged: number;
  readonly deaths: number;
  readonly startedAt: Date | null;
}

/** A lane just taken: what its last holder left unsettled. */
export interface TakenLane {
  readonly lane: HeldLane;
  readonly share: number;
  readonly round: number;
  readonly spec: PinnedSpec;
  readonly retryLimit: number;
  readonly status: ExecutionStatus;
  readonly items: readonly ClaimedItem[];
  /** Whether the last holder died: its unsettled items may have been running. */
  readonly afterDeath: boolean;
}

export interface ClaimAnswer {
  /** false: the lane has a newer epoch; its holder must stop. */
  readonly held: boolean;
  readonly status: ExecutionStatus;
  /** Whether the execution is being closed: nothing is claimed any more. */
  readonly closing: boolean;
  readonly items: readonly ClaimedItem[];
  /** When the earliest waiting item of the execution is due; null when none waits. */
  readonly nextDueAt: Date | null;
  /** The execution's revision if this claim changed it, else null. */
  readonly revision: number | null;
}

/** One item's move in a flush. `was` is the status that the database is known to have. */
export interface ItemMove {
  readonly ordinal: number;
  readonly was: ItemStatus;
  /** The tier that the database is known to have. */
  readonly wasTier: number;
  readonly to: ItemStatus;
  readonly tier: number;
  readonly attempt: number;
  readonly charged: number;
  readonly deaths: number;
  readonly runAfter: Date | null;
  readonly startedAt: Date | null;
  readonly endedAt: Date | null;
  readonly error: ItemError | null;
  /** Whether it succeeds with field errors. */
  readonly flawed: boolean;
}

/** A result to append with an item's move. */
export interface ResultRow extends Omit<StorableResult, 'usage'> {
  readonly ordinal: number;
  readonly tier: number;
  readonly attempt: number;
  /** When the attempt started and ended. */
  readonly startedAt: Date;
  readonly at: Date;
  readonly usage: PricedUsage | null;
  readonly contentHash: string | null;
}

/** A failed attempt to append with an item's move. */
export interface FailureRow {
  readonly ordinal: number;
  readonly tier: number;
  readonly attempt: number;
  readonly error: ItemError;
  /** When the attempt started and ended. */
  readonly startedAt: Date;
  readonly at: Date;
  readonly usage: PricedUsage | null;
}

/** A line that an agent logged, or a count of lines that were not kept. */
export interface LogLine {
  readonly executionId: string;
  readonly ordinal: number;
  readonly tier: number;
  readonly round: number;
  readonly attempt: number;
  readonly level: LogLevel;
  readonly message: string;
  /** How many lines that were not kept it stands for. */
  readonly dropped: number;
  readonly at: Date;
}

/** What one flush writes. */
export interface Settlement {
  readonly round: number;
  /** How many tiers the execution has; with one, nothing is counted by tier. */
  readonly tiers: number;
  readonly moves: readonly ItemMove[];
  /** In the order of the moves that they come with. */
  readonly results: readonly ResultRow[];
  readonly failures: readonly FailureRow[];
}

export interface SettleAnswer {
  readonly held: boolean;
  readonly status: ExecutionStatus;
  /** Whether the execution is being closed. */
  readonly closing: boolean;
  /** Ordinals whose guard did not hold, e.g. cancelled meanwhile: their outcomes are dropped. */
  readonly refused: readonly number[];
  /** The execution's new revision; null when nothing was applied. */
  readonly revision: number | null;
  /** Whether this flush held usage and the execution has now used what it may use: nothing more is to start. */
  readonly spent: boolean;
}

/** Which open items a chunk closes. */
export interface CloseChunk {
  /** The first ordinal to look at. */
  readonly cursor: number;
  /** Whether running items are closed too; only after `fenceLanes`. */
  readonly running: boolean;
  readonly closing: Closing;
}

/**
 * Why an execution's open items are being closed: it is CANCELLING, its deadline has passed (they become EXPIRED),
 * or it cannot go on (they become CANCELLED and it FAILED).
 */
export type Closing = 'CANCEL' | 'EXPIRE' | 'FAIL';

/** A lane and its part of the execution's concurrency. */
export interface LaneShare {
  readonly no: number;
  readonly share: number;
}

/** What a chunk of a whole-set move did. */
export interface SweepAnswer {
  /** Where the next chunk starts; null when this was the last. */
  readonly cursor: number | null;
  readonly status: ExecutionStatus;
  /** Items that are still running. */
  readonly running: number;
  readonly revision: number | null;
}

/** An execution that has something to do. */
export interface OpenExecution {
  readonly id: string;
  readonly status: ExecutionStatus;
  readonly closing: Closing | null;
  /** Whether what runs may finish while it is being closed. */
  readonly drains: boolean;
  /** When it is to be closed as EXPIRED. */
  readonly deadlineAt: Date | null;
  readonly retryLimit: number;
  readonly priority: number;
  /** Whether all items of its sample have ended, so that it is to be paused. */
  readonly sampled: boolean;
  /** Whether its calls have used what they may, so that nothing more is to start; null where it has no bound. */
  readonly spent: boolean | null;
  /** Whether items are open that do not run. */
  readonly waiting: boolean;
  /** Whether freezing or a whole-set retry is unfinished. */
  readonly unprepared: boolean;
  /** Rises whenever items were cancelled one by one. */
  readonly itemCancels: number;
  readonly lanes: readonly LaneShare[];
}

/** One step of freezing or of a whole-set retry. */
export interface PrepareAnswer {
  readonly more: boolean;
  readonly revision: number | null;
  /** Whether the execution is known to have ended with that revision. */
  readonly ends?: boolean;
}

export interface LaneStore {
  /** Every execution that is neither final nor a draft. */
  openExecutions(): Promise<OpenExecution[]>;
  /** One of them, or null when it is final. */
  openExecution(executionId: string): Promise<OpenExecution | null>;
  /**
   * Takes a lane that is free or whose owner is dead, and raises its epoch; null when neither. `foresee` is told the
   * spec where that takes a while; it may be another by the time the lane is taken.
   */
  takeLane(executionId: string, no: number, foresee?: (spec: PinnedSpec) => void): Promise<TakenLane | null>;
  /** Adds up to `want` items of the pool to the lane's claim, which becomes `keep` and those. */
  claim(lane: HeldLane, keep: readonly number[], want: number, now: Date): Promise<ClaimAnswer>;
  /** Writes what attempts produced, in one statement. */
  settle(lane: HeldLane, settlement: Settlement): Promise<SettleAnswer>;
  /** The open items of the lane's claim as committed, after a claim whose answer was lost; null: the lane is lost. */
  heldItems(lane: HeldLane): Promise<ClaimedItem[] | null>;
  /** The items of the lane's claim that were cancelled; none when the lane is lost. */
  cancelledItems(lane: HeldLane): Promise<number[]>;
  /** Gives a lane back with its claim; `suspects`: of it, some may have run in a process that died. */
  releaseLane(lane: HeldLane, keep: readonly number[], suspects: boolean): Promise<void>;
  /**
   * Raises the epoch of every lane, so that whoever held one can no longer write. `false`: the
   * execution is no longer being closed for this reason, and nothing was done.
   */
  fenceLanes(executionId: string, reason: Closing): Promise<boolean>;
  /** Records why an execution cannot go on; nothing of it is claimed any more. */
  stopExecution(executionId: string, reason: string): Promise<void>;
  /** Says what an execution waits for, null for nothing; its new revision, or null when it has ended. */
  noteWait(executionId: string, wait: { reason: string; until: Date } | null): Promise<number | null>;
  /**
   * Says which calls of a lane are overdue, null for none, and what the execution waits for (undefined: as before);
   * its new revision, or null when the lane is lost.
   */
  noteOverdue(lane: HeldLane, overdue: Overdue | null, reason: string | null | undefined): Promise<number | null>;
  /** Pauses an execution that is QUEUED or RUNNING; its new revision, or null when it is not. */
  pauseExecution(executionId: string, reason: PauseReason): Promise<number | null>;
  /** Closes a chunk of open items, and the execution with the last of them. */
  closeItems(executionId: string, close: CloseChunk): Promise<SweepAnswer>;
  /** The result data of a tier of an item in the newest round that has one. */
  previousResult(executionId: string, ordinal: number, tier: number): Promise<unknown>;
  /** Appends what agents logged, in this order. */
  appendLogs(lines: readonly LogLine[]): Promise<void>;
  /** Whether an error means that the database refused the data, not that it could not be reached. */
  refusedData(error: unknown): boolean;
}

/** The input of a claimed item: listed facts at once, content when asked for. */
export interface ItemInput {
  readonly item: AgentItem;
  /** SHA-256 in hex of the content read so far, null when none was read. */
  contentHash(): string | null;
  /** To be done before each call of an agent, as part of it; aborts by the call's signal. null: nothing is. */
  readonly begin: ((signal: AbortSignal) => Promise<void>) | null;
}

export interface ItemInputs {
  /** The inputs of these items, by ordinal. */
  load(executionId: string, ordinals: readonly number[]): Promise<ReadonlyMap<number, ItemInput>>;
}

export interface AgentLoader {
  /** The code of a pinned version. Throws when this node cannot run it. */
  load(agentVersionId: string): Promise<AgentRun>;
}

/** Time, as the engine sees it. */
export interface Clock {
  now(): Date;
  /** Calls back after `ms`; the answer cancels it. Delays beyond what a timer can hold are cut. */
  after(ms: number, callback: () => void): () => void;
}

/** Where the engine tells of its work; keys are fixed, values never hold inputs or outputs. */
export interface EngineLog {
  info(fields: Readonly<Record<string, unknown>>, message: string): void;
  warn(fields: Readonly<Record<string, unknown>>, message: string): void;
  error(fields: Readonly<Record<string, unknown>>, message: string): void;
  debug(fields: Readonly<Record<string, unknown>>, message: string): void;
}

export interface EngineParts {
  readonly store: LaneStore;
  /** Freezes the next chunk of items, moves the next chunk of a retry, or seals. */
  readonly prepare: (executionId: string) => Promise<PrepareAnswer>;
  readonly inputs: ItemInputs;
  readonly agents: AgentLoader;
  readonly outputs: OutputChecker;
  readonly clock: Clock;
  /** In [0, 1). */
  readonly random: () => number;
  /** Tells of a newer revision, after its commit; `ends`: it is a final state. */
  readonly publish: (executionId: string, revision: number, ends?: boolean) => void;
  readonly log: EngineLog;
  /** How long an aborted call may still answer before its item is closed without it. */
  readonly cancelGraceMs: number;
  /** How long a stopping node lets running calls finish before it aborts them. */
  readonly drainMs: number;
  /** Calls that run at a time on this node, over all executions. */
  readonly nodeConcurrency: number;
  /** How long a storm of its agent may go on before an execution is paused. */
  readonly stormLimitMs: number;
  /** How often it looks for work that nobody told it of. */
  readonly pollMs: number;
}
