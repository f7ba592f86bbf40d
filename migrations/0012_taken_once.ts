/**
 * Executions that were being prepared while the schema changed take no element twice either.
 *
 * `0010` could only give them the last place of that moment as the bound. An element that was removed and added again
 * since its item was frozen is before it; such a one came after the execution, as did all behind it.
 */
import { type Kysely, sql } from 'kysely';

const BOUND = `
update batch_execution x set freeze_until = again.first - 1
from (
  select p.id, min(e.position) as first
  from batch_execution p join datasource d on d.id = p.input_datasource_id
    join batch_item_input n on n.execution_id = p.id
    join data_element e on e.datasource_id = d.id and e.id = n.element_id
  where p.status = 'PREPARING'
    and e.position > case when d.kind in ('STORED', 'INLINE') then p.freeze_cursor::bigint end
  group by p.id
) again
where x.id = again.id`;

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql.raw(BOUND).execute(db);
}
