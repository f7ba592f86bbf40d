/** One item's way through its tiers while it holds a slot: call, record, next. */
import type { AgentRun } from '../domain/agent-context.ts';
import type { StorableResult } from '../domain/agent-result.ts';
import { CallSignal } from '../domain/call-signal.ts';
import type { ItemError } from '../domain/item-error.ts';
import { outputMismatch } from '../domain/output-rules.ts';
import { nextDelayMs, type RetryPolicy } from '../domain/retry-policy.ts';
import type { OutputRules } from '../domain/tier-output.ts';
import { type CallUsage, type PricedUsage, priced, type TokenPrices } from '../domain/usage.ts';
import type { AgentGate } from './agent-gate.ts';
import { AgentCall, type AttemptEnd, type Call } from './attempt.ts';
import { CallContext, type ContextParts } from './call-context.ts';
import type { CallTimeouts } from './call-timeouts.ts';
import {
  type LaneItem,
  toCancelled,
  toExpired,
  toFailed,
  toRetrying,
  toReturned,
  toRunning,
  toSucceeded,
} from './lane-item.ts';
import type { EngineParts, ItemInput, ResultRow } from './ports.ts';
import type { Recorder } from './recorder.ts';

const INTERRUPTED: AttemptEnd = { kind: 'interrupted' };
/** Over how long the items that a storm put off come back, in ms. */
const AFTER_STORM_MS = 1_000;

/** What the calls of one tier are made with. */
export interface TierCalls {
  readonly agentName: string;
  readonly run: AgentRun;
  readonly gate: AgentGate;
  /** What its tokens cost; undefined when nobody said. */
  readonly prices: TokenPrices | undefined;
  /** What its results must be; null when nothing is promised of them. */
  readonly rules: OutputRules | null;
}

export interface ItemCalls extends ContextParts {
  readonly parts: EngineParts;
  /** The code of each tier, and what all its calls on this node share. */
  readonly tiers: readonly TierCalls[];
  readonly recorder: Recorder;
  policy(): RetryPolicy;
  /** Whether a call's slot is kept until what it used is counted, so that no more calls start than the budget allows. */
  isBudgeted(): boolean;
  /** What an interrupted attempt means for the item; null while nothing interrupts it. */
  interruption(item: LaneItem): Interruption | null;
  readonly timeouts: CallTimeouts;
  /** Waits until a call may start; false when the item is not to start, or to go on, here. */
  admit(tier: TierCalls, begins: boolean): true | Promise<boolean>;
  /** The result of the tier before the item's own, from the database. */
  previous(item: LaneItem): Promise<unknown>;
  /** The item waits out a storm of the tier's agent until then. */
  parked(tier: TierCalls, until: Date): void;
  /** Gives back what `admit` took. */
  release(): void;
  /** An agent is being called. */
  opened(): void;
  /** A call was told to stop and goes on; the answer is to be called at its end. */
  overdue(): () => void;
  /** The lane has recorded all that this slot does for the item; its last call may still be going on. */
  closed(item: LaneItem): void;
}

/** Why running attempts are ended: the execution is closed (its items end so), the node stops, the lane is lost. */
export type Interruption = 'CANCELLED' | 'EXPIRED' | 'shutdown' | 'lost';

/**
 * Runs an item from its present tier to the end of what one slot does for it: its success, its failure, or the
 * start of a backoff. Resolves when the last call is quiet, so a call that ignores its abort keeps the slot.
 * `false` means that nothing was begun and the item is as it was.
 *
 * With `afterDeath` the start is committed before the agent is called: if this item kills the process again,
 * the count of deaths has it.
 */
export async function runItem(
  calls: ItemCalls,
  item: LaneItem,
  input: ItemInput,
  afterDeath: boolean,
): Promise<boolean> {
  const { parts, recorder } = calls;
  let previous = item.tier === 0 ? null : await calls.previous(item);
  for (let begins = true; ; begins = false) {
    const tier = tierOf(calls, item);
    const admission = calls.admit(tier, begins);
    if (admission !== true && !(await admission)) return leave(calls, item, begins);
    try {
      start(calls, item);
      if (afterDeath) await recorder.written(item);
      const isCalm = tier.gate.isCalm;
      const ended = await ending(calls, item, input, previous, isCalm);
      const heeded = isCalm && ended !== null ? tier.gate.heed(ended) : null;
      if (heeded !== null) await heeded;
      const { call } = item;
      const end =
        ended?.kind === 'result' && tier.rules !== null ? await checked(parts, tier.rules, ended.result) : ended;
      if (end === null) item.attempt -= 1;
      const goesOn = end === null || record(calls, item, input, end);
      if (calls.isBudgeted() && usesTokens(end)) await recorder.written(item);
      if (!goesOn) calls.closed(item);
      if (call?.isQuiet === false) await quiet(calls, call);
      if (!goesOn) return true;
      if (end?.kind === 'result') previous = JSON.parse(end.result.data);
    } finally {
      calls.release();
    }
  }
}

/** Not admitted: an item that has begun goes the way of what interrupts it. */
function leave(calls: ItemCalls, item: LaneItem, begins: boolean): boolean {
  if (begins) return false;
  interrupt(calls, item, calls.parts.clock.now());
  calls.closed(item);
  return true;
}

