import { z } from 'zod';
import { LIMITS } from '../domain/limits.ts';
import type { Actor, Secret } from '../domain/model.ts';
import { LimitExceededError } from '../domain/user-error.ts';
import { countSecrets, findSecretNames, upsertSecret } from '../store/secrets.ts';
import { checkInput } from './check-input.ts';
import type { ServiceDeps } from './ports.ts';
import { requireRole } from './require-role.ts';
import { secretName } from './secret-name.ts';

const { min, max } = LIMITS.secretLength;

const schema = z.object({
  name: secretName,
  value: z
    .string()
    .min(min, `must have at least ${min} characters`)
    .max(max, `must have at most ${max} characters`)
    // It goes into HTTP headers, so it must survive there.
    .regex(/^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/, 'must be printable ASCII without spaces around it'),
});

/** A secret with its value; the value is never given out again. */
export type SetSecretInput = z.input<typeof schema>;

/**
 * The project's secret with this name, stored now with this value in place of any it had.
 *
 * Calls that start later use the new value. Needs MEMBER; throws ValidationError, which never shows the value, or
 * LimitExceededError.
 */
export async function setSecret(
  { db, now, secretBox }: Pick<ServiceDeps, 'db' | 'now' | 'secretBox'>,
  actor: Actor,
  input: SetSecretInput,
): Promise<Secret> {
  requireRole(actor, 'MEMBER');
  const { projectId } = actor;
  const { name, value } = checkInput(schema, input);
  if (
    (await countSecrets(db, projectId)) >= LIMITS.secretsPerProject &&
    !(await findSecretNames(db, projectId, [name])).has(name)
  )
    throw new LimitExceededError(
      `A project has at most ${LIMITS.secretsPerProject} secrets.`,
      LIMITS.secretsPerProject,
    );
  const place = { projectId, name };
  const sealed = { keyId: secretBox.keyId, sealed: secretBox.seal(place, value) };
  return await upsertSecret(db, { ...place, ...sealed }, now());
}
