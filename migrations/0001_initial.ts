/**
 * The first schema. Frozen: a later change is a later file, and nothing is imported from `src/`.
 *
 * Hot tables (`batch_item`, `item_result`, …) have no foreign keys: each would cost a look-up per row of every
 * flush; their executions are never deleted row by row. `batch_item` has no index on `status` or `revision`, so
 * that the usual settle changes no indexed column and stays a heap-only update; the two partial indexes are
 * predicated on columns that only failing items change.
 */
import { type Kysely, sql } from 'kysely';

const TENANCY = `
create table customer (
  id text primary key,
  slug text not null unique check (slug ~ '^[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?$'),
  name text not null,
  created_at timestamptz not null default now()
);

create table project (
  id text primary key,
  customer_id text not null references customer on delete cascade,
  slug text not null check (slug ~ '^[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?$'),
  name text not null,
  created_at timestamptz not null default now(),
  unique (customer_id, slug)
);

create table api_key (
  id text primary key,
  customer_id text not null references customer on delete cascade,
  project_id text not null references project on delete cascade,
  role text not null check (role in ('READER', 'MEMBER', 'ADMIN', 'OPERATOR')),
  name text not null,
  prefix text not null,
  hash text not null unique,
  created_at timestamptz not null default now(),
  expires_at timestamptz,
  revoked_at timestamptz,
  last_used_at timestamptz
);
create index api_key_customer on api_key (customer_id, created_at, id);
`;

const INPUTS = `
create table datasource (
  id text primary key,
  project_id text not null references project on delete cascade,
  kind text not null check (kind in ('FOLDER', 'STORED', 'INLINE')),
  name text not null,
  description text,
  folder_path text,
  folder_glob text,
  content_hash text,
  created_at timestamptz not null default now(),
  check ((kind = 'FOLDER') = (folder_path is not null and folder_glob is not null)),
  check (kind = 'INLINE' or content_hash is null)
);
create unique index datasource_name on datasource (project_id, name) where kind <> 'INLINE';
create unique index datasource_inline on datasource (project_id, content_hash) where kind = 'INLINE';
create index datasource_list on datasource (project_id, created_at, id);

create table data_element (
  datasource_id text not null references datasource on delete cascade,
  id text not null,
  position bigint generated always as identity,
  filename text not null,
  media_type text not null,
  metadata json,
  documents json not null,
  document_names json,
  size_bytes integer not null check (size_bytes >= 0),
  content_hash text not null,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  primary key (datasource_id, id)
);
create unique index data_element_position on data_element (datasource_id, position);

create table agent (
  id text primary key,
  project_id text references project on delete cascade,
  name text not null,
  kind text not null check (kind in ('BUILT_IN', 'MODULE')),
  created_at timestamptz not null default now(),
  unique nulls not distinct (project_id, name)
);

create table agent_version (
  id text primary key,
  agent_id text not null references agent on delete cascade,
  version integer not null check (version >= 1),
  content_hash text not null,
  source text,
  config_schema json,
  description text,
  created_at timestamptz not null default now(),
  unique (agent_id, version),
  unique (agent_id, content_hash)
);

create table batch_definition (
  id text primary key,
  project_id text not null references project on delete cascade,
  name text not null,
  version integer not null check (version >= 1),
  parent_id text references batch_definition,
  urn text not null unique,
  description text,
  spec json not null,
  spec_hash text not null,
  created_at timestamptz not null default now(),
  created_by text,
  unique (project_id, name, version),
  unique (project_id, name, spec_hash)
);
create index batch_definition_list on batch_definition (project_id, created_at, id);
`;

