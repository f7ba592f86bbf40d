import { beforeAll, expect, test } from 'vitest';
import { newId } from '../../src/domain/ids.ts';
import { InvalidStateError } from '../../src/domain/user-error.ts';
import { authenticate } from '../../src/services/authenticate.ts';
import { bootstrap } from '../../src/services/bootstrap.ts';
import { createApiKey } from '../../src/services/create-api-key.ts';
import type { ServiceDeps } from '../../src/services/ports.ts';
import { revokeApiKey } from '../../src/services/revoke-api-key.ts';
import { rotateApiKey } from '../../src/services/rotate-api-key.ts';
import type { Db } from '../../src/store/database.ts';
import { describeDatabases } from '../support/databases.ts';
import { databaseDeps } from '../support/server.ts';

describeDatabases('a fresh database', (open) => {
  let db: Db;
  let deps: ServiceDeps;
  beforeAll(async () => {
    db = await open();
    deps = databaseDeps(db);
  });
  const signIn = (key: string) => authenticate(deps, { key, customer: null, project: null });

  test('gets one customer, project and key, however many processes start at once', async () => {
    const rootKey = 'a-root-key-of-twenty-characters';
    const results = await Promise.all(Array.from({ length: 5 }, () => bootstrap(deps, rootKey)));
    expect(results.filter(({ created }) => created)).toHaveLength(1);
    expect(await bootstrap(deps, null)).toEqual({ created: false, madeKey: null });
    expect(await db.selectFrom('project').select('slug').execute()).toEqual([{ slug: 'default' }]);
    const [key, ...others] = await db.selectFrom('apiKey').selectAll().execute();
    expect(others).toEqual([]);
    expect(JSON.stringify(key)).not.toContain(rootKey.slice(0, 5));
    expect((await signIn(rootKey)).role).toBe('OPERATOR');
  });

  test('the last operator key that never expires cannot be revoked, also by two at once', async () => {
    const root = await signIn('a-root-key-of-twenty-characters');
    await expect(revokeApiKey(deps, root, { apiKeyId: root.keyId })).rejects.toThrow(InvalidStateError);
    const { apiKey } = await createApiKey(deps, root, { name: 'second', role: 'OPERATOR' });
    const revocations = await Promise.allSettled([
      revokeApiKey(deps, root, { apiKeyId: root.keyId }),
      revokeApiKey(deps, root, { apiKeyId: apiKey.id }),
    ]);
    expect(revocations.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    const left = await db.selectFrom('apiKey').select('id').where('revokedAt', 'is', null).execute();
    expect(left).toHaveLength(1);
  });

  test('two rotations of one key at once make one successor', async () => {
    const [row] = await db.selectFrom('apiKey').selectAll().where('revokedAt', 'is', null).execute();
    if (row === undefined) throw new Error('There is no key left.');
    const actor = { keyId: row.id, role: row.role, customerId: row.customerId, projectId: row.projectId };
    const { apiKey } = await createApiKey(deps, actor, { name: 'rotated twice', role: 'READER' });
    const rotations = await Promise.allSettled([1, 2].map(() => rotateApiKey(deps, actor, { apiKeyId: apiKey.id })));
    expect(rotations.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    expect(await db.selectFrom('apiKey').select('id').where('name', '=', 'rotated twice').execute()).toHaveLength(2);
  });
});

describeDatabases('a fresh database without a given key', (open) => {
  test('gets a made key, told once', async () => {
    const deps = { ...databaseDeps(await open()), newId };
    const { madeKey } = await bootstrap(deps, null);
    expect(madeKey).toMatch(/^by_/);
    expect((await authenticate(deps, { key: madeKey, customer: null, project: null })).role).toBe('OPERATOR');
    expect((await bootstrap(deps, null)).madeKey).toBeNull();
  });
});
