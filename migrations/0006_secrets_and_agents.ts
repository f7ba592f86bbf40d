/** Secrets of a project, and agents that a project stores itself. Frozen; nothing is imported from `src/`. */
import { type Kysely, sql } from 'kysely';

const STATEMENTS = [
  'alter table agent drop constraint agent_kind_check',
  `alter table agent add constraint agent_kind_check check (kind in ('BUILT_IN', 'MODULE', 'HTTP', 'CHAT'))`,
  'alter table agent add column current_version_id text references agent_version',
  'alter table agent add column deleted_at timestamptz',
  `alter table agent add constraint agent_stored
     check ((project_id is not null) = (kind in ('HTTP', 'CHAT')))`,
  // A deleted agent keeps its row for the executions that pinned it, and gives its name away.
  'alter table agent drop constraint agent_project_id_name_key',
  'create unique index agent_name on agent (project_id, name) nulls not distinct where deleted_at is null',
  'alter table agent_version add column config json',
  `create table secret (
     project_id text not null references project on delete cascade,
     name text not null,
     key_id text not null,
     sealed text not null,
     created_at timestamptz not null default now(),
     updated_at timestamptz not null default now(),
     primary key (project_id, name)
   )`,
  'create index secret_key on secret (key_id)',
];

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await sql.raw(statement).execute(db);
}
