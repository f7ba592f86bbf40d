/** What an agent is called with. */
import type { AgentContext, AgentLog } from '../domain/agent-context.ts';
import { type CallSignal, STOP, type Stoppable, withSignal } from '../domain/call-signal.ts';
import type { AttemptLogs } from './attempt-logs.ts';
import type { LaneItem } from './lane-item.ts';
import type { ItemInput, TakenLane } from './ports.ts';

/** What the contexts of a lane are made from. */
export interface ContextParts {
  readonly taken: TakenLane;
  /** What the idempotency keys of all its calls begin with. */
  readonly keyPrefix: string;
  readonly logs: AttemptLogs;
}

/** All its properties are its own, and none needs `this`: agents take it apart and copy it. */
export class CallContext implements AgentContext, Stoppable {
  readonly item: AgentContext['item'];
  readonly previous: unknown;
  readonly userMessage: string | null;
  readonly config: unknown;
  readonly tier: number;
  readonly round: number;
  readonly attempt: number;
  readonly idempotencyKey: string;
  declare readonly signal: AbortSignal;
  readonly log: AgentLog;
  readonly [STOP]: CallSignal;

  constructor(parts: ContextParts, item: LaneItem, input: ItemInput, previous: unknown, stop: CallSignal) {
    const { taken, keyPrefix, logs } = parts;
    const { executionId } = taken.lane;
    const { ordinal, tier, attempt } = item;
    const { round } = taken;
    const spec = taken.spec.tiers[tier];
    this.item = input.item;
    this.previous = previous;
    this.userMessage = spec?.userMessage ?? null;
    this.config = spec?.config ?? {};
    this.tier = tier;
    this.round = round;
    this.attempt = attempt;
    this.idempotencyKey = `${keyPrefix}${ordinal}:${tier}`;
    this[STOP] = stop;
    withSignal(this);
    // Most calls log nothing.
    let log: AgentLog | null = null;
    this.log = (...line) => {
      log ??= logs.open({ executionId, ordinal, tier, round, attempt });
      log(...line);
    };
  }
}
