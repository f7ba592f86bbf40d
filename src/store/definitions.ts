/** Batch definitions: immutable versions under a name. */
import type { BatchDefinition } from '../domain/model.ts';
import type { Db, Tx } from './database.ts';
import { named } from './statement-name.ts';

const COLUMNS = [
  'id',
  'projectId',
  'name',
  'version',
  'parentId',
  'urn',
  'description',
  'spec',
  'createdAt',
  'createdBy',
] as const;

/** A version to store; its number and parent follow from those that are there. */
export type NewDefinition = Omit<BatchDefinition, 'version' | 'parentId'> & { readonly specHash: string };

/**
 * The version of a definition with this content: one that is there, or a new one behind the newest.
 *
 * Race-safe: the project's row serializes writers of one project's definitions.
 */
export async function obtainDefinition(
  tx: Tx,
  { spec, specHash, ...definition }: NewDefinition,
): Promise<{ definition: BatchDefinition; created: boolean }> {
  const { projectId, name } = definition;
  await named(tx, 'lockProject').selectFrom('project').select('id').where('id', '=', projectId).forNoKeyUpdate().execute();
  const versions = named(tx, 'obtainDefinition').selectFrom('batchDefinition').where('projectId', '=', projectId).where('name', '=', name);
  const same = await versions.select(COLUMNS).where('specHash', '=', specHash).executeTakeFirst();
  if (same !== undefined) return { definition: same, created: false };
  const newest = await versions.select(['id', 'version']).orderBy('version', 'desc').limit(1).executeTakeFirst();
  const stored = await named(tx, 'insertDefinition')
    .insertInto('batchDefinition')
    .values({
      ...definition,
      version: (newest?.version ?? 0) + 1,
      parentId: newest?.id ?? null,
      spec: JSON.stringify(spec),
      specHash,
    })
    .returning(COLUMNS)
    .executeTakeFirstOrThrow();
  return { definition: stored, created: true };
}

/** The project's definition version with this id, or null. */
export async function findDefinition(db: Db, projectId: string, id: string): Promise<BatchDefinition | null> {
  const row = await named(db, 'findDefinition')
    .selectFrom('batchDefinition')
    .select(COLUMNS)
    .where('id', '=', id)
    .where('projectId', '=', projectId)
    .executeTakeFirst();
  return row ?? null;
}
