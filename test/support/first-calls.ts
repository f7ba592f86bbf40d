/** Flushes of items that succeed at their first call, as lanes write them. */
import type { Settlement } from '../../src/engine/ports.ts';

const STARTED = new Date(1_000);

/** These items of an execution with one tier, in its first round, each with a result that names it. */
export function firstCalls(ordinals: readonly number[], at = new Date(1_250)): Settlement {
  const first = { tier: 0, attempt: 1, startedAt: STARTED };
  return {
    round: 0,
    tiers: 1,
    moves: ordinals.map((ordinal) => ({
      ...{ ordinal, ...first, was: 'QUEUED' as const, wasTier: 0, to: 'SUCCEEDED' as const, charged: 0, deaths: 0 },
      ...{ runAfter: null, endedAt: at, error: null, flawed: false },
    })),
    results: ordinals.map((ordinal) => ({
      ...{ ordinal, ...first, data: `{"of":${ordinal}}`, fieldErrors: null, artifacts: null, contentHash: null },
      ...{ at, score: null, usage: null },
    })),
    failures: [],
  };
}
