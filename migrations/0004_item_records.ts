/**
 * What is recorded of each attempt: its start, score, token usage and where an error came from; usage summed by
 * execution and tier; budgets; and the lines that agents log.
 *
 * `item_log` has no foreign key, as no other table of items has: each line would lock the execution's row.
 */
import { type Kysely, sql } from 'kysely';

const ATTEMPTS = `
alter table item_result
  add column started_at timestamptz,
  add column score real check (score between 0 and 1),
  add column usage json;

alter table item_failure
  add column started_at timestamptz,
  add column component text,
  add column stage text,
  add column trace text,
  add column recovery text,
  add column usage json;
`;

const USAGE = `
alter table batch_execution
  add column tokens_used bigint check (tokens_used >= 0),
  add column cost_used numeric check (cost_used >= 0),
  add column token_budget bigint check (token_budget >= 1),
  add column cost_budget numeric check (cost_budget > 0);

alter table batch_execution drop constraint if exists batch_execution_pause_reason_check;
alter table batch_execution add constraint batch_execution_pause_reason_check
  check (pause_reason in ('USER', 'SAMPLE', 'AGENT_STORM', 'BUDGET'));

create table execution_usage (
  execution_id text not null references batch_execution on delete cascade,
  tier integer not null,
  calls bigint not null,
  input_tokens bigint not null,
  output_tokens bigint not null,
  cached_input_tokens bigint not null,
  total_tokens bigint not null,
  cost numeric,
  primary key (execution_id, tier)
) with (fillfactor = 50);
`;

const LOGS = `
create table item_log (
  execution_id text not null,
  id bigint generated always as identity,
  ordinal integer not null,
  tier integer not null,
  round integer not null,
  attempt integer not null,
  level text not null check (level in ('DEBUG', 'INFO', 'WARN', 'ERROR')),
  message text not null,
  dropped integer not null default 0,
  at timestamptz not null,
  primary key (execution_id, id)
);
create index item_log_item on item_log (execution_id, ordinal, id);
`;

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const part of [ATTEMPTS, USAGE, LOGS]) {
    for (const statement of part.split(';\n').filter((text) => text.trim() !== '')) {
      await sql.raw(statement).execute(db);
    }
  }
}
