/** The parts of a flush's statement that append rows; a condition on `r.ordinal` or `f.ordinal` follows them. */
import { type RawBuilder, sql } from 'kysely';
import type { FailureRow, ResultRow } from '../engine/ports.ts';
import { column } from './flush-column.ts';
import { doubleArray, intArray, jsonArray, sparse, textArray } from './pg-array.ts';

const NOTHING = sql``;

/**
 * Appends results, as a relation `r`.
 *
 * What hardly any agent gives is no part of the statement, and what is the same in all rows goes once: each column
 * costs a flush as much as its rows are wide.
 */
export function resultRows(executionId: string, round: number, results: readonly ResultRow[]): RawBuilder<unknown> {
  const judged = results.some((r) => r.score !== null || r.usage !== null);
  const tier = column('int', results, (r) => r.tier);
  const attempt = column('int', results, (r) => r.attempt);
  const ends = results.map((r) => r.at.getTime());
  // Instants go as this one and the milliseconds after it: less to write and to read.
  const earliest = ends.reduce((first, end) => Math.min(first, end), ends[0] ?? 0);
  return sql`insert into item_result (execution_id, ordinal, tier, round, attempt, data, field_errors, artifacts,
    content_hash, started_at, at${judged ? sql`, score, usage` : NOTHING})
  select ${executionId}, r.ordinal, ${tier.of('r.tier')}, ${round}::int,
    ${attempt.of('r.attempt')}, r.data, r.field_errors, r.artifacts, r.content_hash,
    to_timestamp((${earliest}::float8 + r.ended - r.took) / 1000),
    to_timestamp((${earliest}::float8 + r.ended) / 1000)${judged ? sql`, r.score, r.usage` : NOTHING}
  from rows from (unnest(${intArray(results.map((r) => r.ordinal))}::int[]),
    unnest(${tier.list}::int[]), unnest(${attempt.list}::int[]),
    unnest(${jsonArray(results.map((r) => r.data))}::json[]),
    unnest(${jsonArray(sparse(results.map((r) => r.fieldErrors)))}::json[]),
    unnest(${jsonArray(sparse(results.map((r) => r.artifacts)))}::json[]),
    unnest(${textArray(sparse(results.map((r) => r.contentHash)))}::text[]),
    unnest(${doubleArray(ends.map((end) => end - earliest))}::float8[]),
    unnest(${doubleArray(results.map(durationOf))}::float8[])${judged ? judgements(results) : NOTHING})
  as r(ordinal, tier, attempt, data, field_errors, artifacts, content_hash, ended, took${judged ? sql`, score, usage` : NOTHING})`;
}

const judgements = (results: readonly ResultRow[]): RawBuilder<unknown> => sql`,
    unnest(${doubleArray(sparse(results.map((r) => r.score)))}::float8[]),
    unnest(${jsonArray(sparse(results.map((r) => r.usage && JSON.stringify(r.usage))))}::json[])`;

// A clock that was set back must not make a result older than its start.
const durationOf = ({ startedAt, at }: ResultRow): number => Math.max(at.getTime() - startedAt.getTime(), 0);

/** Appends failures, as a relation `f`. */
export function failureRows(executionId: string, round: number, failures: readonly FailureRow[]): RawBuilder<unknown> {
  return sql`insert into item_failure (execution_id, ordinal, tier, round, attempt, category, transient, code, message,
    details, component, stage, trace, recovery, started_at, at, usage)
  select ${executionId}, f.ordinal, f.tier, ${round}::int, f.attempt, f.category, f.transient, f.code, f.message,
    f.details::json, f.component, f.stage, f.trace, f.recovery, f.started_at, f.at, f.usage::json
  from unnest(${failures.map((f) => f.ordinal)}::int[], ${failures.map((f) => f.tier)}::int[],
    ${failures.map((f) => f.attempt)}::int[], ${failures.map((f) => f.error.category)}::text[],
    ${failures.map((f) => f.error.transient)}::bool[], ${failures.map((f) => f.error.code)}::text[],
    ${failures.map((f) => f.error.message)}::text[], ${failures.map((f) => f.error.details)}::text[],
    ${failures.map((f) => f.error.component)}::text[], ${failures.map((f) => f.error.stage)}::text[],
    ${failures.map((f) => f.error.trace)}::text[], ${failures.map((f) => f.error.recovery)}::text[],
    ${failures.map((f) => f.startedAt)}::timestamptz[], ${failures.map((f) => f.at)}::timestamptz[],
    ${failures.map((f) => f.usage && JSON.stringify(f.usage))}::text[])
  as f(ordinal, tier, attempt, category, transient, code, message, details, component, stage, trace, recovery,
    started_at, at, usage)`;
}
