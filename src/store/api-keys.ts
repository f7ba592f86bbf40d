/** API keys: only their hashes are stored. */

import type { ApiKey } from '../domain/model.ts';
import type { Page } from '../domain/page.ts';
import type { Db, Tx } from './database.ts';
import { keysetPage } from './keyset.ts';
import { named } from './statement-name.ts';

const COLUMNS = [
  'id',
  'customerId',
  'projectId',
  'role',
  'name',
  'prefix',
  'createdAt',
  'expiresAt',
  'revokedAt',
  'lastUsedAt',
] as const;

/** Stores a key under the SHA-256 of its secret. */
export async function insertApiKey(db: Db, key: ApiKey, hash: string): Promise<void> {
  await named(db, 'insertApiKey')
    .insertInto('apiKey')
    .values({ ...key, hash })
    .execute();
}

/** The key with this hash, valid or not; null when there is none. */
export async function findApiKeyByHash(db: Db, hash: string): Promise<ApiKey | null> {
  return (
    (await named(db, 'findApiKeyByHash')
      .selectFrom('apiKey')
      .select(COLUMNS)
      .where('hash', '=', hash)
      .executeTakeFirst()) ?? null
  );
}

/** The customer's key with this id, or null. */
export async function findApiKey(db: Db, customerId: string, id: string): Promise<ApiKey | null> {
  const query = named(db, 'findApiKey')
    .selectFrom('apiKey')
    .select(COLUMNS)
    .where('customerId', '=', customerId)
    .where('id', '=', id);
  return (await query.executeTakeFirst()) ?? null;
}

/** A key by its id alone, for its own holder; null when there is none. */
export async function findOwnApiKey(db: Db, id: string): Promise<ApiKey | null> {
  const query = named(db, 'findOwnApiKey').selectFrom('apiKey').select(COLUMNS).where('id', '=', id);
  return (await query.executeTakeFirst()) ?? null;
}

/** A page of the customer's keys, newest first. */
export async function listApiKeys(db: Db, customerId: string, page: Page): Promise<readonly ApiKey[]> {
  const query = named(db, 'listApiKeys').selectFrom('apiKey').select(COLUMNS).where('customerId', '=', customerId);
  return keysetPage(query, ['createdAt', 'id'], page, true).execute();
}

/** Notes that a key was used at an instant. */
export async function touchApiKey(db: Db, id: string, at: Date): Promise<void> {
  await named(db, 'touchApiKey').updateTable('apiKey').set({ lastUsedAt: at }).where('id', '=', id).execute();
}

/** Revokes the customer's key; the key as it is then, or null when it is unknown or was revoked before. */
export async function revokeApiKey(db: Db, customerId: string, id: string, at: Date): Promise<ApiKey | null> {
  const row = await named(db, 'revokeApiKey')
    .updateTable('apiKey')
    .set({ revokedAt: at })
    .where('customerId', '=', customerId)
    .where('id', '=', id)
    .where('revokedAt', 'is', null)
    .returning(COLUMNS)
    .executeTakeFirst();
  return row ?? null;
}

/**
 * Sets when a key ends; the key as it is then.
 *
 * null when it was revoked, or its end was changed since `key` was read: of two that change it only one succeeds.
 */
export async function expireApiKey(db: Db, key: ApiKey, at: Date): Promise<ApiKey | null> {
  const row = await named(db, 'expireApiKey')
    .updateTable('apiKey')
    .set({ expiresAt: at })
    .where('customerId', '=', key.customerId)
    .where('id', '=', key.id)
    .where('revokedAt', 'is', null)
    .where('expiresAt', 'is not distinct from', key.expiresAt)
    .returning(COLUMNS)
    .executeTakeFirst();
  return row ?? null;
}

/** Ids of all OPERATOR keys that work and never expire, locked until the transaction ends. */
export async function lockLastingOperatorKeys(tx: Tx): Promise<readonly string[]> {
  const rows = await named(tx, 'lockLastingOperatorKeys')
    .selectFrom('apiKey')
    .select('id')
    .where('role', '=', 'OPERATOR')
    .where('revokedAt', 'is', null)
    .where('expiresAt', 'is', null)
    .orderBy('id')
    .forUpdate()
    .execute();
  return rows.map((row) => row.id);
}

/** Which of these keys work at an instant. */
export async function validKeyIds(db: Db, ids: readonly string[], now: Date): Promise<ReadonlySet<string>> {
  if (ids.length === 0) return new Set();
  const rows = await named(db, 'validKeyIds')
    .selectFrom('apiKey')
    .select('id')
    .where('id', 'in', ids)
    .where('revokedAt', 'is', null)
    .where((eb) => eb.or([eb('expiresAt', 'is', null), eb('expiresAt', '>', now)]))
    .execute();
  return new Set(rows.map((row) => row.id));
}