const EXECUTIONS = `
create table batch_execution (
  id text primary key,
  project_id text not null references project on delete cascade,
  definition_id text not null references batch_definition,
  name text not null,
  metadata json,
  input_overrides json,
  spec json not null,
  input_datasource_id text not null references datasource,
  idempotency_key text,
  request_hash text,
  created_by text,
  status text not null check (status in ('DRAFT', 'PREPARING', 'QUEUED', 'RUNNING', 'PAUSED', 'CANCELLING',
    'COMPLETED', 'COMPLETED_WITH_ERRORS', 'FAILED', 'CANCELLED', 'EXPIRED')),
  revision integer not null default 1,
  round integer not null default 0 check (round >= 0),
  concurrency integer not null check (concurrency between 1 and 999),
  retry_limit integer not null check (retry_limit between 0 and 999),
  total integer not null default 0,
  queued integer not null default 0 check (queued >= 0),
  running integer not null default 0 check (running >= 0),
  retrying integer not null default 0 check (retrying >= 0),
  succeeded integer not null default 0 check (succeeded >= 0),
  failed integer not null default 0 check (failed >= 0),
  cancelled integer not null default 0 check (cancelled >= 0),
  expired integer not null default 0 check (expired >= 0),
  flawed integer not null default 0 check (flawed >= 0 and flawed <= succeeded),
  pool_cursor integer not null default 0,
  freeze_cursor text,
  sealed_at timestamptz,
  retry_cursor integer,
  deadline_at timestamptz,
  priority integer not null default 0 check (priority between -10 and 10),
  tolerated_failures integer check (tolerated_failures >= 0),
  tolerated_failure_percent double precision check (tolerated_failure_percent between 0 and 100),
  sample_size integer check (sample_size >= 1),
  pause_reason text check (pause_reason in ('USER', 'SAMPLE', 'AGENT_STORM')),
  stop_reason text,
  wait_reason text,
  wait_until timestamptz,
  round_opened_at timestamptz not null default now(),
  round_closed_base integer not null default 0,
  last_activity_at timestamptz not null default now(),
  created_at timestamptz not null default now(),
  started_at timestamptz,
  ended_at timestamptz,
  cancel_requested_at timestamptz,
  cancel_mode text check (cancel_mode in ('ABORT', 'DRAIN')),
  cancel_reason text,
  error text,
  unique (project_id, idempotency_key),
  constraint batch_execution_counts_add_up
    check (total = queued + running + retrying + succeeded + failed + cancelled + expired),
  constraint batch_execution_ended
    check ((ended_at is not null) =
      (status in ('COMPLETED', 'COMPLETED_WITH_ERRORS', 'FAILED', 'CANCELLED', 'EXPIRED'))),
  constraint batch_execution_paused check ((status = 'PAUSED') = (pause_reason is not null)),
  constraint batch_execution_ended_closed
    check (ended_at is null or queued + running + retrying = 0),
  constraint batch_execution_sealed
    check (sealed_at is not null or retry_cursor is not null
      or status in ('DRAFT', 'PREPARING', 'CANCELLING', 'EXPIRED', 'FAILED'))
) with (fillfactor = 50);
create index batch_execution_list on batch_execution (project_id, created_at, id);
create index batch_execution_list_started on batch_execution (project_id, started_at, id);
create index batch_execution_open on batch_execution (created_at) where ended_at is null;

create table batch_draft (
  execution_id text primary key references batch_execution on delete cascade,
  item_count integer not null default 0,
  next_index integer not null default 0,
  check (next_index between 0 and item_count)
);

create table execution_round (
  execution_id text not null references batch_execution on delete cascade,
  round integer not null,
  opened_at timestamptz not null default now(),
  agent_version_ids text[] not null,
  selection json,
  primary key (execution_id, round)
);

create table execution_lane (
  execution_id text not null references batch_execution on delete cascade,
  no integer not null,
  share integer not null check (share >= 1),
  epoch integer not null default 0,
  owner text,
  claim integer[] not null default '{}',
  suspects boolean not null default false,
  primary key (execution_id, no)
) with (fillfactor = 50);

create table execution_change (
  execution_id text not null,
  revision integer not null,
  ordinals integer[] not null,
  primary key (execution_id, revision)
);
`;

const ITEMS = `
create table batch_item (
  execution_id text not null,
  ordinal integer not null check (ordinal >= 0),
  status text not null check (status in ('QUEUED', 'RUNNING', 'RETRYING', 'SUCCEEDED', 'FAILED', 'CANCELLED', 'EXPIRED')),
  tier integer not null default 0,
  attempt integer not null default 0,
  charged integer not null default 0,
  retry_count integer not null default 0,
  deaths integer not null default 0,
  run_after timestamptz,
  revision integer not null,
  started_at timestamptz,
  ended_at timestamptz,
  error_category text check (error_category in ('TIMEOUT', 'NETWORK', 'RATE_LIMIT', 'RESOURCE', 'INTERRUPTED',
    'VALIDATION', 'AUTHENTICATION', 'DEPENDENCY', 'RUNTIME')),
  error_code text,
  error_transient boolean,
  primary key (execution_id, ordinal),
  constraint batch_item_ended
    check ((ended_at is not null) = (status in ('SUCCEEDED', 'FAILED', 'CANCELLED', 'EXPIRED'))),
  constraint batch_item_waits check ((run_after is not null) = (status = 'RETRYING')),
  constraint batch_item_running check (status <> 'RUNNING' or started_at is not null),
  constraint batch_item_error
    check ((status = 'FAILED' and error_code is not null)
      or (status <> 'SUCCEEDED' and status <> 'FAILED')
      or (status = 'SUCCEEDED' and error_code is null)),
  constraint batch_item_error_whole
    check ((error_code is null) = (error_category is null) and (error_code is null) = (error_transient is null))
) with (fillfactor = 60);
create index batch_item_due on batch_item (execution_id, run_after) where run_after is not null;
create index batch_item_erring on batch_item (execution_id, ordinal) where error_code is not null;

create table batch_item_input (
  execution_id text not null,
  ordinal integer not null,
  element_id text not null,
  filename text not null,
  media_type text not null,
  metadata json,
  document_names json,
  content_hash text,
  primary key (execution_id, ordinal),
  unique (execution_id, element_id)
);

create table item_result (
  execution_id text not null,
  ordinal integer not null,
  tier integer not null,
  round integer not null,
  attempt integer not null,
  data json not null,
  field_errors json,
  artifacts json,
  content_hash text,
  at timestamptz not null default now(),
  primary key (execution_id, ordinal, tier, round)
);

create table item_failure (
  execution_id text not null,
  ordinal integer not null,
  tier integer not null,
  round integer not null,
  attempt integer not null,
  category text not null,
  transient boolean not null,
  code text not null,
  message text not null,
  details json,
  at timestamptz not null default now(),
  primary key (execution_id, ordinal, tier, round, attempt)
);
`;

