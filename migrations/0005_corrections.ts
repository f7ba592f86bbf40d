/**
 * Corrections of results, and calls that keep their slots. Frozen; nothing is imported from `src/`.
 *
 * A correction names the result that it corrects, so that the result of a later round is not covered by it. What a
 * node holds is written with the lane's epoch: a later holder's lane does not inherit it.
 */
import { type Kysely, sql } from 'kysely';

const STATEMENTS = [
  `create table item_correction (
     execution_id text not null,
     ordinal integer not null,
     number integer not null check (number >= 1),
     tier integer not null,
     round integer not null,
     data json not null,
     patches json,
     notes text,
     created_at timestamptz not null default now(),
     created_by text,
     primary key (execution_id, ordinal, number)
   )`,
  `alter table execution_lane
     add column overdue_calls integer not null default 0 check (overdue_calls >= 0),
     add column overdue_since timestamptz,
     add column overdue_epoch integer,
     add column takeovers integer not null default 0 check (takeovers >= 0),
     add column taken_over_at timestamptz`,
];

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await sql.raw(statement).execute(db);
}
