/**
 * pg-boss through its fetch API: whole batches are fetched and completed by one statement each.
 *
 * Its own `work` takes the same batches with pauses between them. Two loops keep both cores busy; a queue with a
 * table of its own is what its documentation advises for large ones. It takes one output for all jobs of a batch, so
 * the results go into a table, before the batch is completed.
 */
import type pg from 'pg';
import { PgBoss } from 'pg-boss';
import { type Contender, compete } from './contender.ts';
import { chunksOfJobs, createResultTable, echo, insertResults, type Job } from './job.ts';

const QUEUE = 'bench';
const BATCH = Number(process.env['PG_BOSS_BATCH'] ?? 500);
const LOOPS = 2;

async function start(url: string, pool: pg.Pool): Promise<Contender> {
  const boss = new PgBoss({ connectionString: url, supervise: false, schedule: false, max: 4 });
  boss.on('error', (error) => console.error(error));
  await boss.start();
  await boss.createQueue(QUEUE, { partition: true });
  await createResultTable(pool);
  return {
    async load({ first, end }) {
      for (const chunk of chunksOfJobs(first, end, 5_000)) {
        await boss.insert(
          QUEUE,
          chunk.map((data) => ({ data })),
        );
      }
    },
    work: async () => {
      await Promise.all(Array.from({ length: LOOPS }, () => loop(boss, pool)));
    },
    stop: () => boss.stop({ graceful: false }),
  };
}

async function loop(boss: PgBoss, pool: pg.Pool): Promise<void> {
  for (;;) {
    const jobs = await boss.fetch<Job>(QUEUE, { batchSize: BATCH });
    if (jobs.length === 0) return;
    await insertResults(
      pool,
      jobs.map(({ data }) => ({ ordinal: data.ordinal, data: echo(data) })),
    );
    await boss.complete(
      QUEUE,
      jobs.map(({ id }) => id),
    );
  }
}

await compete(start);
