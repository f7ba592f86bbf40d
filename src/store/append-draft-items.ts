/** The quick way into a draft: a stretch of items that are all new, in one statement. */
import { sql } from 'kysely';
import { executionMoveFrom } from '../domain/states.ts';
import type { Db } from './database.ts';
import { draftRows, ELEMENT_COLUMNS, type IndexedElement } from './draft-rows.ts';

/**
 * Stores items whose indexes follow each other without a gap, and notes that the draft has grown; the execution's
 * new revision. null, and nothing is done, where the project has no such draft or items were taken out of it.
 *
 * Fails with an error that `isTaken` knows when an index or an id is there already. Raw: six round trips of a
 * transaction would each wait for this process to have read some more lines of the stream.
 */
export async function appendDraftItems(
  db: Db,
  projectId: string,
  executionId: string,
  items: readonly IndexedElement[],
  now: Date,
): Promise<number | null> {
  const [first = 0, end] = [items[0]?.index, (items[0]?.index ?? 0) + items.length];
  const { values, relation } = draftRows(items, sql`e.datasource_id`, now);
  const { rows } = await sql<{ revision: number }>`/* appendDraftItems */
with e as materialized (
  select x.id, x.input_datasource_id as datasource_id, d.next_index
  from batch_execution x join batch_draft d on d.execution_id = x.id
  where x.id = ${executionId} and x.project_id = ${projectId} and d.removed_count = 0
    and x.status = any(${executionMoveFrom('submit')}::text[])
  for no key update of x, d
), stored as (
  insert into data_element (${ELEMENT_COLUMNS})
  overriding system value
  select ${values} from e, ${relation}
), grown as (
  update batch_draft d set item_count = d.item_count + ${items.length}::int,
    next_index = case when d.next_index between ${first}::int and ${end}::int then ${end}::int else d.next_index end
  from e where d.execution_id = e.id
)
update batch_execution x set last_activity_at = ${now}::timestamptz, revision = x.revision + 1
from e where x.id = e.id
returning x.revision`.execute(db);
  return rows[0]?.revision ?? null;
}
