/** An execution of thousands of items that wants every slot, beside one of ten: the ten do not queue behind it. */
import { expect, test } from 'vitest';
import { describeDatabases } from '../support/databases.ts';
import { startEngine } from '../support/engine-harness.ts';
import { until } from '../support/until.ts';

/** Half of it, without what is kept for whoever has least, is more than ten. */
const CEILING = 24;
/** Calls of the large one that wait for a slot at any moment. */
const WAITING = 975;

describeDatabases('ten items beside thousands', (open) => {
  test('start with the next slots that come free, and the thousands go on', async () => {
    const harness = await startEngine(await open(), { nodeConcurrency: CEILING });
    try {
      let made = 0;
      const large = await harness.create(
        20_000,
        async () => {
          made += 1;
          await new Promise((resolve) => setTimeout(resolve, 1));
        },
        { concurrency: CEILING + WAITING },
      );
      await until(async () => (await harness.read(large)).succeeded > 1_000);
      const starts: number[] = [];
      const small = await harness.create(10, async () => {
        starts.push(made);
        await new Promise((resolve) => setTimeout(resolve, 100));
      });
      expect(await harness.ended(small)).toMatchObject({ status: 'COMPLETED', succeeded: 10 });
      const between = (starts.at(-1) ?? 0) - (starts[0] ?? 0);
      // One of the large one's, at most, for each of theirs, and some for those that had a slot when they came.
      expect(between).toBeLessThan(WAITING / 5);
      const end = made;
      await until(() => made > end);
      expect(await harness.read(large)).toMatchObject({ status: expect.stringMatching('PREPARING|RUNNING') });
    } finally {
      await harness.engine.stop();
    }
  });
});
