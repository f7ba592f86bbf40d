/** Elements that are stored in the database: those of STORED and INLINE datasources. */
import { type RawBuilder, sql } from 'kysely';
import type { DataElement, StoredDocument } from '../domain/model.ts';
import type { Db, Tx } from './database.ts';
import { named } from './statement-name.ts';

/** An element to store; `metadata` and `documents` are JSON texts, so that they are written once. */
export interface NewElement {
  readonly id: string;
  readonly filename: string;
  readonly mediaType: string;
  readonly metadata: string | null;
  readonly documents: string;
  /** JSON text of the documents' names and media types where there are several, else null. */
  readonly documentNames: string | null;
  readonly sizeBytes: number;
  /** null where the content was not read. */
  readonly contentHash: string | null;
  /** Where the content is, when it is that of another datasource's element. */
  readonly sourceDatasourceId?: string | null;
  readonly sourceElementId?: string | null;
}

/** A stored element with its place in the datasource. */
export interface PlacedElement extends DataElement {
  readonly position: number;
}

const COLUMNS = [
  'id',
  'datasourceId',
  'filename',
  'mediaType',
  'metadata',
  'documentNames',
  'sizeBytes',
  'contentHash',
  'createdAt',
  'updatedAt',
  'position',
] as const;

// On the embedded database all wait for a statement, so it is bounded by its rows and by its bytes.
const CHUNK_ROWS = 2_000;
const CHUNK_BYTES = 1_000_000;

/** A condition that an element was there when this execution was created. */
export const takenBy = (executionId: string): RawBuilder<boolean> =>
  sql`position <= (select coalesce(freeze_until, 9223372036854775807) from batch_execution where id = ${executionId})`;

/** Elements after a position in the datasource's order; with `ids` only these, and of a reader only what it takes. */
export async function listElements(
  db: Db,
  datasourceId: string,
  after: number,
  limit: number,
  { ids, readerId }: { readonly ids?: readonly string[] | undefined; readonly readerId?: string | undefined } = {},
): Promise<readonly PlacedElement[]> {
  let query = named(db, 'listElements')
    .selectFrom('dataElement')
    .select(COLUMNS)
    .where('datasourceId', '=', datasourceId)
    .where('position', '>', after);
  // One array instead of a parameter each: filters name up to ten thousand.
  if (ids !== undefined) query = query.where(sql<boolean>`id = any(${ids}::text[])`);
  if (readerId !== undefined) query = query.where(takenBy(readerId));
  return await query.orderBy('position').limit(limit).execute();
}

/** How many elements a datasource has. */
export async function countElements(db: Db, datasourceId: string): Promise<number> {
  const row = await named(db, 'countElements')
    .selectFrom('dataElement')
    .select(({ fn }) => fn.countAll().as('count'))
    .where('datasourceId', '=', datasourceId)
    .executeTakeFirst();
  return Number(row?.count ?? 0);
}

/** One element without its content, or null. */
export async function findElement(db: Db, datasourceId: string, id: string): Promise<DataElement | null> {
  const row = await named(db, 'findElement')
    .selectFrom('dataElement')
    .select(COLUMNS)
    .where('datasourceId', '=', datasourceId)
    .where('id', '=', id)
    .executeTakeFirst();
  return row ?? null;
}

/** What is stored of an element's content: itself, or of which other element it is. */
export type StoredContent =
  | { readonly documents: readonly StoredDocument[]; readonly contentHash: string }
  | { readonly source: { readonly datasourceId: string; readonly elementId: string } };

/** An element's documents and their hash, or where they are; null when there is no such element. */
export async function readElement(db: Db, datasourceId: string, id: string): Promise<StoredContent | null> {
  const row = await named(db, 'readElement')
    .selectFrom('dataElement')
    .select(['documents', 'contentHash', 'sourceDatasourceId', 'sourceElementId'])
    .where('datasourceId', '=', datasourceId)
    .where('id', '=', id)
    .executeTakeFirst();
  if (row === undefined) return null;
  const { documents, contentHash, sourceDatasourceId, sourceElementId } = row;
  return sourceDatasourceId === null || sourceElementId === null
    ? { documents, contentHash: contentHash ?? '' }
    : { source: { datasourceId: sourceDatasourceId, elementId: sourceElementId } };
}

