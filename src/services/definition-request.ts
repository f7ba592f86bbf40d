/** Makes creates and updates of definitions safe to repeat: the first call with a key decides what it stands for. */
import { contentHash } from '../domain/json.ts';
import type { Actor, BatchDefinition } from '../domain/model.ts';
import { IdempotencyConflictError } from '../domain/user-error.ts';
import type { Db, Tx } from '../store/database.ts';
import { findDefinitionRequest, insertDefinitionRequest } from '../store/definition-versions.ts';
import { findDefinition } from '../store/definitions.ts';
import { idempotencyKey, type RequestKey } from './store-execution.ts';

/** The key and the hash of an input; null when it has no key. Creates and updates share the keys of a project. */
export function definitionRequest(
  use: 'create' | 'update',
  input: { readonly idempotencyKey?: string | null | undefined },
): RequestKey | null {
  const key = input.idempotencyKey ?? null;
  return key === null ? null : { key, hash: contentHash({ ...input, idempotencyKey: use }) };
}

/** The version that an earlier call with this key came to; null when there was none. Throws IdempotencyConflictError. */
export async function findEarlierVersion(
  db: Db,
  { projectId }: Actor,
  request: RequestKey | null,
): Promise<BatchDefinition | null> {
  if (request === null || !idempotencyKey.safeParse(request.key).success) return null;
  const earlier = await findDefinitionRequest(db, projectId, request.key);
  if (earlier === null) return null;
  if (earlier.requestHash !== request.hash) throw new IdempotencyConflictError(earlier.definitionId);
  return await findDefinition(db, projectId, earlier.definitionId);
}

/** Notes which version a call came to; the project's definitions must be locked, and the key not be taken. */
export async function noteRequest(
  tx: Tx,
  { projectId }: Actor,
  request: RequestKey | null,
  definitionId: string,
  now: Date,
): Promise<void> {
  if (request === null) return;
  const { key, hash } = request;
  await insertDefinitionRequest(tx, {
    ...{ projectId, idempotencyKey: key, requestHash: hash, definitionId, createdAt: now },
  });
}