// A WHEN condition is evaluated without calling the function, so a legal move costs next to nothing
// (a PL/pgSQL call for each row of a flush would cost a fifth of it).
const EXECUTION_TRIGGER = `
create trigger batch_execution_moves before update of status on batch_execution for each row
when (old.status <> new.status and (old.status || '>' || new.status) not in (
  'CANCELLED>QUEUED', 'CANCELLING>CANCELLED',
  'COMPLETED>QUEUED', 'COMPLETED_WITH_ERRORS>QUEUED',
  'DRAFT>CANCELLING', 'DRAFT>PREPARING', 'EXPIRED>QUEUED', 'FAILED>QUEUED',
  'PAUSED>CANCELLING', 'PAUSED>COMPLETED', 'PAUSED>COMPLETED_WITH_ERRORS', 'PAUSED>EXPIRED', 'PAUSED>FAILED',
  'PAUSED>QUEUED', 'PAUSED>RUNNING',
  'PREPARING>CANCELLING', 'PREPARING>COMPLETED', 'PREPARING>COMPLETED_WITH_ERRORS', 'PREPARING>EXPIRED',
  'PREPARING>FAILED', 'PREPARING>QUEUED', 'PREPARING>RUNNING',
  'QUEUED>CANCELLING', 'QUEUED>COMPLETED', 'QUEUED>COMPLETED_WITH_ERRORS', 'QUEUED>EXPIRED', 'QUEUED>FAILED',
  'QUEUED>PAUSED', 'QUEUED>RUNNING',
  'RUNNING>CANCELLING', 'RUNNING>COMPLETED', 'RUNNING>COMPLETED_WITH_ERRORS', 'RUNNING>EXPIRED',
  'RUNNING>FAILED', 'RUNNING>PAUSED'
)) execute function refuse_move()`;

const ITEM_TRIGGER = `
create trigger batch_item_moves before update of status on batch_item for each row
when (old.status <> new.status and (old.status || '>' || new.status) not in (
  'CANCELLED>QUEUED', 'EXPIRED>QUEUED', 'FAILED>QUEUED',
  'QUEUED>CANCELLED', 'QUEUED>EXPIRED', 'QUEUED>FAILED', 'QUEUED>RETRYING', 'QUEUED>RUNNING', 'QUEUED>SUCCEEDED',
  'RETRYING>CANCELLED', 'RETRYING>EXPIRED', 'RETRYING>FAILED', 'RETRYING>RUNNING', 'RETRYING>SUCCEEDED',
  'RUNNING>CANCELLED', 'RUNNING>EXPIRED', 'RUNNING>FAILED', 'RUNNING>QUEUED', 'RUNNING>RETRYING',
  'RUNNING>SUCCEEDED', 'SUCCEEDED>QUEUED'
)) execute function refuse_move()`;

const REFUSE_MOVE = `
create function refuse_move() returns trigger language plpgsql as $$
begin
  raise exception '% may not go from % to %', tg_table_name, old.status, new.status using errcode = '23514';
end $$`;

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const part of [TENANCY, INPUTS, EXECUTIONS, ITEMS]) {
    for (const statement of part.split(';\n').filter((text) => text.trim() !== '')) {
      await sql.raw(statement).execute(db);
    }
  }
  for (const statement of [REFUSE_MOVE, EXECUTION_TRIGGER, ITEM_TRIGGER]) await sql.raw(statement).execute(db);
}
