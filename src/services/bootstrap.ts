import type { ApiKey } from '../domain/model.ts';
import { insertApiKey } from '../store/api-keys.ts';
import { hasCustomers, insertCustomer, insertProject } from '../store/tenancy.ts';
import { givenKeySecret, makeKeySecret } from './key-secret.ts';
import type { ServiceDeps } from './ports.ts';

/**
 * Makes the first customer, project and OPERATOR key of a fresh database.
 *
 * `rootKey` becomes the key; without it one is made and answered, to be shown this one time. `created` is false when
 * the database has a customer already, also when another process was just faster; then nothing is changed.
 */
export async function bootstrap(
  deps: Pick<ServiceDeps, 'db' | 'newId' | 'now'>,
  rootKey: string | null,
): Promise<{ readonly created: boolean; readonly madeKey: string | null }> {
  if (await hasCustomers(deps.db)) return { created: false, madeKey: null };
  const { secret, prefix, hash } = rootKey === null ? makeKeySecret() : givenKeySecret(rootKey);
  const createdAt = deps.now();
  const customer = { id: deps.newId('Customer'), slug: 'default', name: 'Default', createdAt };
  const project = {
    id: deps.newId('Project'),
    customerId: customer.id,
    slug: 'default',
    name: 'Default',
    retentionDays: null,
    createdAt,
  };
  const key: ApiKey = {
    id: deps.newId('ApiKey'),
    customerId: customer.id,
    projectId: project.id,
    role: 'OPERATOR',
    name: 'root',
    prefix,
    createdAt,
    expiresAt: null,
    revokedAt: null,
    lastUsedAt: null,
  };
  const created = await deps.db.transaction().execute(async (tx) => {
    // The unique slug decides between two processes: the second waits here, and then finds it taken.
    if (!(await insertCustomer(tx, customer))) return false;
    await insertProject(tx, project);
    await insertApiKey(tx, key, hash);
    return true;
  });
  return { created, madeKey: created && rootKey === null ? secret : null };
}
