import { sql } from 'kysely';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { newId } from '../../src/domain/ids.ts';
import type { ItemFilter } from '../../src/domain/item-filter.ts';
import { appendStoredItems } from '../../src/store/freeze-stored.ts';
import { listItems } from '../../src/store/item-reads.ts';
import { type FreshDatabase, freshPostgres } from '../support/databases.ts';
import { makeExecution, makeProject } from '../support/rows.ts';
import { until } from '../support/until.ts';

/** On PostgreSQL only: the embedded database runs one statement after the other. */
let fresh: FreshDatabase;
beforeAll(async () => {
  fresh = await freshPostgres();
});
afterAll(() => fresh.close());

test('items are among what changed since the revision that was there before them, whatever was flushed meanwhile', async () => {
  const { db } = fresh;
  const { projectId } = await makeProject(db);
  const datasourceId = newId('Datasource');
  await db
    .insertInto('datasource')
    .values({ id: datasourceId, projectId, kind: 'STORED', name: datasourceId })
    .execute();
  await sql`insert into data_element (datasource_id, id, filename, media_type, documents, size_bytes, content_hash)
    select ${datasourceId}, n, n, 'text/plain', '[]', 0, 'hash' from unnest(array['a', 'b', 'c']) n`.execute(db);
  const id = await makeExecution(db, projectId, { status: 'PREPARING' });
  const append = (total: number, cursor: string | null) =>
    appendStoredItems(db, id, { from: { total, cursor }, datasourceId, elementIds: undefined, limit: 1 }, new Date());
  await append(0, null);
  const { freezeCursor } = await db
    .selectFrom('batchExecution')
    .select('freezeCursor')
    .where('id', '=', id)
    .executeTakeFirstOrThrow();

  const seen = 20;
  let appending: ReturnType<typeof append> | undefined;
  await db.transaction().execute(async (tx) => {
    await tx.updateTable('batchExecution').set({ revision: seen }).where('id', '=', id).execute();
    appending = append(1, freezeCursor);
    await until(async () => {
      const { rows } = await sql`select 1 from pg_stat_activity where datname = current_database()
        and wait_event_type = 'Lock' and query like '%appendStoredItems%'`.execute(db);
      return rows.length > 0;
    });
  });
  expect(await appending).toMatchObject({ revision: seen + 1 });
  // So many changes that the changed items are not looked up one by one.
  for (let revision = seen + 2; revision < seen + 20; revision += 1) {
    await db
      .insertInto('executionChange')
      .values({ executionId: id, revision, ordinals: [1] })
      .execute();
  }
  const changed = async (filter: ItemFilter) => {
    const page = { limit: 10, backward: false, after: null };
    const items = await listItems(db, projectId, id, { ...filter, updatedAfterRevision: seen }, page);
    return items.map(({ ordinal }) => ordinal);
  };
  expect(await changed({})).toEqual([1]);
  expect(await changed({ status: ['QUEUED'] })).toEqual([1]);
  expect(await changed({ filename: 'b' })).toEqual([1]);
});
