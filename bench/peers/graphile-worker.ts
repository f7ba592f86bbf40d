/**
 * graphile-worker with what its page on performance advises: a local queue of 500, completions in batches, 24 jobs at
 * a time.
 *
 * A job keeps no result, so each waits until its own is in the table; jobs that wait together share one insert.
 */
import { Logger } from '@graphile/logger';
import { makeWorkerUtils, run } from 'graphile-worker';
import type pg from 'pg';
import { type Contender, compete } from './contender.ts';
import { chunksOfJobs, createResultTable, echo, insertResults, type Job, type Result } from './job.ts';

const CONCURRENCY = Number(process.env['GRAPHILE_CONCURRENCY'] ?? 24);
const silent = new Logger(() => () => undefined);

async function start(url: string, pool: pg.Pool): Promise<Contender> {
  const utils = await makeWorkerUtils({ connectionString: url, logger: silent });
  await utils.migrate();
  await createResultTable(pool);
  return {
    async load({ first, end }) {
      for (const chunk of chunksOfJobs(first, end, 5_000)) {
        await utils.addJobs(chunk.map((payload) => ({ identifier: 'echo', payload })));
      }
    },
    work: ({ first, end }) => work(url, pool, end - first),
    stop: async () => {
      await utils.release();
    },
  };
}

async function work(url: string, pool: pg.Pool, jobs: number): Promise<void> {
  const record = sharedInserts(pool);
  const allDone = Promise.withResolvers<void>();
  let completed = 0;
  const runner = await run({
    connectionString: url,
    logger: silent,
    noHandleSignals: true,
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
        completeJobBatchDelay: 0,
        failJobBatchDelay: 0,
      },
    },
  });
  runner.events.on('job:complete', () => {
    completed += 1;
    if (completed === jobs) allDone.resolve();
  });
  await allDone.promise;
  // The last completions are committed once the runner has stopped.
  await runner.stop();
}

/** Inserts results that come while another insert is under way together. */
function sharedInserts(pool: pg.Pool): (result: Result) => Promise<void> {
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

await compete(start);
