/**
 * The frozen inputs of items: copies, and elements that are as they were; see `migrations/0013_input_spans.ts`.
 *
 * Copies are in `batch_item_input`. A row of `input_span` stands for the inputs of items whose elements are side by side.
 */
import { type RawBuilder, sql } from 'kysely';
import type { DocumentName } from '../domain/model.ts';
import type { Db } from './database.ts';
import type { Column } from './item-stretches.ts';
import type { BatchItemInputTable } from './item-tables.ts';

/** The input of the item at an ordinal, in the columns of `batch_item_input`; no row where the execution has none. */
export const inputAt = (executionId: Column, ordinal: Column): RawBuilder<BatchItemInputTable> =>
  sql`input_at(${executionId}, ${ordinal})`;

/** The inputs of the items from an ordinal to before another, in no order. */
export const inputsBetween = (executionId: Column, start: Column, stop: Column): RawBuilder<BatchItemInputTable> =>
  sql`inputs_between(${executionId}, ${start}, ${stop})`;

/** What was listed of an item's element when it was frozen. */
export interface InputRow {
  readonly ordinal: number;
  readonly elementId: string;
  readonly filename: string;
  readonly mediaType: string;
  readonly metadata: unknown;
  readonly documentNames: readonly DocumentName[] | null;
}

/** An input as it comes from the database: in one value, since a driver reads a value of a row as slowly as a row. */
type InputTuple = [
  ordinal: number,
  elementId: string,
  filename: string,
  mediaType: string,
  metadata: unknown,
  documentNames: readonly DocumentName[] | null,
];

const TUPLES = sql`select json_agg(json_build_array(i.ordinal, i.element_id, i.filename, i.media_type, i.metadata,
      i.document_names)) as inputs`;

/** The inputs of these items, in no order. */
export async function readInputs(
  db: Db,
  executionId: string,
  ordinals: readonly number[],
): Promise<readonly InputRow[]> {
  if (ordinals.length === 0) return [];
  const [first = 0, last = 0] = [ordinals.at(0), ordinals.at(-1)];
  const isStretch = ordinals.every((ordinal, index) => ordinal === first + index);
  const { rows } = isStretch
    ? // As a claim on a fresh execution is: read in one go, in half the time.
      await sql<{ inputs: InputTuple[] | null }>`/* readInputStretch */
    ${TUPLES} from ${inputsBetween(executionId, sql`${first}::int`, sql`${last}::int + 1`)} as i`.execute(
        db.withoutPlugins(),
      )
    : // Raw: one array instead of a parameter each.
      await sql<{ inputs: InputTuple[] | null }>`/* readInputs */
    ${TUPLES} from unnest(${ordinals}::int[]) as u(ordinal)
    cross join lateral ${inputAt(executionId, sql`u.ordinal`)} as i`.execute(db);
  return (rows[0]?.inputs ?? []).map(([ordinal, elementId, filename, mediaType, metadata, documentNames]) => ({
    ordinal,
    elementId,
    filename,
    mediaType,
    metadata,
    documentNames,
  }));
}
