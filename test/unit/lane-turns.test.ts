/** Calls that end at once leave the event loop to others in between, answers for the same lane among them. */
import { expect, test } from 'vitest';
import type { ItemInput } from '../../src/engine/ports.ts';
import { FLUSH_MAX } from '../../src/engine/recorder.ts';
import { CALLS_A_TURN, NEXT_CALLS_A_TURN } from '../../src/engine/turns.ts';
import { runQuickLane } from '../support/quick-lane.ts';

test('no turn has more calls than it may, however many items wait', async () => {
  const turns = [0];
  let timer = setImmediate(function next() {
    turns.push(0);
    timer = setImmediate(next);
  });
  const inputOf = (ordinal: number) => ({ item: { ordinal }, contentHash: () => null, begin: null }) as ItemInput;
  const agent = () => {
    turns.push((turns.pop() ?? 0) + 1);
    return null;
  };
  const { settled } = await runQuickLane({ claims: 4, agent, inputOf });
  clearImmediate(timer);
  expect(settled).toBe(4 * FLUSH_MAX);
  expect(turns.reduce((sum, calls) => sum + calls)).toBe(4 * FLUSH_MAX);
  // Those of a new slot come on top.
  expect(Math.max(...turns)).toBeLessThanOrEqual(2 * NEXT_CALLS_A_TURN + CALLS_A_TURN);
});
