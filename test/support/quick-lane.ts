/** A lane of an agent that does nothing, over a store that answers in the next turn. */
import pLimit from 'p-limit';
import type { AgentRun } from '../../src/domain/agent-context.ts';
import { AgentGates } from '../../src/engine/agent-gate.ts';
import { AttemptLogs } from '../../src/engine/attempt-logs.ts';
import { systemClock } from '../../src/engine/clock.ts';
import { FairSlots } from '../../src/engine/fair-slots.ts';
import { LaneRunner } from '../../src/engine/lane-runner.ts';
import { OverdueCalls } from '../../src/engine/overdue-calls.ts';
import type { ClaimedItem, EngineParts, ItemInput, LaneStore, TakenLane } from '../../src/engine/ports.ts';
import { FLUSH_MAX } from '../../src/engine/recorder.ts';
import { nextTurn } from '../../src/engine/turns.ts';

export interface QuickLane {
  /** How many claims find as many items as a flush takes. */
  readonly claims: number;
  readonly agent: AgentRun;
  inputOf(ordinal: number): ItemInput;
  /** A claim is asked for, the first being 1. */
  claimed?(claim: number): void;
}

const itemOf = (ordinal: number): ClaimedItem => ({
  ...{ ordinal, status: 'QUEUED', tier: 0, attempt: 0, charged: 0, deaths: 0, startedAt: null },
});

/** Runs it to its end; how it ended, how many items it settled, and what broke. */
export async function runQuickLane({ claims, agent, inputOf, claimed }: QuickLane) {
  let [claim, settled] = [0, 0];
  const store: Partial<LaneStore> = {
    claim: () => {
      claim += 1;
      claimed?.(claim);
      const items = Array.from({ length: claim > claims ? 0 : FLUSH_MAX }, (_, n) => itemOf(claim * FLUSH_MAX + n));
      const answer = { held: true, status: 'RUNNING', closing: false, nextDueAt: null, revision: null } as const;
      return Promise.resolve({ ...answer, items });
    },
    settle: async (_lane, { results }) => {
      settled += results.length;
      await nextTurn();
      const answer = { held: true, closing: false, refused: [], revision: null, spent: false };
      return { ...answer, status: settled === claims * FLUSH_MAX ? 'COMPLETED' : 'RUNNING' };
    },
  };
  const log = { info: () => undefined, warn: () => undefined, error: () => undefined, debug: () => undefined };
  const inputs = {
    load: (_id: string, ordinals: readonly number[]) =>
      Promise.resolve(new Map(ordinals.map((ordinal) => [ordinal, inputOf(ordinal)]))),
  };
  const parts = { store, inputs, clock: systemClock, log, random: () => 0, publish: () => undefined };
  const engineParts = parts as unknown as EngineParts;
  const taken = {
    ...{ lane: { executionId: 'exec', no: 0, epoch: 1 }, round: 0, items: [], afterDeath: false },
    spec: { tiers: [{ agentId: 'agent', agentName: 'agent' }], execution: { itemTimeoutMs: 60_000 } },
  } as unknown as TakenLane;
  const broken: unknown[] = [];
  const lane = new LaneRunner(
    engineParts,
    taken,
    [agent],
    {
      ...{ limit: pLimit(100), gates: new AgentGates(systemClock), slots: new FairSlots(1_000) },
      ...{ overdue: new OverdueCalls(), logs: new AttemptLogs(engineParts) },
      tuning: { share: 100, retryLimit: 0, priority: 0, isBudgeted: false },
    },
    { changed: () => undefined, waits: () => undefined, broken: (error) => broken.push(error) },
  );
  return { end: await lane.run(), settled, broken };
}
