import { z } from 'zod';
import { type Actor, type ApiKey, KEY_ROLES, type KeyRole } from '../domain/model.ts';
import { NotFoundError } from '../domain/user-error.ts';
import { insertApiKey } from '../store/api-keys.ts';
import { findProject } from '../store/tenancy.ts';
import { checkInput } from './check-input.ts';
import { makeKeySecret } from './key-secret.ts';
import type { ServiceDeps } from './ports.ts';
import { requireRole } from './require-role.ts';
import { displayName } from './tenant-names.ts';

/** What a new key is made from. */
export interface CreateApiKeyInput {
  readonly name: string;
  readonly role: KeyRole;
  /** Id or slug of a project of the actor's customer; the actor's own when it is not given. */
  readonly projectId?: string | null | undefined;
  /** When it ends; never when it is not given. */
  readonly expiresAt?: Date | null | undefined;
}

/** A stored key together with the secret that nobody can read again. */
export interface NewApiKey {
  readonly apiKey: ApiKey;
  readonly secret: string;
}

/**
 * A new key, with its secret for this one time.
 *
 * Needs ADMIN, and at least the role that the key gets. Throws ValidationError, or NotFoundError for the project.
 */
export async function createApiKey(
  deps: Pick<ServiceDeps, 'db' | 'newId' | 'now'>,
  actor: Actor,
  input: CreateApiKeyInput,
): Promise<NewApiKey> {
  requireRole(actor, 'ADMIN');
  const now = deps.now();
  const checked = checkInput(
    z.object({
      name: displayName,
      role: z.enum(KEY_ROLES),
      projectId: z.string().nullish(),
      expiresAt: z.date().min(now, 'must be in the future').nullish(),
    }),
    input,
  );
  requireRole(actor, checked.role);
  const reference = checked.projectId ?? actor.projectId;
  const project = await findProject(deps.db, actor.customerId, reference);
  if (project === null) throw new NotFoundError('project', reference);
  const { secret, prefix, hash } = makeKeySecret();
  const apiKey: ApiKey = {
    id: deps.newId('ApiKey'),
    customerId: actor.customerId,
    projectId: project.id,
    role: checked.role,
    name: checked.name,
    prefix,
    createdAt: now,
    expiresAt: checked.expiresAt ?? null,
    revokedAt: null,
    lastUsedAt: null,
  };
  await insertApiKey(deps.db, apiKey, hash);
  return { apiKey, secret };
}