const afterBegin =
  (begin: NonNullable<ItemInput['begin']>, run: AgentRun): AgentRun =>
  async (context) => {
    await begin(context.signal);
    return await run(context);
  };

/** Starts an attempt. */
function start(calls: ItemCalls, item: LaneItem): void {
  item.attempt += 1;
  item.calledAt = calls.parts.clock.now();
  item.startedAt ??= item.calledAt;
  calls.recorder.begin(item);
}

/** How a call of the agent ends; null when a storm took up again between its admission and the call, and none was made. */
function ending(
  calls: ItemCalls,
  item: LaneItem,
  input: ItemInput,
  previous: unknown,
  isCalm: boolean,
): Promise<AttemptEnd | null> | AttemptEnd {
  if (calls.interruption(item) !== null) return INTERRUPTED;
  if (isCalm) return open(calls, item, input, previous).end;
  return tierOf(calls, item).gate.watch(() => open(calls, item, input, previous).end);
}

/** Calls the agent. */
function open(calls: ItemCalls, item: LaneItem, input: ItemInput, previous: unknown): Call {
  const { run } = tierOf(calls, item);
  const stop = new CallSignal();
  const context = new CallContext(calls, item, input, previous, stop);
  const whole = input.begin === null ? run : afterBegin(input.begin, run);
  const call = new AgentCall(whole, context, stop, calls.timeouts.begin());
  item.call = call;
  calls.opened();
  return call;
}

/** Waits for the end of a call that was told to stop. */
async function quiet(calls: ItemCalls, call: Call): Promise<void> {
  const stopped = calls.overdue();
  await call.quiet;
  stopped();
}

/** A result that keeps the rules of its tier, else the error that it is. */
async function checked({ outputs }: EngineParts, rules: OutputRules, result: StorableResult): Promise<AttemptEnd> {
  const misses = await outputs.misses(rules, result);
  return misses.total === 0 ? { kind: 'result', result } : { kind: 'error', error: outputMismatch(misses, result) };
}

function tierOf(calls: ItemCalls, item: LaneItem): TierCalls {
  const tier = calls.tiers[item.tier];
  if (tier === undefined) throw new Error(`execution ${calls.taken.lane.executionId} has no tier ${item.tier}`);
  return tier;
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
function advance(calls: ItemCalls, item: LaneItem, input: ItemInput, result: StorableResult, at: Date): boolean {
  const { data, fieldErrors, artifacts, score, usage } = result;
  const { ordinal, tier, attempt, calledAt } = item;
  // Written out: an object that begins as a copy of another keeps what is added apart, and costs twice as much.
  const row: ResultRow = {
    ordinal,
    tier,
    attempt,
    data,
    fieldErrors,
    artifacts,
    score,
    usage: usageOf(calls, item, usage),
    contentHash: input.contentHash(),
    startedAt: calledAt ?? at,
    at,
  };
  const last = item.tier === calls.tiers.length - 1;
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
  const { parts, recorder } = calls;
  const failure = {
    ...{ ordinal: item.ordinal, tier: item.tier, attempt: item.attempt, error },
    ...{ startedAt: item.calledAt ?? at, at, usage: usageOf(calls, item, error.usage) },
  };
  const delay = retryDelay(calls, item, error, at);
  if (delay === null) return recorder.stage(item, toFailed(item, at, error), { failure });
  recorder.stage(item, toRetrying(item, new Date(at.getTime() + delay), error), { failure });
  parts.log.debug(
    { executionId: calls.taken.lane.executionId, ordinal: item.ordinal, errorCode: error.code },
    'will be retried',
  );
}

function usesTokens(end: AttemptEnd | null): boolean {
  if (end?.kind === 'result') return end.result.usage !== null;
  return end?.kind === 'error' && end.error.usage !== null;
}

function usageOf(calls: ItemCalls, item: LaneItem, usage: CallUsage | null): PricedUsage | null {
  return usage && priced(usage, tierOf(calls, item).prices);
}

/** How long to wait for the next attempt, in ms, its charge noted; null when there is to be none. */
function retryDelay(calls: ItemCalls, item: LaneItem, error: ItemError, at: Date): number | null {
  const interruption = calls.interruption(item);
  if (interruption === 'CANCELLED' || interruption === 'EXPIRED') return null;
  const random = calls.parts.random();
  const tier = tierOf(calls, item);
  const parkedMs = tier.gate.parkedMs(error.category, at, calls.parts.stormLimitMs);
  // In a storm everyone fails: that is no item's fault, and costs none its tries.
  if (parkedMs !== null && error.declared !== false) {
    calls.parked(tier, new Date(at.getTime() + parkedMs));
    return parkedMs + random * AFTER_STORM_MS;
  }
  const delay = nextDelayMs(calls.policy(), error, item.charged, random);
  if (delay !== null) item.charged += 1;
  return delay;
}

function interrupt(calls: ItemCalls, item: LaneItem, at: Date): void {
  const reason = calls.interruption(item);
  if (reason === 'lost') return;
  if (reason === 'CANCELLED') calls.recorder.stage(item, toCancelled(item, at));
  else if (reason === 'EXPIRED') calls.recorder.stage(item, toExpired(item, at));
  else calls.recorder.stage(item, toReturned(item));
}
