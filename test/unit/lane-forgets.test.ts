/** A lane that runs many items holds on to none that has ended: nothing of them is left for full collections. */
import { getHeapSpaceStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import pLimit from 'p-limit';
import { expect, test } from 'vitest';
import { AgentGates } from '../../src/engine/agent-gate.ts';
import { AttemptLogs } from '../../src/engine/attempt-logs.ts';
import { systemClock } from '../../src/engine/clock.ts';
import { FairSlots } from '../../src/engine/fair-slots.ts';
import { LaneRunner } from '../../src/engine/lane-runner.ts';
import { OverdueCalls } from '../../src/engine/overdue-calls.ts';
import type { ClaimedItem, EngineParts, ItemInput, LaneStore, TakenLane } from '../../src/engine/ports.ts';
import { FLUSH_MAX } from '../../src/engine/recorder.ts';

const CLAIMS = 30;
/** Further apart than an item's way through the lane is long. */
const CLAIMS_PER_COLLECTION = 5;
const INPUT_BYTES = 4_000;
const ALL_MB = (CLAIMS * FLUSH_MAX * INPUT_BYTES) / 1e6;

/** What only a full collection frees, in MB. */
function oldMb(): number {
  const old = getHeapSpaceStatistics().filter(({ space_name: name }) => name === 'old_space');
  return old.reduce((sum, space) => sum + space.space_used_size, 0) / 1e6;
}

const claimed = (ordinal: number): ClaimedItem => ({
  ...{ ordinal, status: 'QUEUED', tier: 0, attempt: 0, charged: 0, deaths: 0, startedAt: null },
});

/** The input of an item that weighs what an item with closures, strings and promises does, and more. */
const inputOf = (ordinal: number): ItemInput => ({
  item: { ordinal, metadata: Array.from({ length: INPUT_BYTES / 8 }, () => ordinal) } as unknown as ItemInput['item'],
  contentHash: () => null,
  begin: null,
});

// What is in hand at a collection depends on who is quicker; what is kept is kept each time.
test('items that have ended do not outlive collections of the young generation', { retry: 2 }, async () => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as (kind?: { type: 'minor' }) => void;
  let [claims, settled, before, grown] = [0, 0, 0, 0];
  const store: Partial<LaneStore> = {
    claim: () => {
      claims += 1;
      // What is in hand now comes into the old generation, as at any full collection in a long run.
      if (claims === CLAIMS_PER_COLLECTION) {
        collect();
        before = oldMb();
      } else if (claims % CLAIMS_PER_COLLECTION === 0) collect({ type: 'minor' });
      if (claims >= CLAIMS_PER_COLLECTION) grown = Math.max(grown, oldMb() - before);
      const items = Array.from({ length: claims > CLAIMS ? 0 : FLUSH_MAX }, (_, n) => claimed(claims * FLUSH_MAX + n));
      const answer = { held: true, status: 'RUNNING', closing: false, nextDueAt: null, revision: null } as const;
      return Promise.resolve({ ...answer, items });
    },
    settle: async (_lane, { results }) => {
      settled += results.length;
      await new Promise((resolve) => setImmediate(resolve));
      const isOver = settled === CLAIMS * FLUSH_MAX;
      const answer = { held: true, closing: false, refused: [], revision: null, spent: false };
      return { ...answer, status: isOver ? 'COMPLETED' : 'RUNNING' };
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
    [({ item }) => ({ n: item.ordinal })],
    {
      ...{ limit: pLimit(100), gates: new AgentGates(systemClock), slots: new FairSlots(1_000) },
      ...{ overdue: new OverdueCalls(), logs: new AttemptLogs(engineParts) },
      tuning: { share: 100, retryLimit: 0, priority: 0, isBudgeted: false },
    },
    { changed: () => undefined, waits: () => undefined, broken: (error) => broken.push(error) },
  );
  expect(await lane.run()).toBe('ended');
  expect(broken).toEqual([]);
  expect(settled).toBe(CLAIMS * FLUSH_MAX);
  expect(grown).toBeLessThan(ALL_MB / 2);
});
