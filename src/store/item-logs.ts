/** What agents logged: writing it, and reading it in pages. */
import { sql } from 'kysely';
import type { LogFilter } from '../domain/log-line.ts';
import type { LogLevel } from '../domain/model.ts';
import type { Page } from '../domain/page.ts';
import type { LogLine } from '../engine/ports.ts';
import { anyOf } from './any-of.ts';
import type { Db } from './database.ts';
import { keysetPage } from './keyset.ts';
import { intArray, textArray } from './pg-array.ts';
import { named } from './statement-name.ts';

/**
 * Appends lines, in one statement; those of an execution that is deleted are left out.
 *
 * Raw because Kysely has no `unnest` of several lists. A write whose answer was lost and that is sent again appends
 * its lines twice.
 */
export async function appendLogs(db: Db, lines: readonly LogLine[]): Promise<void> {
  await sql`/* appendLogs */
insert into item_log (execution_id, ordinal, tier, round, attempt, level, message, dropped, at)
select l.execution_id, l.ordinal, l.tier, l.round, l.attempt, l.level, l.message, l.dropped, l.at
from unnest(${textArray(lines.map((line) => line.executionId))}::text[], ${intArray(lines.map((line) => line.ordinal))}::int[],
  ${intArray(lines.map((line) => line.tier))}::int[], ${intArray(lines.map((line) => line.round))}::int[],
  ${intArray(lines.map((line) => line.attempt))}::int[], ${textArray(lines.map((line) => line.level))}::text[],
  ${textArray(lines.map((line) => line.message))}::text[], ${intArray(lines.map((line) => line.dropped))}::int[],
  ${lines.map((line) => line.at)}::timestamptz[])
  with ordinality as l(execution_id, ordinal, tier, round, attempt, level, message, dropped, at, n)
where exists (select 1 from batch_execution x where x.id = l.execution_id)
order by l.n`.execute(db);
}

/** A line as it is stored; `id` rises in the order of writing, as decimal text. */
export interface StoredLogLine {
  readonly id: string;
  readonly executionId: string;
  readonly ordinal: number;
  readonly tier: number;
  readonly round: number;
  readonly attempt: number;
  readonly level: LogLevel;
  readonly message: string;
  readonly dropped: number;
  readonly at: Date;
}

/** One page of an execution's lines in the order of writing, as `Page` says; its key is `[id]`. */
export async function listLogs(
  db: Db,
  projectId: string,
  executionId: string,
  { ordinal, tier, level }: LogFilter,
  page: Page,
): Promise<StoredLogLine[]> {
  let query = named(db, 'listLogs')
    .selectFrom('itemLog as l')
    .innerJoin('batchExecution as x', 'x.id', 'l.executionId')
    .select([
      'l.executionId',
      'l.ordinal',
      'l.tier',
      'l.round',
      'l.attempt',
      'l.level',
      'l.message',
      'l.dropped',
      'l.at',
    ])
    .select(sql<string>`l.id::text`.as('id'))
    .where('x.projectId', '=', projectId)
    .where('l.executionId', '=', executionId);
  if (ordinal != null) query = query.where('l.ordinal', '=', anyOf(ordinal, 'int[]'));
  if (tier != null) query = query.where('l.tier', '=', anyOf(tier, 'int[]'));
  if (level != null) query = query.where('l.level', '=', anyOf(level));
  return await keysetPage(query, ['l.id'], page).execute();
}
