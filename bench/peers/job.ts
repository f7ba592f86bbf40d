/** The work that every contender does, and the table in which those that keep no results put them. */
import type { Pool } from 'pg';

/** What a job carries: what Batchyard's agent `echo` is told of an item. */
export interface Job {
  readonly ordinal: number;
  readonly dataElementId: string;
  readonly filename: string;
}

/** The jobs from place `first` up to `end`, without all of them in memory at once. */
export function* chunksOfJobs(first: number, end: number, size: number): Generator<Job[]> {
  for (let from = first; from < end; from += size) {
    yield Array.from({ length: Math.min(size, end - from) }, (_, offset) => jobOf(from + offset));
  }
}

/** The job at this place. */
export const jobOf = (ordinal: number): Job => ({
  ordinal,
  dataElementId: `element-${ordinal}`,
  filename: `element-${ordinal}.txt`,
});

/** What the work comes to: the same result that `echo` gives. */
export const echo = ({ dataElementId, filename }: Job) => ({
  ...{ dataElementId, filename, mediaType: 'text/plain' },
  ...{ metadata: null, previous: null, userMessage: null },
});

/** A result with its place. */
export interface Result {
  readonly ordinal: number;
  readonly data: ReturnType<typeof echo>;
}

/** Makes the table `job_result`. */
export async function createResultTable(pool: Pool): Promise<void> {
  await pool.query(`create table job_result (
    ordinal integer primary key, data json not null, at timestamptz not null default now())`);
}

/** Stores results in one statement, each once however often it comes. */
export async function insertResults(pool: Pool, results: readonly Result[]): Promise<void> {
  await pool.query({
    name: 'insert-results',
    text: `insert into job_result (ordinal, data)
      select * from rows from (unnest($1::int[]), json_array_elements($2::json)) on conflict do nothing`,
    values: [results.map(({ ordinal }) => ordinal), JSON.stringify(results.map(({ data }) => data))],
  });
}