/** The elements with these ids, in no order. */
export async function findElements(
  db: Db,
  datasourceId: string,
  ids: readonly string[],
): Promise<readonly DataElement[]> {
  const rows = await named(db, 'findElements')
    .selectFrom('dataElement')
    .select(COLUMNS)
    .where('datasourceId', '=', datasourceId)
    .where(sql<boolean>`id = any(${ids}::text[])`)
    .execute();
  return rows.map(({ position: _position, ...element }) => element);
}

/**
 * Stores elements behind those that are there, in their order; those whose id is there get the new content in place.
 *
 * Answers the ids that were new. Ids must differ from each other. The datasource must be locked, so that places
 * become visible in order: a reader that goes on behind a place must not miss one that commits later.
 */
export async function upsertElements(
  tx: Tx,
  datasourceId: string,
  elements: readonly NewElement[],
  now: Date,
): Promise<ReadonlySet<string>> {
  const added = new Set<string>();
  for (const chunk of chunksOf(elements)) {
    const { rows } = await upsertChunk(datasourceId, chunk, now).execute(tx);
    for (const { id, isNew } of rows) if (isNew) added.add(id);
  }
  return added;
}

/** Raw: a column comes as one array, in half the time of a VALUES list; a row never locked or updated was inserted. */
function upsertChunk(datasourceId: string, chunk: readonly NewElement[], now: Date) {
  const column = (name: keyof NewElement) => chunk.map((element) => element[name]);
  return sql<{ id: string; isNew: boolean }>`/* upsertElements */
insert into data_element (datasource_id, id, filename, media_type, metadata, documents, document_names, size_bytes,
  content_hash, created_at, updated_at)
select ${datasourceId}, id, filename, media_type, metadata::json, documents::json, document_names::json, size_bytes,
  content_hash, ${now}, ${now}
from unnest(${column('id')}::text[], ${column('filename')}::text[], ${column('mediaType')}::text[],
  ${column('metadata')}::text[], ${column('documents')}::text[], ${column('documentNames')}::text[],
  ${column('sizeBytes')}::int[], ${column('contentHash')}::text[]) with ordinality
  as u(id, filename, media_type, metadata, documents, document_names, size_bytes, content_hash, place)
order by place
on conflict (datasource_id, id) do update set filename = excluded.filename, media_type = excluded.media_type,
  metadata = excluded.metadata, documents = excluded.documents, document_names = excluded.document_names,
  size_bytes = excluded.size_bytes, content_hash = excluded.content_hash, updated_at = excluded.updated_at
returning id, xmax = 0 as is_new`;
}

/** Deletes elements; the ids of those that were there. */
export async function deleteElements(tx: Tx, datasourceId: string, ids: readonly string[]): Promise<readonly string[]> {
  const rows = await named(tx, 'deleteElements')
    .deleteFrom('dataElement')
    .where('datasourceId', '=', datasourceId)
    .where(sql<boolean>`id = any(${ids}::text[])`)
    .returning('id')
    .execute();
  return rows.map((row) => row.id);
}

/** The elements in runs that one statement may hold. */
export function* chunksOf<E extends Pick<NewElement, 'documents'>>(elements: readonly E[]): Generator<E[]> {
  let chunk: E[] = [];
  let bytes = 0;
  for (const element of elements) {
    if (chunk.length === CHUNK_ROWS || (chunk.length > 0 && bytes + element.documents.length > CHUNK_BYTES)) {
      yield chunk;
      chunk = [];
      bytes = 0;
    }
    chunk.push(element);
    bytes += element.documents.length;
  }
  if (chunk.length > 0) yield chunk;
}
