/** How long a commit takes to reach a subscriber. */
import { sql } from 'kysely';
import type { ApiClient } from '../../src/cli/api-client.ts';
import { openPostgres } from '../../src/store/postgres.ts';
import { type Batch, createExecution, watchExecution } from '../echo-batch.ts';

/**
 * Runs a batch and compares, for each event, its arrival with the commit of the newest revision in it; ms each.
 *
 * The commit's instant is the server's own (`track_commit_timestamp`), taken before it waits for the disk. A
 * revision that changed no item has no row that would tell, and is left out.
 */
export async function measureLatencies(api: ApiClient, url: string, batch: Batch): Promise<number[]> {
  const arrivals: { revision: number; at: number }[] = [];
  const id = await createExecution(api, batch);
  await watchExecution(api, id, ({ revision }) => {
    arrivals.push({ revision, at: performance.timeOrigin + performance.now() });
    return false;
  });
  const { db, close } = await openPostgres({ url, onIdleError: (error) => console.error(error) });
  const { rows } = await sql<{ revision: number; at: number }>`
    select revision, (extract(epoch from pg_xact_commit_timestamp(xmin)) * 1000)::float8 as at
    from execution_change where execution_id = ${id}`.execute(db);
  await close();
  const commits = new Map(rows.map(({ revision, at }) => [revision, at]));
  // The first event is the state at the time of subscribing, whenever that was committed.
  return arrivals.slice(1).flatMap(({ revision, at }) => {
    const committed = commits.get(revision);
    return committed === undefined ? [] : [at - committed];
  });
}
