/** The results of an execution as text, item by item in input order. */
import { stringify } from 'csv-stringify/sync';
import { itemId } from '../domain/ids.ts';
import type { Actor } from '../domain/model.ts';
import { mismatchErrors, OUTPUT_MISMATCH } from '../domain/output-rules.ts';
import type { Db } from '../store/database.ts';
import { type ResultRow, readResultRows } from '../store/result-rows.ts';
import type { ServiceDeps } from './ports.ts';
import { requireRole } from './require-role.ts';

export const RESULTS_FORMATS = ['JSONL', 'CSV', 'ZIP'] as const;
export type ResultsFormat = (typeof RESULTS_FORMATS)[number];

/** The fields of an item and the columns of a line, in their order. */
const COLUMNS = [
  ...(['ordinal', 'id', 'dataElementId', 'filename', 'metadata', 'status', 'tier', 'attempts', 'retryCount'] as const),
  ...(['data', 'fieldErrors', 'artifacts', 'error', 'startedAt', 'endedAt'] as const),
];
/** Only where corrected data is asked for: which correction the data is of. */
const CORRECTION = 'correction';
type Column = (typeof COLUMNS)[number] | typeof CORRECTION;

/** A value as JSON text; null is absent. */
type Fields = { readonly [column in Column]: string | number | null };
const JSON_COLUMNS: ReadonlySet<Column> = new Set<Column>(['metadata', 'data', 'fieldErrors', 'artifacts', 'error']);

/** Which items, and which of their data. */
export interface ExportChoice {
  /** The items behind this ordinal; -1: all. */
  readonly after: number;
  /** Whether `data` is the corrected data where there is any. */
  readonly corrected: boolean;
}

/**
 * The items behind an ordinal as pieces of text, each of a bounded number of items and bytes.
 *
 * Every piece shows the items as they are when it is read; it ends with the last item there is then. A CSV has its
 * header only where it starts with the first item. Needs READER; the execution must be there.
 */
export async function* exportResults(
  { db }: Pick<ServiceDeps, 'db'>,
  actor: Actor,
  executionId: string,
  format: Exclude<ResultsFormat, 'ZIP'>,
  choice: ExportChoice,
): AsyncGenerator<string, void> {
  requireRole(actor, 'READER');
  const columns = columnsOf(choice);
  if (format === 'CSV' && choice.after < 0) yield csvOf([columns]);
  for await (const rows of exportedRows(db, actor, executionId, choice)) {
    const items = rows.map((row) => fieldsOf(executionId, row));
    yield format === 'CSV'
      ? csvOf(items.map((item) => columns.map((column) => item[column])))
      : items.map((item) => `${lineOf(item, columns)}\n`).join('');
  }
}

/** The rows of an export, page by page; the next page is read while one is used. */
export async function* exportedRows(
  db: Db,
  { projectId }: Actor,
  executionId: string,
  { after, corrected }: ExportChoice,
): AsyncGenerator<readonly ResultRow[], void> {
  const read = (last: number) => readResultRows(db, projectId, executionId, last, corrected);
  let next = read(after);
  try {
    for (;;) {
      const rows = await next;
      const end = rows.at(-1);
      if (end === undefined) return;
      next = read(end.ordinal);
      // What goes wrong is thrown once the page is asked for.
      next.catch(() => undefined);
      yield rows;
    }
  } finally {
    await next.catch(() => undefined);
  }
}

/** A row as the JSON object that JSON Lines have for it. */
export const objectOf = (executionId: string, row: ResultRow, choice: ExportChoice): string =>
  lineOf(fieldsOf(executionId, row), columnsOf(choice));

const columnsOf = ({ corrected }: ExportChoice): readonly Column[] => (corrected ? [...COLUMNS, CORRECTION] : COLUMNS);

function lineOf(item: Fields, columns: readonly Column[]): string {
  // User JSON goes in as the text it is stored as: reading and writing it would double the time.
  const parts = columns.map((column) => {
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
    fieldErrors: missedOf(row) ?? row.fieldErrors ?? '[]',
    artifacts: row.artifacts === null ? '[]' : JSON.stringify(JSON.parse(row.artifacts)),
    error: row.code === null ? null : errorOf(row),
    startedAt: row.startedAt?.toISOString() ?? null,
    endedAt: row.endedAt?.toISOString() ?? null,
    correction: row.correction,
  };
}

/** In what the last attempt's result missed the rules of its tier, as `BatchItem.fieldErrors` has it; null for others. */
function missedOf({ code, details }: ResultRow): string | null {
  const missed = code === OUTPUT_MISMATCH && details !== null ? mismatchErrors(code, JSON.parse(details)) : [];
  return missed.length > 0 ? JSON.stringify(missed) : null;
}

const errorOf = (row: ResultRow): string =>
  JSON.stringify({
    ...{ category: row.category, transient: row.transient, code: row.code, message: row.message },
    details: row.details === null ? null : JSON.parse(row.details),
    ...{ attempt: row.failedAttempt, tier: row.failedTier, round: row.failedRound, at: row.failedAt },
  });
