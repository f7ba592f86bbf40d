/** From what a request carries to who makes it. */
import type { Actor, ApiKey, Project } from '../domain/model.ts';
import { ForbiddenError, UnauthenticatedError } from '../domain/user-error.ts';
import { findApiKeyByHash, touchApiKey, validKeyIds } from '../store/api-keys.ts';
import { findCustomer, findFirstProject, findProject } from '../store/tenancy.ts';
import { hashKey } from './key-secret.ts';
import type { ServiceDeps } from './ports.ts';
import { includesRole } from './require-role.ts';

/** What a request carries: its key, and the tenant it names by id or slug. */
export interface Credentials {
  readonly key: string | null;
  readonly customer: string | null;
  readonly project: string | null;
}

const TOUCH_EVERY_MS = 60_000;
const MAX_KEY_LENGTH = 512;
// Ids and slugs; anything else names nothing, and may be text that the database refuses.
const TENANT_NAME = /^[A-Za-z0-9_-]{1,100}$/;

/**
 * Who makes the request, and in which project.
 *
 * Throws UnauthenticatedError for a key that is missing, unknown, revoked or expired, and ForbiddenError when the
 * named tenant is not the key's to choose: unknown and foreign ones look the same. A named customer without a
 * project means its first one.
 */
export async function authenticate(deps: Pick<ServiceDeps, 'db' | 'now'>, credentials: Credentials): Promise<Actor> {
  const { key: secret } = credentials;
  if (secret === null) throw new UnauthenticatedError();
  const key = secret.length > MAX_KEY_LENGTH ? null : await findApiKeyByHash(deps.db, hashKey(secret));
  const now = deps.now();
  if (key === null) throw new UnauthenticatedError('This API key is not known.');
  if (key.revokedAt !== null) throw new UnauthenticatedError('This API key was revoked.');
  if (key.expiresAt !== null && key.expiresAt <= now) throw new UnauthenticatedError('This API key has expired.');
  const project = await chooseProject(deps, key, credentials);
  if (key.lastUsedAt === null || now.getTime() - key.lastUsedAt.getTime() >= TOUCH_EVERY_MS) {
    await touchApiKey(deps.db, key.id, now);
  }
  return { keyId: key.id, role: key.role, ...project };
}

/** Which of these keys still open something; asked of the keys behind open streams. */
export const stillValid = (
  deps: Pick<ServiceDeps, 'db' | 'now'>,
  keyIds: readonly string[],
): Promise<ReadonlySet<string>> => validKeyIds(deps.db, keyIds, deps.now());

type Tenant = Pick<Actor, 'customerId' | 'projectId'>;

async function chooseProject(deps: Pick<ServiceDeps, 'db'>, key: ApiKey, wanted: Credentials): Promise<Tenant> {
  if (wanted.customer === null && wanted.project === null)
    return { customerId: key.customerId, projectId: key.projectId };
  const refused = new ForbiddenError('This API key may not work in that customer or project.');
  for (const name of [wanted.customer, wanted.project]) {
    if (name !== null && !TENANT_NAME.test(name)) throw refused;
  }
  const customer = await findCustomer(deps.db, wanted.customer ?? key.customerId);
  if (customer === null) throw refused;
  if (customer.id !== key.customerId && !includesRole(key.role, 'OPERATOR')) throw refused;
  const project = await projectOf(deps, key, customer.id, wanted.project);
  if (project === null) throw refused;
  if (project.id !== key.projectId && !includesRole(key.role, 'ADMIN')) throw refused;
  return { customerId: customer.id, projectId: project.id };
}

function projectOf(
  deps: Pick<ServiceDeps, 'db'>,
  key: ApiKey,
  customerId: string,
  wanted: string | null,
): Promise<Project | null> {
  if (wanted !== null) return findProject(deps.db, customerId, wanted);
  return customerId === key.customerId
    ? findProject(deps.db, customerId, key.projectId)
    : findFirstProject(deps.db, customerId);
}
