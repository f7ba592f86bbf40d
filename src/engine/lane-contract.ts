/** What a lane's runner is told by those who run it, and what it tells them. */
import type { LimitFunction } from 'p-limit';
import type { Wait } from './admission.ts';
import type { AgentGates } from './agent-gate.ts';
import type { AttemptLogs } from './attempt-logs.ts';
import type { FairSlots } from './fair-slots.ts';
import type { OverdueCalls } from './overdue-calls.ts';

/** Why a lane left. */
export type LaneEnd = 'ended' | 'halted' | 'lost';

export interface LaneHooks {
  /** The execution is no longer one whose items may start, or the lane has run out of items. */
  changed(): void;
  /** The lane waits out a storm of its agent, or no longer does. */
  waits(wait: Wait | null): void;
  /** The lane cannot go on for this reason, which no retry here mends. */
  broken(error: unknown): void;
}

/** What a lane follows and may change while it runs. */
export interface LaneTuning {
  readonly share: number;
  readonly retryLimit: number;
  readonly priority: number;
  /** Whether what its calls may use is bounded: then each waits until what it used is counted. */
  readonly isBudgeted: boolean;
}

/** What a lane shares with others of its node. */
export interface LaneShared {
  /** The lane's slots: calls of an earlier run of it that have not ended still use theirs. */
  readonly limit: LimitFunction;
  readonly gates: AgentGates;
  readonly slots: FairSlots;
  readonly overdue: OverdueCalls;
  readonly logs: AttemptLogs;
  readonly tuning: LaneTuning;
}
