import { z } from 'zod';
import type { Actor, ApiKey } from '../domain/model.ts';
import { InvalidStateError, NotFoundError } from '../domain/user-error.ts';
import { expireApiKey, findApiKey, insertApiKey } from '../store/api-keys.ts';
import { checkInput } from './check-input.ts';
import type { NewApiKey } from './create-api-key.ts';
import { makeKeySecret } from './key-secret.ts';
import type { ServiceDeps } from './ports.ts';
import { requireRole } from './require-role.ts';

/** The longest time that an old key stays valid beside its successor: 7 days in ms. */
export const MAX_OVERLAP_MS = 7 * 86_400_000;

/** Which key to replace, and how long both are valid. */
export interface RotateApiKeyInput {
  readonly apiKeyId: string;
  /** 0-604800000; 0 when it is not given. */
  readonly overlapMs?: number | null | undefined;
}

/** The successor with its secret, and the old key with its end. */
export interface RotatedApiKey extends NewApiKey {
  readonly previous: ApiKey;
}

const schema = z.object({
  apiKeyId: z.string(),
  overlapMs: z
    .int()
    .min(0, 'must be at least 0')
    .max(MAX_OVERLAP_MS, `must be at most ${MAX_OVERLAP_MS} (7 days)`)
    .nullish(),
});

/**
 * A successor for a key: same name, role, project and lifetime, with a new id and a new secret.
 *
 * The old key ends after `overlapMs`, or at its own end if that is sooner. Needs ADMIN, and at least the key's own
 * role: whoever rotates a key holds it. Throws ValidationError, NotFoundError, or InvalidStateError when the key is
 * revoked or expired, or is changed by someone else at the same moment.
 */
export async function rotateApiKey(
  deps: Pick<ServiceDeps, 'db' | 'newId' | 'now'>,
  actor: Actor,
  input: RotateApiKeyInput,
): Promise<RotatedApiKey> {
  requireRole(actor, 'ADMIN');
  const { apiKeyId, overlapMs } = checkInput(schema, input);
  const now = deps.now();
  const old = await findApiKey(deps.db, actor.customerId, apiKeyId);
  if (old === null) throw new NotFoundError('API key', apiKeyId);
  requireRole(actor, old.role);
  if (old.revokedAt !== null || (old.expiresAt !== null && old.expiresAt <= now)) {
    const status = old.revokedAt === null ? 'EXPIRED' : 'REVOKED';
    throw new InvalidStateError('This key no longer works; create a new one.', status);
  }
  const end = new Date(
    Math.min(now.getTime() + (overlapMs ?? 0), old.expiresAt?.getTime() ?? Number.POSITIVE_INFINITY),
  );
  const { secret, prefix, hash } = makeKeySecret();
  const lifetime = old.expiresAt === null ? null : old.expiresAt.getTime() - old.createdAt.getTime();
  const apiKey: ApiKey = {
    ...old,
    id: deps.newId('ApiKey'),
    prefix,
    createdAt: now,
    expiresAt: lifetime === null ? null : new Date(now.getTime() + lifetime),
    revokedAt: null,
    lastUsedAt: null,
  };
  const previous = await deps.db.transaction().execute(async (tx) => {
    const ended = await expireApiKey(tx, old, end);
    if (ended !== null) await insertApiKey(tx, apiKey, hash);
    return ended;
  });
  if (previous === null) throw new InvalidStateError('Someone else just rotated or revoked this key.', 'CHANGED');
  return { apiKey, secret, previous };
}
