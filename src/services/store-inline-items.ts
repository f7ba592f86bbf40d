/** Keeps the items that came with a call as a datasource of their own. */
import { createHash } from 'node:crypto';
import type { Datasource } from '../domain/model.ts';
import { type NewElement, upsertElements } from '../store/data-elements.ts';
import type { Tx } from '../store/database.ts';
import { insertDatasource, keepInlineDatasource } from '../store/datasources.ts';
import type { ServiceDeps } from './ports.ts';

/**
 * The project's INLINE datasource with exactly these items in this order; stored now unless it is there.
 *
 * Two calls with the same items at once share one: the second waits for the transaction of the first.
 */
export async function storeInlineItems(
  tx: Tx,
  { newId, now }: Pick<ServiceDeps, 'newId' | 'now'>,
  projectId: string,
  items: readonly NewElement[],
): Promise<Datasource> {
  const contentHash = hashOf(items);
  const known = await keepInlineDatasource(tx, projectId, contentHash);
  if (known !== null) return known;
  const datasource: Datasource = {
    id: newId('Datasource'),
    projectId,
    kind: 'INLINE',
    name: `inline-${contentHash.slice(0, 12)}`,
    description: null,
    folder: null,
    createdAt: now(),
  };
  if (await insertDatasource(tx, { ...datasource, contentHash })) {
    await upsertElements(tx, datasource.id, items, now());
    return datasource;
  }
  const other = await keepInlineDatasource(tx, projectId, contentHash);
  if (other === null) throw new Error('An inline datasource was refused and is not there.');
  return other;
}

/** Over all that is stored of the items: metadata by its text, because keys keep their order. */
function hashOf(items: readonly NewElement[]): string {
  const hash = createHash('sha256');
  for (const { id, filename, mediaType, metadata, documentNames, contentHash } of items) {
    hash.update(JSON.stringify([id, filename, mediaType, metadata, documentNames, contentHash]));
  }
  return hash.digest('hex');
}
