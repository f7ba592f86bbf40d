/** The frozen inputs of items. */
import { sql } from 'kysely';
import type { DocumentName } from '../domain/model.ts';
import type { Db } from './database.ts';

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
  const [first = 0, last = 0] = [ordinals.at(0), ordinals.at(-1)];
  const isStretch = ordinals.every((ordinal, index) => ordinal === first + index);
  // The id is hidden from the planner in `x`: statistics that do not know it yet promise a single row, by any index.
  const { rows } = isStretch
    ? // As a claim on a fresh execution is: read in one go, in half the time.
      await sql<{ inputs: InputTuple[] | null }>`/* readInputStretch */
    with x as materialized (select ${executionId}::text as id)
    ${TUPLES} from x, lateral (
      select ordinal, element_id, filename, media_type, metadata, document_names from batch_item_input
      where execution_id = x.id and ordinal between ${first}::int and ${last}::int offset 0
    ) i`.execute(db.withoutPlugins())
    : // Raw: one array instead of a parameter each; `abs` makes the planner look each up by key (see `settle`).
      await sql<{ inputs: InputTuple[] | null }>`/* readInputs */
    with x as materialized (select ${executionId}::text as id)
    ${TUPLES} from x cross join unnest(${ordinals}::int[]) as u(ordinal)
    join batch_item_input i on i.execution_id = x.id and i.ordinal = u.ordinal
    where abs(u.ordinal) = u.ordinal`.execute(db);
  return (rows[0]?.inputs ?? []).map(([ordinal, elementId, filename, mediaType, metadata, documentNames]) => ({
    ...{ ordinal, elementId, filename, mediaType, metadata, documentNames },
  }));
}
