/**
 * The limit: a row for each item and one for its result, written in batches with nothing around them.
 *
 * Guarded updates of `batch_item` and inserts into `item_result`, one statement a batch, as the service writes items
 * that have rows of their own: no queue, no claim, no counts, no change log, no revision, no one who watches. The items
 * are there before the clock runs.
 */
import { chunksOfJobs, echo, type Job } from '../peers/job.ts';

/** Runs a statement; `text` is always the same for the same work, so that it can be prepared. */
export type Query = (text: string, values: readonly unknown[]) => Promise<unknown>;

const EXECUTION = 'exec_000000000000000000000';

const SETTLE = `with moved as (
  update batch_item i set status = 'SUCCEEDED', attempt = 1, started_at = now(), ended_at = now(), revision = 2
  from unnest($2::int[]) as u(ordinal)
  where i.execution_id = $1 and i.ordinal = u.ordinal and i.status = 'QUEUED' and abs(u.ordinal) = u.ordinal
  returning i.ordinal
)
insert into item_result (execution_id, ordinal, tier, round, attempt, data)
select $1, r.ordinal, 0, 0, 1, r.data from rows from (unnest($2::int[]), json_array_elements($3::json)) as r(ordinal, data)
where r.ordinal = any(array(select ordinal from moved))`;

/** Which batches on how many connections; the fastest of them is the limit. */
export const RAW_WAYS = [1, 2, 4].flatMap((connections) => [500, 2_000].map((batch) => ({ connections, batch })));

/** Empties the tables and puts `total` open items there. */
export async function loadRaw(query: Query, total: number): Promise<void> {
  await query('truncate batch_item, item_result', []);
  await query(
    `insert into batch_item (execution_id, ordinal, status, revision)
     select $1, n, 'QUEUED', 1 from generate_series(0, $2::int - 1) n`,
    [EXECUTION, total],
  );
  await query('analyze batch_item', []);
}

/** Settles every item; the connections take batches in turn. */
export async function runRaw(connections: readonly Query[], total: number, batch: number): Promise<void> {
  const chunks = chunksOfJobs(0, total, batch);
  await Promise.all(
    connections.map(async (query) => {
      for (const jobs of chunks) await query(SETTLE, settlement(jobs));
    }),
  );
}

const settlement = (jobs: readonly Job[]): unknown[] => [
  EXECUTION,
  `{${jobs.map(({ ordinal }) => ordinal).join(',')}}`,
  JSON.stringify(jobs.map(echo)),
];
