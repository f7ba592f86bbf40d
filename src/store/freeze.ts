/** Freezing the set of items: an execution's row, its items chunk by chunk, and the seal. */
import { sql } from 'kysely';
import type { DataElement } from '../domain/model.ts';
import type { InputFilters } from '../domain/spec.ts';
import type { ExecutionStatus } from '../domain/states.ts';
import { closing, countMove, NO_CHANGE } from './count-moves.ts';
import type { Db } from './database.ts';
import { type Blanks, frequent } from './statement-name.ts';

/** What is left to freeze of an execution. */
export interface Unfrozen {
  readonly projectId: string;
  readonly datasourceId: string;
  readonly filters: InputFilters;
  readonly cursor: string | null;
  readonly total: number;
}

/** Where freezing stands, or null when the execution is sealed or no longer PREPARING. */
export async function findUnfrozen(db: Db, executionId: string): Promise<Unfrozen | null> {
  const [row] = await unfrozen(db, { executionId });
  if (row === undefined) return null;
  return {
    projectId: row.projectId,
    datasourceId: row.inputDatasourceId,
    filters: row.spec.input.filters ?? {},
    cursor: row.freezeCursor,
    total: row.total,
  };
}

const unfrozen = frequent('findUnfrozen', (db, { executionId }: Blanks<{ executionId: string }>) =>
  db
    .selectFrom('batchExecution')
    .select(['projectId', 'inputDatasourceId', 'spec', 'freezeCursor', 'total'])
    .where('id', '=', executionId)
    .where('status', '=', 'PREPARING')
    .where('sealedAt', 'is', null),
);

export interface FreezeChunk {
  /** Where the chunk started; the write applies only while the execution stands there. */
  readonly from: { readonly cursor: string | null; readonly total: number };
  readonly elements: readonly DataElement[];
  readonly cursor: string | null;
}

/**
 * Appends a chunk of items in one statement; null when another process got there first, or a cancel did.
 *
 * Raw: rows come as arrays (a VALUES list breaks at 65,535 parameters), and the counts change with them.
 */
export async function appendItems(db: Db, executionId: string, chunk: FreezeChunk, now: Date): Promise<number | null> {
  const { elements, from } = chunk;
  const { rows } = await sql<{ revision: number }>`/* appendItems */
with e as materialized (
  select x.id, x.revision from batch_execution x
  where x.id = ${executionId} and x.status = 'PREPARING' and x.sealed_at is null and ${closing(now)} is null
    and x.total = ${from.total} and x.freeze_cursor is not distinct from ${from.cursor}
  for no key update
), input as (
  select (${from.total}::int + row_number() over (order by n) - 1)::int as ordinal, element_id, filename, media_type, metadata,
    document_names, content_hash
  from unnest(${elements.map((e) => e.id)}::text[], ${elements.map((e) => e.filename)}::text[],
    ${elements.map((e) => e.mediaType)}::text[],
    ${elements.map((e) => jsonOrNull(e.metadata))}::text[], ${elements.map((e) => jsonOrNull(e.documentNames))}::text[],
    ${elements.map((e) => e.contentHash)}::text[]) with ordinality
    as u(element_id, filename, media_type, metadata, document_names, content_hash, n)
), inputs as (
  insert into batch_item_input (execution_id, ordinal, element_id, filename, media_type, metadata, document_names, content_hash)
  select e.id, ordinal, element_id, filename, media_type, metadata::json, document_names::json, content_hash from input, e
  returning ordinal
), d as (
  select count(*)::int as total, count(*)::int as queued, 0 as running, 0 as retrying, 0 as succeeded, 0 as failed,
    0 as cancelled, 0 as expired, 0 as flawed from inputs
), x as (
  update batch_execution x set freeze_cursor = ${chunk.cursor}, ${countMove({ now })}
  from d, e where x.id = e.id
  returning x.revision
), logged as (
  insert into execution_change (execution_id, revision, ordinals, appended_from)
  select ${executionId}, x.revision, (select array_agg(ordinal order by ordinal) from inputs), ${from.total}::int
  from x, d where d.total > 0
)
select revision from x`.execute(db);
  return rows[0]?.revision ?? null;
}

const jsonOrNull = (value: unknown): string | null => (value === null ? null : JSON.stringify(value));

/** Seals the set of items, which makes `total` final; ends the execution at once when nothing is open. */
export async function sealItems(
  db: Db,
  executionId: string,
  total: number,
  now: Date,
): Promise<{ revision: number; status: ExecutionStatus } | null> {
  const { rows } = await sql<{ revision: number; status: ExecutionStatus }>`/* sealItems */
update batch_execution x set ${countMove({ now, seals: true })} from ${NO_CHANGE}
where x.id = ${executionId} and x.status = 'PREPARING' and x.sealed_at is null and x.total = ${total}
  and ${closing(now)} is null
returning x.revision, x.status`.execute(db);
  return rows[0] ?? null;
}

/**
 * Refreshes the planner's statistics of the item tables where at least so many inputs of an execution were copied.
 *
 * From a tenth of the usual sample: that takes 50 instead of 300 ms, in which a small execution would be over, and
 * the server's own maintenance soon takes a larger one.
 */
export async function analyzeItems(db: Db, executionId: string, copied: number): Promise<void> {
  const { rows } = await sql`/* analyzeItems */
    select from batch_item_input where execution_id = ${executionId} offset ${copied - 1}::int limit 1`.execute(db);
  if (rows.length === 0) return;
  await db.transaction().execute(async (tx) => {
    await sql`set local default_statistics_target = 10`.execute(tx);
    await sql`analyze batch_item, batch_item_input`.execute(tx);
  });
}
