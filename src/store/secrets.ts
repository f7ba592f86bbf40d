/** Secrets of projects, as they are sealed. */
import type { Secret } from '../domain/model.ts';
import type { Page } from '../domain/page.ts';
import type { Db } from './database.ts';
import { keysetPage } from './keyset.ts';
import { named } from './statement-name.ts';

const COLUMNS = ['name', 'createdAt', 'updatedAt'] as const;

/** A secret as it is stored. */
export interface SealedSecret {
  readonly keyId: string;
  readonly sealed: string;
}

/** Stores a secret, in place of the one that had the name. */
export async function upsertSecret(
  db: Db,
  secret: SealedSecret & { readonly projectId: string; readonly name: string },
  now: Date,
): Promise<Secret> {
  return await named(db, 'upsertSecret')
    .insertInto('secret')
    .values({ ...secret, createdAt: now, updatedAt: now })
    .onConflict((conflict) =>
      conflict
        .columns(['projectId', 'name'])
        .doUpdateSet({ keyId: secret.keyId, sealed: secret.sealed, updatedAt: now }),
    )
    .returning(COLUMNS)
    .executeTakeFirstOrThrow();
}

/** Deletes the project's secret; false when there is none. */
export async function deleteSecret(db: Db, projectId: string, name: string): Promise<boolean> {
  const { numDeletedRows } = await named(db, 'deleteSecret')
    .deleteFrom('secret')
    .where('projectId', '=', projectId)
    .where('name', '=', name)
    .executeTakeFirst();
  return numDeletedRows > 0n;
}

/** The project's secret as it is sealed, or null. */
export async function findSealedSecret(db: Db, projectId: string, name: string): Promise<SealedSecret | null> {
  const row = await named(db, 'findSealedSecret')
    .selectFrom('secret')
    .select(['keyId', 'sealed'])
    .where('projectId', '=', projectId)
    .where('name', '=', name)
    .executeTakeFirst();
  return row ?? null;
}

/** Which of these names are secrets of the project. */
export async function findSecretNames(
  db: Db,
  projectId: string,
  names: readonly string[],
): Promise<ReadonlySet<string>> {
  if (names.length === 0) return new Set();
  const rows = await named(db, 'findSecretNames')
    .selectFrom('secret')
    .select('name')
    .where('projectId', '=', projectId)
    .where('name', 'in', names)
    .execute();
  return new Set(rows.map(({ name }) => name));
}

/** A page of the project's secrets by name, without their values. */
export async function listSecrets(db: Db, projectId: string, page: Page): Promise<readonly Secret[]> {
  const query = named(db, 'listSecrets').selectFrom('secret').select(COLUMNS).where('projectId', '=', projectId);
  return await keysetPage(query, ['name'], page).execute();
}

/** How many secrets a project has. */
export async function countSecrets(db: Db, projectId: string): Promise<number> {
  const { count } = await named(db, 'countSecrets')
    .selectFrom('secret')
    .select(({ fn }) => fn.countAll<number>().as('count'))
    .where('projectId', '=', projectId)
    .executeTakeFirstOrThrow();
  return Number(count);
}

/** How many secrets of all projects are sealed under another key than this. */
export async function countForeignSecrets(db: Db, keyId: string): Promise<number> {
  const { count } = await named(db, 'countForeignSecrets')
    .selectFrom('secret')
    .select(({ fn }) => fn.countAll<number>().as('count'))
    .where('keyId', '<>', keyId)
    .executeTakeFirstOrThrow();
  return Number(count);
}
