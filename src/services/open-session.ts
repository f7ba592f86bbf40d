import { insertApiKey } from '../store/api-keys.ts';
import { findVeryFirstProject } from '../store/tenancy.ts';
import { makeKeySecret } from './key-secret.ts';
import type { ServiceDeps } from './ports.ts';

/** How long a browser's key is valid: 12 hours in ms. */
export const SESSION_MS = 12 * 3_600_000;

/**
 * A fresh key for a browser, in the first project; null while the database has none.
 *
 * Its role is MEMBER: what one does in GraphiQL is to run batches, and a key that sits in a browser should not be
 * able to make other keys.
 */
export async function openSession(
  deps: Pick<ServiceDeps, 'db' | 'newId' | 'now'>,
): Promise<{ readonly key: string; readonly expiresAt: Date } | null> {
  const project = await findVeryFirstProject(deps.db);
  if (project === null) return null;
  const createdAt = deps.now();
  const expiresAt = new Date(createdAt.getTime() + SESSION_MS);
  const { secret, prefix, hash } = makeKeySecret();
  await insertApiKey(
    deps.db,
    {
      id: deps.newId('ApiKey'),
      customerId: project.customerId,
      projectId: project.id,
      role: 'MEMBER',
      name: 'browser session',
      prefix,
      createdAt,
      expiresAt,
      revokedAt: null,
      lastUsedAt: null,
    },
    hash,
  );
  return { key: secret, expiresAt };
}
