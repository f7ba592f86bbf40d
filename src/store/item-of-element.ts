/** Finding the item that an execution made from an element. */
import { sql } from 'kysely';
import type { Item } from '../domain/model.ts';
import type { Db } from './database.ts';
import { inputAt, inputsBetween } from './item-inputs.ts';
import { findItems } from './item-rows.ts';
import { named } from './statement-name.ts';

/**
 * The item made from an element of the execution's datasource; undefined when it has none.
 *
 * There is no index for it: it would cost freezing half as much again. Items of stored elements are in the order of
 * their places, so there it is searched for by halves; all inputs are looked through only for folders and results, and
 * where elements have gone since.
 */
export async function findItemOfElement(
  db: Db,
  projectId: string,
  executionId: string,
  elementId: string,
): Promise<Item | undefined> {
  const ordinal = await searchByPlace(db, executionId, elementId);
  const [item] = ordinal === null ? [] : await findItems(db, projectId, [{ executionId, ordinal }]);
  if (item?.elementId === elementId) return item;
  const found = await named(db, 'findItemOfElement')
    .selectFrom('batchExecution as x')
    .innerJoinLateral(inputsBetween(sql.ref('x.id'), 0, sql.ref('x.total')).as('n'), (join) => join.onTrue())
    .select(['n.executionId', 'n.ordinal'])
    .where('x.id', '=', executionId)
    .where('x.projectId', '=', projectId)
    .where('n.elementId', '=', elementId)
    .executeTakeFirst();
  return found === undefined ? undefined : (await findItems(db, projectId, [found]))[0];
}

/** Where the item must be if all elements that were looked at on the way are still there; null: nothing says where. */
async function searchByPlace(db: Db, executionId: string, elementId: string): Promise<number | null> {
  // Raw: a recursion. An element that is gone has no place, and the search goes wrong from there.
  const { rows } = await sql<{ ordinal: number }>`/* searchByPlace */
with recursive x as materialized (
  select x.id, x.input_datasource_id as datasource_id, x.total, e.position
  from batch_execution x join data_element e on e.datasource_id = x.input_datasource_id and e.id = ${elementId}
  where x.id = ${executionId}
), search(low, high) as (
  select 0, total - 1 from x
  union all
  select case when seen.position < x.position then middle + 1 else low end,
    case when seen.position < x.position then high else middle end
  from search cross join x cross join lateral (select (low + high) / 2 as middle) m
  left join lateral (
    select e.position from ${inputAt(sql`x.id`, sql`m.middle`)} n
    join data_element e on e.datasource_id = x.datasource_id and e.id = n.element_id
  ) seen on true
  where low < high
)
select low as ordinal from search where low = high limit 1`.execute(db);
  return rows[0]?.ordinal ?? null;
}
