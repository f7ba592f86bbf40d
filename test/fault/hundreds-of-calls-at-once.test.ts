/** Hundreds of calls that start or stop together: the event loop turns meanwhile, so that sockets are served. */
import { expect, test } from 'vitest';
import { CALLS_A_TURN } from '../../src/engine/turns.ts';
import { cancelBatchExecution } from '../../src/services/cancel-batch-execution.ts';
import { describeDatabases } from '../support/databases.ts';
import { startEngine } from '../support/engine-harness.ts';
import { stopAll } from '../support/nothing-left.ts';
import { until } from '../support/until.ts';

const CALLS = 999;

/** Counts what happens in each turn of the event loop. */
function turnCounter() {
  let turn = 0;
  let timer = setImmediate(next);
  function next() {
    turn += 1;
    timer = setImmediate(next);
  }
  const happened: Record<'starts' | 'aborts', number[]> = { starts: [], aborts: [] };
  return {
    note: (what: keyof typeof happened) => void happened[what].push(turn),
    count: (what: keyof typeof happened) => happened[what].length,
    mostInATurn: (what: keyof typeof happened) =>
      Math.max(
        ...Map.groupBy(happened[what], (at) => at)
          .values()
          .map((list) => list.length),
      ),
    stop: () => clearImmediate(timer),
  };
}

describeDatabases('hundreds of calls', (open) => {
  test('start and are told to stop over many turns of the event loop', async () => {
    const db = await open();
    const harness = await startEngine(db, { cancelGraceMs: 20_000 });
    const turns = turnCounter();
    try {
      const agent = ({ signal }: { signal: AbortSignal }): Promise<never> =>
        new Promise((_, reject) => {
          turns.note('starts');
          signal.addEventListener('abort', () => {
            turns.note('aborts');
            // As long as one takes to stop that has something to do for it.
            for (const end = performance.now() + 0.1; performance.now() < end; );
            reject(signal.reason);
          });
        });
      const id = await harness.create(CALLS, agent, { concurrency: CALLS });
      await until(() => turns.count('starts') === CALLS, 60_000);
      await cancelBatchExecution(harness.deps, harness.actor, { batchExecutionId: id });
      expect(await harness.ended(id)).toMatchObject({ status: 'CANCELLED', cancelled: CALLS });
      expect(turns.count('aborts')).toBe(CALLS);
      // A turn of the engine may begin in one of the counter's and end in the next.
      expect(turns.mostInATurn('starts')).toBeLessThanOrEqual(2 * CALLS_A_TURN);
      expect(turns.mostInATurn('aborts')).toBeLessThanOrEqual(2 * CALLS_A_TURN);
    } finally {
      turns.stop();
      await stopAll(db, [harness]);
    }
  });
});
