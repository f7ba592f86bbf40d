/** Items on their way into a draft, as a relation that a statement can read from. */
import { type RawBuilder, sql } from 'kysely';
import type { NewElement } from './data-elements.ts';
import { intArray, jsonArray, sparse, textArray } from './pg-array.ts';

/** An element to store at an index. */
export interface IndexedElement extends NewElement {
  readonly index: number;
}

/** The columns of `data_element` that `draftRows` has values for, those in between included. */
export const ELEMENT_COLUMNS = sql.raw(`datasource_id, id, position, filename, media_type, metadata, documents,
  document_names, size_bytes, content_hash, source_datasource_id, source_element_id, created_at, updated_at`);

/**
 * The values of `ELEMENT_COLUMNS` for these items, and the relation `u` that they come from.
 *
 * A column travels as one array: a recordset takes nearly twice the server's time.
 */
export function draftRows(
  items: readonly IndexedElement[],
  datasourceId: RawBuilder<unknown>,
  now: Date,
): { readonly values: RawBuilder<unknown>; readonly relation: RawBuilder<unknown> } {
  type Text = (item: IndexedElement) => string | null | undefined;
  const text = (of: Text) => sql`unnest(${textArray(sparse(items.map(of)))}::text[])`;
  const json = (of: Text) => sql`unnest(${jsonArray(sparse(items.map(of)))}::json[])`;
  const numbers = (of: (item: IndexedElement) => number) => sql`unnest(${intArray(items.map(of))}::int[])`;
  return {
    values: sql`${datasourceId}, u.id, u.place, u.filename, u.media_type, u.metadata, u.documents,
  u.document_names, u.size_bytes, u.content_hash, u.source_datasource_id, u.source_element_id,
  ${now}::timestamptz, ${now}::timestamptz`,
    relation: sql`rows from (${text((item) => item.id)}, ${numbers((item) => item.index)}, ${text((item) => item.filename)},
    ${text((item) => item.mediaType)}, ${json((item) => item.metadata)}, ${json((item) => item.documents)},
    ${json((item) => item.documentNames)}, ${numbers((item) => item.sizeBytes)}, ${text((item) => item.contentHash)},
    ${text((item) => item.sourceDatasourceId)}, ${text((item) => item.sourceElementId)})
  as u(id, place, filename, media_type, metadata, documents, document_names, size_bytes, content_hash,
    source_datasource_id, source_element_id)`,
  };
}
