/** BullMQ on its PostgreSQL back end, 32 jobs at a time; a job keeps its result, so that no table is needed. */
import { createPostgresBackend, runMigrations, withBackend } from 'bullmq';
import type pg from 'pg';
import { type Contender, compete } from './contender.ts';
import { chunksOfJobs, echo, type Job } from './job.ts';

const QUEUE = 'bench';
const CONCURRENCY = 32;
const { Queue, Worker } = withBackend(createPostgresBackend);

async function start(url: string, pool: pg.Pool): Promise<Contender> {
  const client = await pool.connect();
  await runMigrations(client);
  client.release();
  const queue = new Queue<Job>(QUEUE, { connection: url });
  return {
    async load({ first, end }) {
      for (const chunk of chunksOfJobs(first, end, 1_000)) {
        await queue.addBulk(chunk.map((data) => ({ name: 'echo', data })));
      }
    },
    work: ({ first, end }) => work(url, end - first),
    stop: () => queue.close(),
  };
}

async function work(url: string, jobs: number): Promise<void> {
  const allDone = Promise.withResolvers<void>();
  let completed = 0;
  const connection = { connectionString: url, max: CONCURRENCY };
  const worker = new Worker<Job>(QUEUE, async ({ data }) => echo(data), { connection, concurrency: CONCURRENCY });
  worker.on('error', (error) => allDone.reject(error));
  worker.on('completed', () => {
    completed += 1;
    if (completed === jobs) allDone.resolve();
  });
  await allDone.promise;
  await worker.close();
}

await compete(start);
