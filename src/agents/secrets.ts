/** Reads the secrets that stored agents' configs name, when a call is made. */
import type { Db } from '../store/database.ts';
import type { SecretBox } from '../store/secret-box.ts';
import { findSealedSecret } from '../store/secrets.ts';

/** A secret that a call needs and cannot have; as an item's error it is permanent until someone sets the secret. */
export class SecretError extends Error {
  readonly category = 'AUTHENTICATION';
  readonly transient = false;
  readonly code: 'secret_missing' | 'secret_unreadable';
  constructor(code: 'secret_missing' | 'secret_unreadable', message: string) {
    super(message);
    this.name = 'SecretError';
    // It would tell the item's owner of this service's files, and nothing of the item.
    delete this.stack;
    this.code = code;
  }
}

/** The value of a project's secret as it is now. Throws SecretError. */
export type ReadSecret = (projectId: string, name: string) => Promise<string>;

/** How long a value that was read serves further calls: thousands of calls a second would else ask each. */
const KEPT_MS = 1_000;

/** Reads and opens secrets; one that was changed or deleted counts a second later at most. */
export function createSecretReader(db: Db, box: SecretBox, now: () => Date): ReadSecret {
  const kept = new Map<string, { readonly value: Promise<string>; readonly until: number }>();

  async function read(projectId: string, name: string): Promise<string> {
    const shown = JSON.stringify(name);
    const stored = await findSealedSecret(db, projectId, name);
    if (stored === null)
      throw new SecretError('secret_missing', `There is no secret ${shown} (any more). Set it, then retry.`);
    const otherKey = stored.keyId !== box.keyId;
    try {
      if (!otherKey) return box.open({ projectId, name }, stored.sealed);
    } catch {
      // Node says only that it could not authenticate; which of our rules that breaks is said below.
    }
    const why = otherKey ? 'it was stored under another BATCHYARD_SECRET_KEY' : 'what is stored was altered';
    throw new SecretError(
      'secret_unreadable',
      `The secret ${shown} cannot be opened: ${why}. Set it anew, or start with the former key.`,
    );
  }

  return (projectId, name) => {
    const at = now().getTime();
    const key = `${projectId} ${name}`;
    const known = kept.get(key);
    if (known !== undefined && known.until > at) return known.value;
    for (const [old, { until }] of kept) if (until <= at) kept.delete(old);
    const value = read(projectId, name);
    kept.set(key, { value, until: at + KEPT_MS });
    // What failed is asked anew: it may have been the database.
    value.catch(() => kept.delete(key));
    return value;
  };
}
