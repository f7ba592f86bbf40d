/** One item's way through its tiers while it holds a slot: call, record, next. */
import type { AgentContext, AgentRun } from '../domain/agent-context.ts';
import type { StorableResult } from '../domain/agent-result.ts';
import { itemId } from '../domain/ids.ts';
import type { ItemError } from '../domain/item-error.ts';
import { backoffDelayMs, mayRetry } from '../domain/retry-policy.ts';
import { type AttemptEnd, type Call, callAgent } from './attempt.ts';
import { type LaneItem, toCancelled, toExpired, toFailed, toRetrying, toReturned, toRunning, toSucceeded } from './lane-item.ts';
import type { EngineParts, ItemInput, TakenLane } from './ports.ts';
import type { Recorder } from './recorder.ts';

export interface ItemCalls {
  readonly parts: EngineParts;
  readonly taken: TakenLane;
  /** The code of each tier. */
  readonly agents: readonly AgentRun[];
  readonly recorder: Recorder;
  /** Tries after the first that an item has in one tier and round. */
  retryLimit(): number;
  /** What an interrupted attempt means for its item; null while nothing interrupts. */
  interruption(): Interruption | null;
  /** An agent is being called for the item. */
  opened(item: LaneItem, call: Call): void;
  /** The lane has recorded all that this slot does for the item; its last call may still be going on. */
  closed(item: LaneItem): void;
}

/** Why running attempts are ended: the execution is closed (its items end so), the node stops, the lane is lost. */
export type Interruption = 'CANCELLED' | 'EXPIRED' | 'shutdown' | 'lost';

/**
 * Runs an item from its present tier to the end of what one slot does for it: its success, its failure, or the
 * start of a backoff. Resolves when the last call is quiet, so a call that ignores its abort keeps the slot.
 *
 * With `afterDeath` the start is committed before the agent is called: if this item kills the process again,
 * the count of deaths has it.
 */
export async function runItem(calls: ItemCalls, item: LaneItem, input: ItemInput, afterDeath: boolean): Promise<void> {
  const { parts, taken, recorder } = calls;
  let previous =
    item.tier === 0 ? null : await parts.store.previousResult(taken.lane.executionId, item.ordinal, item.tier - 1);
  for (;;) {
    const at = parts.clock.now();
    item.attempt += 1;
    item.startedAt ??= at;
    recorder.stage(item, toRunning(item));
    if (afterDeath) await recorder.flushed();
    if (calls.interruption() !== null) return interrupt(calls, item, at);
    const call = callAgent(codeOf(calls, item), contextOf(calls, item, input, previous), taken.spec.execution.itemTimeoutMs, parts.clock);
    calls.opened(item, call);
    const end = await call.end;
    const goesOn = record(calls, item, input, end);
    if (!goesOn) calls.closed(item);
    await call.quiet;
    if (!goesOn) return;
    if (end.kind === 'result') previous = JSON.parse(end.result.data);
  }
}

function codeOf(calls: ItemCalls, item: LaneItem): AgentRun {
  const run = calls.agents[item.tier];
  if (run === undefined) throw new Error(`execution ${calls.taken.lane.executionId} has no tier ${item.tier}`);
  return run;
}

/** Stages what an attempt produced; true when the item goes on in its slot: in its next tier, or with another call. */
function record(calls: ItemCalls, item: LaneItem, input: ItemInput, end: AttemptEnd): boolean {
  const at = calls.parts.clock.now();
  if (end.kind === 'result') return advance(calls, item, input, end.result, at);
  if (end.kind === 'again') return true;
  if (end.kind === 'error') failAttempt(calls, item, end.error, at);
  else interrupt(calls, item, at);
  return false;
}

/** Records a tier's result; true when another tier follows. */
function advance(
  calls: ItemCalls,
  item: LaneItem,
  input: ItemInput,
  result: StorableResult,
  at: Date,
): boolean {
  const row = { ...result, ordinal: item.ordinal, tier: item.tier, attempt: item.attempt, contentHash: input.contentHash() };
  const last = item.tier === calls.agents.length - 1;
  if (last) {
    calls.recorder.stage(item, toSucceeded(item, at, result.fieldErrors !== null), { result: row });
    return false;
  }
  item.tier += 1;
  item.attempt = 0;
  item.charged = 0;
  calls.recorder.stage(item, toRunning(item), { result: row });
  return true;
}

function failAttempt(calls: ItemCalls, item: LaneItem, error: ItemError, at: Date): void {
  const { parts, taken, recorder } = calls;
  const failure = { ordinal: item.ordinal, tier: item.tier, attempt: item.attempt, error, at };
  const closes = calls.interruption() === 'CANCELLED' || calls.interruption() === 'EXPIRED';
  if (closes || !mayRetry(error, item.charged, calls.retryLimit())) {
    return recorder.stage(item, toFailed(item, at, error), { failure });
  }
  item.charged += 1;
  const delay = backoffDelayMs(taken.spec.execution.backoff, item.charged, parts.random(), error.retryAfterMs);
  recorder.stage(item, toRetrying(item, new Date(at.getTime() + delay), error), { failure });
}

function interrupt(calls: ItemCalls, item: LaneItem, at: Date): void {
  const reason = calls.interruption();
  if (reason === 'lost') return;
  if (reason === 'CANCELLED') calls.recorder.stage(item, toCancelled(item, at));
  else if (reason === 'EXPIRED') calls.recorder.stage(item, toExpired(item, at));
  else calls.recorder.stage(item, toReturned(item));
}

function contextOf(calls: ItemCalls, item: LaneItem, input: ItemInput, previous: unknown): Omit<AgentContext, 'signal'> {
  const { taken, parts } = calls;
  const { executionId } = taken.lane;
  const tier = taken.spec.tiers[item.tier];
  const { attempt } = item;
  return {
    item: input.item,
    previous,
    userMessage: tier?.userMessage ?? null,
    config: tier?.config ?? null,
    tier: item.tier,
    round: taken.round,
    attempt,
    idempotencyKey: `${executionId}:${taken.round}:${item.ordinal}:${item.tier}`,
    log: (message) =>
      parts.log.info({ executionId, itemId: itemId(executionId, item.ordinal), attempt, said: String(message).slice(0, 1000) }, 'agent'),
  };
}
