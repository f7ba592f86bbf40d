/** Deleting and forking definitions, and datasources of results. Frozen; nothing is imported from `src/`. */
import { type Kysely, sql } from 'kysely';

const STATEMENTS = [
  'alter table batch_definition add column deleted_at timestamptz',
  // An update may go back to what an older version says, and a deleted version gives its content away.
  'alter table batch_definition drop constraint batch_definition_project_id_name_spec_hash_key',
  'create index batch_definition_content on batch_definition (project_id, name, spec_hash)',
  `create table definition_request (
     project_id text not null references project on delete cascade,
     idempotency_key text not null,
     request_hash text not null,
     definition_id text not null references batch_definition on delete cascade,
     created_at timestamptz not null default now(),
     primary key (project_id, idempotency_key)
   )`,
  'alter table datasource drop constraint datasource_kind_check',
  `alter table datasource add constraint datasource_kind_check
     check (kind in ('FOLDER', 'STORED', 'INLINE', 'RESULTS', 'EXECUTION_RESULTS'))`,
  'drop index datasource_name',
  `create unique index datasource_name on datasource (project_id, name)
     where kind not in ('INLINE', 'EXECUTION_RESULTS')`,
  // The usual list: executions make many datasources that are not in it.
  `create index datasource_list_named on datasource (project_id, created_at, id)
     where kind <> 'INLINE' and kind <> 'EXECUTION_RESULTS'`,
  // No foreign key: deleting a datasource would change every execution that ever wrote to it in one statement.
  'alter table batch_execution add column output_datasource_id text',
  `create index batch_execution_output on batch_execution (output_datasource_id, created_at, id)
     where output_datasource_id is not null`,
  'alter table batch_execution add column rerun_of text',
];

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await sql.raw(statement).execute(db);
}
