/** Agents that never yield, in every thread that there is, beside someone who watches another execution. */
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { Worker } from 'node:worker_threads';
import { describe, expect, test } from 'vitest';
import { temporaryFolder } from '../support/data-folder.ts';
import { dig, socketClient } from '../support/server.ts';
import { until } from '../support/until.ts';
import { startWholeApp, type WholeApp } from '../support/whole-app.ts';

const THREADS = 2;
const ROUNDS = 3;
const MOST_ROUNDS = 12;
/** So that loops end, and others begin in new threads, while events come. */
const LOOP_MS = 1_000;
/** What the loops may add to what as many threads take that only compute. */
const MORE_MS = 50;
const AGENTS = {
  'loops.mjs': `import { appendFileSync } from 'node:fs';
    export default ({ config }) => { appendFileSync(config.begun, '.'); for (;;); };`,
  'steps.mjs': `import { setTimeout as delay } from 'node:timers/promises';
    export default { threaded: false, run: () => delay(20) };`,
};

async function create(app: WholeApp, spec: object, items: number): Promise<string> {
  const input = { items: Array.from({ length: items }, (_, n) => ({ filename: `${n}.txt`, text: 'x' })) };
  const source = { spec: { name: 'beside', input, ...spec } };
  return String(
    dig(await app.mutate('createBatchExecution', 'batchExecution { id }', { source }), 'batchExecution', 'id'),
  );
}

/** How long after the end of its newest item the latest of all events of an execution came, in ms. */
async function latestEvent(app: WholeApp): Promise<number> {
  const id = await create(app, { agent: 'steps', execution: { concurrency: 1 } }, 40);
  const { client } = socketClient(app, { authorization: `Bearer ${app.key}` });
  const query = `subscription { batchExecutionUpdated(id: "${id}") { changedItems { endedAt } } }`;
  const delays: number[] = [];
  await new Promise<void>((resolve, reject) => {
    client.subscribe(
      { query },
      {
        next: ({ data }) => {
          const changed = dig(data, 'batchExecutionUpdated', 'changedItems') as { endedAt: string | null }[];
          const ends = changed.flatMap(({ endedAt }) => (endedAt === null ? [] : [Date.parse(endedAt)]));
          if (ends.length > 0) delays.push(Date.now() - Math.max(...ends));
        },
        error: reject,
        complete: resolve,
      },
    );
  });
  await client.dispose();
  expect(delays.length).toBeGreaterThan(5);
  return Math.max(...delays);
}

/** The least of some rounds, of more where none is below `enough`: what else the machine does only adds to it. */
async function leastOf(round: () => Promise<number>, enough = Number.POSITIVE_INFINITY): Promise<number> {
  let least = Number.POSITIVE_INFINITY;
  for (let n = 0; n < ROUNDS || (least >= enough && n < MOST_ROUNDS); n += 1) least = Math.min(least, await round());
  return least;
}

/** Does something beside as many threads as loop later: how a machine shares its cores is not the service's doing. */
async function besideThreads<T>(act: () => Promise<T>): Promise<T> {
  const threads = Array.from({ length: THREADS }, () => new Worker('for (;;);', { eval: true }));
  try {
    return await act();
  } finally {
    await Promise.all(threads.map((thread) => thread.terminate()));
  }
}

describe.each(['embedded', 'postgres'] as const)('agents that loop in every thread (%s)', (kind) => {
  test(`delay no event of a subscription by more than ${MORE_MS} ms`, { timeout: 240_000 }, async () => {
    const app = await startWholeApp(kind, AGENTS, { BATCHYARD_AGENT_THREADS: String(THREADS) });
    try {
      const beside = await besideThreads(() => leastOf(() => latestEvent(app)));
      const begun = path.join(temporaryFolder(), 'begun');
      const execution = { concurrency: THREADS, itemTimeoutMs: LOOP_MS };
      await create(app, { agent: 'loops', config: { begun }, execution }, 200);
      await until(() => existsSync(begun) && readFileSync(begun).length >= THREADS);
      expect(await leastOf(() => latestEvent(app), beside + MORE_MS)).toBeLessThan(beside + MORE_MS);
      // Meanwhile loops were ended, and others began in new threads.
      expect(readFileSync(begun).length).toBeGreaterThan(THREADS);
    } finally {
      await app.stop();
    }
  });
});
