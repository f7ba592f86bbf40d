/**
 * graphile-worker with what its page on performance advises: a local queue of 500, completions in batches, 24 jobs at
 * a time.
 *
 * A job keeps no result, so each waits until its own is in the table; jobs that wait together share one insert.
 */

import { Logger } from '@graphile/logger';
import { makeWorkerUtils, type Runner, run, type WorkerUtils } from 'graphile-worker';
import { type Contest, compete } from './contender.ts';
import { chunksOfJobs, createResultTable, echo, insertResults, type Job, type Result } from './job.ts';

const CONCURRENCY = Number(process.env['GRAPHILE_CONCURRENCY'] ?? 24);
const BATCH_DELAY_MS = Number(process.env['GRAPHILE_DELAY'] ?? 0);
const silent = new Logger(() => () => undefined);
let utils: WorkerUtils | undefined;
let runner: Runner | undefined;

async function load({ url, items, pool }: Contest): Promise<void> {
  utils = await makeWorkerUtils({ connectionString: url, logger: silent });
  await utils.migrate();
  await createResultTable(pool);
  for (const chunk of chunksOfJobs(items, 5_000)) {
    await utils.addJobs(chunk.map((payload) => ({ identifier: 'echo', payload })));
  }
}

async function work({ url, items, pool }: Contest): Promise<void> {
  const record = sharedInserts(pool);
  const allDone = Promise.withResolvers<void>();
  let completed = 0;
  runner = await run({
    connectionString: url,
    logger: silent,
    taskList: {
      echo: async (payload) => {
        const job = payload as Job;
        await record({ ordinal: job.ordinal, data: echo(job) });
      },
    },
    preset: {
      worker: {
        concurrentJobs: CONCURRENCY,
        maxPoolSize: 10,
        localQueue: { size: 500 },
        completeJobBatchDelay: BATCH_DELAY_MS,
        failJobBatchDelay: 0,
      },
    },
  });
  runner.events.on('job:complete', () => {
    completed += 1;
    if (completed === items) allDone.resolve();
  });
  await allDone.promise;
  // The last batch of completions is committed when the queue is empty.
  for (;;) {
    const { rows } = await pool.query<{ left: number }>(
      'select count(*)::int as left from graphile_worker._private_jobs',
    );
    if (rows[0]?.left === 0) return;
  }
}

/** Inserts results that come while another insert is under way together. */
function sharedInserts(pool: Contest['pool']): (result: Result) => Promise<void> {
  let gathering: { results: Result[]; stored: Promise<void> } | null = null;
  let last: Promise<void> = Promise.resolve();
  return (result) => {
    if (gathering === null) {
      const results: Result[] = [];
      last = last.then(async () => {
        gathering = null;
        await insertResults(pool, results);
      });
      gathering = { results, stored: last };
    }
    gathering.results.push(result);
    return gathering.stored;
  };
}

await compete({
  load,
  work,
  stop: async () => {
    await runner?.stop();
    await utils?.release();
  },
});
