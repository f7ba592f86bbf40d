/** Reading items with all that they have produced, in input order, for export. */
import { sql } from 'kysely';
import type { ErrorCategory } from '../domain/item-error.ts';
import type { ItemStatus } from '../domain/states.ts';
import type { Db } from './database.ts';
import { inputsBetween } from './item-inputs.ts';
import { itemsBetween, stretchedResults } from './item-stretches.ts';

/** An item as it is exported; user JSON as the text that is stored. */
export interface ResultRow {
  readonly ordinal: number;
  readonly elementId: string;
  readonly filename: string;
  readonly metadata: string | null;
  readonly status: ItemStatus;
  readonly tier: number;
  readonly attempt: number;
  readonly retryCount: number;
  readonly startedAt: Date | null;
  readonly endedAt: Date | null;
  /** The corrected data where that was asked for and there is any. */
  readonly data: string | null;
  /** Which correction the data is of; null for what the agent returned. */
  readonly correction: number | null;
  readonly fieldErrors: string | null;
  /** Without their content. */
  readonly artifacts: string | null;
  /** The last failure of an item that is FAILED or RETRYING, in columns; all null for others. */
  readonly category: ErrorCategory | null;
  readonly transient: boolean | null;
  readonly code: string | null;
  readonly message: string | null;
  readonly details: string | null;
  readonly failedAttempt: number | null;
  readonly failedTier: number | null;
  readonly failedRound: number | null;
  readonly failedAt: Date | null;
}

const ROWS = 1_000;
/** Bytes, as stored, after which a page ends; a single item may be larger. */
const BYTES = 1_000_000;

/** As `presentData` has it, with the number. */
const NEWEST_CORRECTION = sql`left join lateral (
    select data, number from item_correction
    where execution_id = i.execution_id and ordinal = i.ordinal and tier = r.tier and round = r.round
    order by number desc limit 1
  ) c on true`;
const NO_CORRECTION = sql`cross join (select null::json as data, null::int as number) c`;

/**
 * The next items behind an ordinal, at least one while there are any: at most 1,000, or a megabyte as stored.
 *
 * Raw: a running sum ends the page before it is large, and what is behind its end is never read out of its
 * storage. Ordinals have no holes, so a range of them bounds the look at each table.
 */
export async function readResultRows(
  db: Db,
  projectId: string,
  executionId: string,
  after: number,
  corrected = false,
): Promise<readonly ResultRow[]> {
  const end = Math.min(after + 1 + ROWS, 2_147_483_647);
  const { rows } = await sql<ResultRow>`/* readResultRows */
with s as materialized (
  select ordinal, tier, round, data, field_errors, artifacts from ${stretchedResults(executionId, after + 1, end)} as r
), n as materialized (
  select ordinal, element_id, filename, metadata from ${inputsBetween(executionId, after + 1, end)} as n
), page as materialized (
  select i.ordinal, n.element_id, n.filename, n.metadata, i.status, i.tier, i.attempt, i.retry_count, i.started_at,
    i.ended_at, coalesce(c.data, r.data) as data, c.number as correction, r.field_errors, r.artifacts, f.category, f.transient, f.code, f.message, f.details,
    f.attempt as failed_attempt, f.tier as failed_tier, f.round as failed_round, f.at as failed_at,
    sum(200 + coalesce(pg_column_size(n.metadata), 0) + coalesce(pg_column_size(c.data), pg_column_size(r.data), 0) + coalesce(pg_column_size(r.field_errors), 0)
      + coalesce(pg_column_size(r.artifacts), 0) + coalesce(pg_column_size(f.message), 0)
      + coalesce(pg_column_size(f.details), 0)) over (order by i.ordinal) as bytes
  from ${itemsBetween(executionId, after + 1, end)} as i
  join n on n.ordinal = i.ordinal
  left join s on s.ordinal = i.ordinal
  left join lateral (
    select tier, round, data, field_errors, artifacts from item_result
    where execution_id = i.execution_id and ordinal = i.ordinal and (tier < i.tier or i.status = 'SUCCEEDED')
    union all select s.tier, s.round, s.data, s.field_errors, s.artifacts where s.ordinal is not null
    order by tier desc, round desc limit 1
  ) r on true
  ${corrected ? NEWEST_CORRECTION : NO_CORRECTION}
  left join lateral (
    select category, transient, code, message, details, attempt, tier, round, at from item_failure
    where execution_id = i.execution_id and ordinal = i.ordinal
    order by round desc, tier desc, attempt desc limit 1
  ) f on i.status in ('FAILED', 'RETRYING')
  where exists (select 1 from batch_execution x where x.id = ${executionId} and x.project_id = ${projectId})
)
select ordinal, element_id, filename, metadata::text as metadata, status, tier, attempt, retry_count, started_at,
  ended_at, data::text as data, correction, field_errors::text as field_errors, case when artifacts is not null then (
    select json_agg(json_build_object('id', a -> 'id', 'filename', a -> 'filename', 'mediaType', a -> 'mediaType',
      'sizeBytes', a -> 'sizeBytes', 'url', a -> 'url'))::text from json_array_elements(artifacts) a
  ) end as artifacts,
  category, transient, code, message, details::text as details, failed_attempt, failed_tier, failed_round, failed_at
from page
where bytes <= ${BYTES} or ordinal = ${after + 1}
order by ordinal`.execute(db);
  return rows;
}
