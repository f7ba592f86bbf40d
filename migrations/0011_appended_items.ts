/**
 * The log of changes says from which ordinal on a change appended items.
 *
 * These are written before the execution is locked, so their own revision may be older than the change's: what was
 * appended after a revision is found by this.
 */
import { type Kysely, sql } from 'kysely';

const STATEMENTS = [
  'alter table execution_change add column appended_from integer',
  `create index execution_change_appends on execution_change (execution_id, revision, appended_from)
    where appended_from is not null`,
];

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await sql.raw(statement).execute(db);
}
