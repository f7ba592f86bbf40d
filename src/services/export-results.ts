/** The results of an execution as text, item by item in input order. */
import { stringify } from 'csv-stringify/sync';
import { itemId } from '../domain/ids.ts';
import type { Actor } from '../domain/model.ts';
import { type ResultRow, readResultRows } from '../store/result-rows.ts';
import type { ServiceDeps } from './ports.ts';
import { requireRole } from './require-role.ts';

export const RESULTS_FORMATS = ['JSONL', 'CSV'] as const;
export type ResultsFormat = (typeof RESULTS_FORMATS)[number];

/** The fields of an item and the columns of a line, in their order. */
const COLUMNS = [
  ...(['ordinal', 'id', 'dataElementId', 'filename', 'metadata', 'status', 'tier', 'attempts', 'retryCount'] as const),
  ...(['data', 'fieldErrors', 'artifacts', 'error', 'startedAt', 'endedAt'] as const),
];
type Column = (typeof COLUMNS)[number];

/** A value as JSON text; null is absent. */
type Fields = { readonly [column in Column]: string | number | null };
const JSON_COLUMNS: ReadonlySet<Column> = new Set<Column>(['metadata', 'data', 'fieldErrors', 'artifacts', 'error']);

/**
 * The items behind an ordinal (-1: all) as pieces of text, each of a bounded number of items and bytes.
 *
 * Every piece shows the items as they are when it is read; it ends with the last item there is then. A CSV has its
 * header only where it starts with the first item. Needs READER; the execution must be there.
 */
export async function* exportResults(
  { db }: Pick<ServiceDeps, 'db'>,
  actor: Actor,
  executionId: string,
  format: ResultsFormat,
  after: number,
): AsyncGenerator<string, void> {
  requireRole(actor, 'READER');
  if (format === 'CSV' && after < 0) yield csvOf([COLUMNS]);
  let last = after;
  for (;;) {
    const rows = await readResultRows(db, actor.projectId, executionId, last);
    const end = rows.at(-1);
    if (end === undefined) return;
    last = end.ordinal;
    const items = rows.map((row) => fieldsOf(executionId, row));
    yield format === 'CSV' ? csvOf(items.map((item) => COLUMNS.map((column) => item[column]))) : linesOf(items);
  }
}

const linesOf = (items: readonly Fields[]): string => items.map((item) => `${lineOf(item)}\n`).join('');

function lineOf(item: Fields): string {
  // User JSON goes in as the text it is stored as: reading and writing it would double the time.
  const parts = COLUMNS.map((column) => {
    const value = item[column];
    const isText = typeof value === 'string' && !JSON_COLUMNS.has(column);
    return `"${column}":${isText ? JSON.stringify(value) : value}`;
  });
  return `{${parts.join(',')}}`;
}

/** RFC 4180; a cell that a spreadsheet would take for a formula starts with an apostrophe. */
const csvOf = (records: readonly (readonly (string | number | null)[])[]): string =>
  stringify([...records], { escape_formulas: true, record_delimiter: 'windows' });

function fieldsOf(executionId: string, row: ResultRow): Fields {
  return {
    ordinal: row.ordinal,
    id: itemId(executionId, row.ordinal),
    dataElementId: row.elementId,
    filename: row.filename,
    metadata: row.metadata,
    status: row.status,
    tier: row.tier,
    attempts: row.attempt,
    retryCount: row.retryCount,
    data: row.data,
    fieldErrors: row.fieldErrors ?? '[]',
    artifacts: row.artifacts === null ? '[]' : JSON.stringify(JSON.parse(row.artifacts)),
    error: row.code === null ? null : errorOf(row),
    startedAt: row.startedAt?.toISOString() ?? null,
    endedAt: row.endedAt?.toISOString() ?? null,
  };
}

const errorOf = (row: ResultRow): string =>
  JSON.stringify({
    ...{ category: row.category, transient: row.transient, code: row.code, message: row.message },
    details: row.details === null ? null : JSON.parse(row.details),
    ...{ attempt: row.failedAttempt, tier: row.failedTier, round: row.failedRound, at: row.failedAt },
  });
