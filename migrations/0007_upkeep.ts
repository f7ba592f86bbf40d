/**
 * Lists, deletion, retention and drafts whose items may be taken out again.
 *
 * Elements lose their foreign key: deleting a datasource would delete all of them in one statement, and its check
 * costs a look-up per element stored. A row of `deletion` takes its place: whoever deletes an execution or a
 * datasource deletes its row at once, and leaves what hangs on it to be swept in chunks.
 */
import { type Kysely, sql } from 'kysely';

const STATEMENTS = [
  `create table deletion (
    id text primary key,
    project_id text not null references project on delete cascade,
    kind text not null check (kind in ('EXECUTION', 'DATASOURCE')),
    deleted_at timestamptz not null default now(),
    swept_at timestamptz
  )`,
  'create index deletion_unswept on deletion (deleted_at) where swept_at is null',
  'create index deletion_swept on deletion (swept_at) where swept_at is not null',
  'alter table data_element drop constraint if exists data_element_datasource_id_fkey',
  'alter table project add column retention_days integer check (retention_days between 1 and 36500)',
  'alter table batch_definition add column implicit boolean not null default false',
  'create index batch_execution_list_status on batch_execution (project_id, status, created_at, id)',
  'create index batch_execution_list_ended on batch_execution (project_id, ended_at, id)',
  'create index batch_execution_input on batch_execution (input_datasource_id)',
  'create index batch_execution_definition on batch_execution (definition_id)',
  'create index batch_execution_metadata on batch_execution using gin ((metadata::jsonb) jsonb_path_ops)',
  'alter table batch_draft add column removed_count integer not null default 0 check (removed_count >= 0)',
  `create table batch_draft_gap (
    execution_id text not null references batch_execution on delete cascade,
    index integer not null,
    primary key (execution_id, index)
  )`,
  // An item of a draft may stand for an element of another datasource, whose content nobody has read yet.
  `alter table data_element
    add column source_datasource_id text,
    add column source_element_id text,
    add constraint data_element_source check ((source_datasource_id is null) = (source_element_id is null)),
    alter column content_hash drop not null`,
  // The last number that a change of the project's executions has; whoever takes the next holds it until it commits.
  `create table project_change (
    project_id text primary key references project on delete cascade,
    change integer not null
  ) with (fillfactor = 50)`,
  // One row for each execution that was ever told of, at its newest change; one that is deleted stays for a while.
  `create table listed_change (
    id text primary key,
    project_id text not null,
    change integer not null,
    revision integer not null,
    open boolean not null,
    deleted boolean not null default false
  ) with (fillfactor = 50)`,
  'create index listed_change_order on listed_change (project_id, change, id)',
  'create index listed_change_open on listed_change (id) where open',
];

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await sql.raw(statement).execute(db);
}
