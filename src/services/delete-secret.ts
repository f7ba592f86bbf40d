import { z } from 'zod';
import type { Actor } from '../domain/model.ts';
import { NotFoundError } from '../domain/user-error.ts';
import * as store from '../store/secrets.ts';
import { checkInput } from './check-input.ts';
import type { ServiceDeps } from './ports.ts';
import { requireRole } from './require-role.ts';

const schema = z.object({ name: z.string() });

/** Which secret to delete. */
export type DeleteSecretInput = z.input<typeof schema>;

/**
 * Deletes a secret of the project; its name.
 *
 * Calls of agents that refer to it fail from then on, as AUTHENTICATION `secret_missing`. Needs MEMBER; throws
 * NotFoundError.
 */
export async function deleteSecret(
  { db }: Pick<ServiceDeps, 'db'>,
  actor: Actor,
  input: DeleteSecretInput,
): Promise<string> {
  requireRole(actor, 'MEMBER');
  const { name } = checkInput(schema, input);
  if (!(await store.deleteSecret(db, actor.projectId, name))) throw new NotFoundError('secret', name);
  return name;
}
