/** A lane that runs many items holds on to none that has ended: nothing of them is left for full collections. */
import { getHeapSpaceStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, test } from 'vitest';
import type { ItemInput } from '../../src/engine/ports.ts';
import { FLUSH_MAX } from '../../src/engine/recorder.ts';
import { runQuickLane } from '../support/quick-lane.ts';

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
  let [before, grown] = [0, 0];
  const claimed = (claim: number): void => {
    // What is in hand now comes into the old generation, as at any full collection in a long run.
    if (claim === CLAIMS_PER_COLLECTION) {
      collect();
      before = oldMb();
    } else if (claim % CLAIMS_PER_COLLECTION === 0) collect({ type: 'minor' });
    if (claim >= CLAIMS_PER_COLLECTION) grown = Math.max(grown, oldMb() - before);
  };
  const agent = ({ item }: { item: { ordinal: number } }) => ({ n: item.ordinal });
  const { end, settled, broken } = await runQuickLane({ claims: CLAIMS, agent, inputOf, claimed });
  expect(end).toBe('ended');
  expect(broken).toEqual([]);
  expect(settled).toBe(CLAIMS * FLUSH_MAX);
  expect(grown).toBeLessThan(ALL_MB / 2);
});
