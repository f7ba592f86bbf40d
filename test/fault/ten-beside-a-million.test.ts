/** An execution of a million items at full speed beside one of ten: the ten do not wait for it. */
import { expect, test } from 'vitest';
import { describeDatabases } from '../support/databases.ts';
import { type Harness, startEngine } from '../support/engine-harness.ts';
import { until } from '../support/until.ts';

const CEILING = 20;
const CALL_MS = 100;
const ROUNDS = 3;

describeDatabases('ten items beside a million', (open) => {
  /** How long ten take, at the best of some times: what else the machine does only adds to it. */
  async function tenTake(harness: Harness): Promise<number> {
    const times: number[] = [];
    for (let round = 0; round < ROUNDS; round += 1) {
      const began = performance.now();
      const id = await harness.create(10, () => new Promise((resolve) => setTimeout(resolve, CALL_MS)));
      expect(await harness.ended(id)).toMatchObject({ status: 'COMPLETED', succeeded: 10 });
      times.push(performance.now() - began);
    }
    return Math.min(...times);
  }

  test('end in about the time they take alone', async () => {
    const db = await open();
    const harness = await startEngine(db, { nodeConcurrency: CEILING });
    try {
      const alone = await tenTake(harness);
      const calls = { made: 0 };
      const id = await harness.create(
        1_000_000,
        async () => {
          calls.made += 1;
          await new Promise((resolve) => setTimeout(resolve, 1));
        },
        { concurrency: 999 },
      );
      await until(async () => (await harness.read(id)).succeeded > 1_000);
      const before = calls.made;
      const beside = await tenTake(harness);
      expect(beside).toBeLessThan(2 * alone);
      // And the million went on.
      expect(calls.made - before).toBeGreaterThan(20);
      expect(await harness.read(id)).toMatchObject({ status: expect.stringMatching('PREPARING|RUNNING') });
    } finally {
      await harness.engine.stop();
    }
  });
});
