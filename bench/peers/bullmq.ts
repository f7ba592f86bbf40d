/** BullMQ on its PostgreSQL back end; a job keeps its result, so that no table is needed. */
import { createPostgresBackend, runMigrations, withBackend } from 'bullmq';
import { type Contest, compete } from './contender.ts';
import { chunksOfJobs, echo, type Job } from './job.ts';

const QUEUE = 'bench';
const CONCURRENCY = Number(process.env['BULLMQ_CONCURRENCY'] ?? 32);
const { Queue, Worker } = withBackend(createPostgresBackend);
const stops: (() => Promise<void>)[] = [];

async function load({ url, items, pool }: Contest): Promise<void> {
  const client = await pool.connect();
  await runMigrations(client);
  client.release();
  const queue = new Queue<Job>(QUEUE, { connection: url });
  stops.push(() => queue.close());
  for (const chunk of chunksOfJobs(items, 1_000)) {
    await queue.addBulk(chunk.map((data) => ({ name: 'echo', data })));
  }
}

async function work({ url, items }: Contest): Promise<void> {
  const allDone = Promise.withResolvers<void>();
  let completed = 0;
  const connection = { connectionString: url, max: CONCURRENCY };
  const worker = new Worker<Job>(QUEUE, async ({ data }) => echo(data), { connection, concurrency: CONCURRENCY });
  stops.push(() => worker.close(true));
  worker.on('error', (error) => allDone.reject(error));
  worker.on('completed', () => {
    completed += 1;
    if (completed === items) allDone.resolve();
  });
  await allDone.promise;
}

await compete({
  load,
  work,
  stop: async () => {
    for (const stop of stops.toReversed()) await stop();
  },
});
