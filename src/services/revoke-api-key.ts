import type { Actor, ApiKey } from '../domain/model.ts';
import { InvalidStateError, NotFoundError } from '../domain/user-error.ts';
import { findApiKey, lockLastingOperatorKeys, revokeApiKey as storeRevocation } from '../store/api-keys.ts';
import type { ServiceDeps } from './ports.ts';
import { requireRole } from './require-role.ts';

/**
 * The key, revoked: it opens nothing from now on, and its subscriptions end within seconds.
 *
 * Needs ADMIN, and at least the key's own role. A key that was revoked before is answered as it is. The last
 * OPERATOR key that never expires cannot be revoked (InvalidStateError): nobody could make another. An ADMIN's last
 * key can, since an operator makes another. Throws NotFoundError.
 */
export async function revokeApiKey(
  deps: Pick<ServiceDeps, 'db' | 'now'>,
  actor: Actor,
  input: { readonly apiKeyId: string },
): Promise<ApiKey> {
  requireRole(actor, 'ADMIN');
  const { apiKeyId } = input;
  return deps.db.transaction().execute(async (tx) => {
    // Locked before anything is read: two revocations at once must not each leave the other as the last.
    const lasting = await lockLastingOperatorKeys(tx);
    const key = await findApiKey(tx, actor.customerId, apiKeyId);
    if (key === null) throw new NotFoundError('API key', apiKeyId);
    requireRole(actor, key.role);
    if (lasting.length === 1 && lasting[0] === key.id) {
      throw new InvalidStateError(
        'This is the last operator key that never expires. Create another first.',
        'LAST_OPERATOR_KEY',
      );
    }
    return (await storeRevocation(tx, actor.customerId, key.id, deps.now())) ?? key;
  });
}
