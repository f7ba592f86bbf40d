/** How fast items are created, against the same rows written by a bare INSERT … SELECT. */
import { sql } from 'kysely';
import { openPostgres } from '../../src/store/postgres.ts';
import { until } from '../../test/support/until.ts';
import { createExecution } from '../echo-batch.ts';
import { cancelAndWait } from './cancelling.ts';
import type { Bench } from './service.ts';

const DEADLINE_MS = 600_000;

/** Creates an execution of all elements whose items only wait, so that nothing else is written meanwhile; ms until it is sealed. */
export async function timeCreation({ api, url }: Bench, datasourceId: string): Promise<number> {
  const id = await createExecution(api, { datasourceId, config: { delayMs: 600_000 }, concurrency: 1 });
  const { db, close } = await openPostgres({ url: url ?? '', onIdleError: (error) => console.error(error) });
  const { createdAt, sealedAt } = await until(async () => {
    const query = db.selectFrom('batchExecution').select(['createdAt', 'sealedAt']).where('id', '=', id);
    const { sealedAt: at, ...row } = await query.executeTakeFirstOrThrow();
    return at !== null && { ...row, sealedAt: at };
  }, DEADLINE_MS);
  await close();
  await cancelAndWait(api, id);
  return sealedAt.getTime() - createdAt.getTime();
}

/** How long one statement takes to write the same rows, in ms: an item's input is all there is of it. They are taken back. */
export async function timeBareInsert(url: string, datasourceId: string): Promise<number> {
  const { db, close } = await openPostgres({ url, onIdleError: (error) => console.error(error) });
  const id = 'exec_000000000000000000000';
  const started = performance.now();
  await sql`insert into batch_item_input (execution_id, ordinal, element_id, filename, media_type, metadata, document_names,
      content_hash)
    select ${id}, (row_number() over (order by position) - 1)::int, id, filename, media_type, metadata, document_names,
      content_hash
    from data_element where datasource_id = ${datasourceId}`.execute(db);
  const elapsed = performance.now() - started;
  await sql`delete from batch_item_input where execution_id = ${id}`.execute(db);
  await sql`vacuum analyze batch_item_input`.execute(db);
  await close();
  return elapsed;
}
