/** What API keys look like, and how they are kept. */
import { createHash, randomBytes } from 'node:crypto';
import { customAlphabet } from 'nanoid';

const shortId = customAlphabet('abcdefghijklmnopqrstuvwxyz0123456789', 8);

/** A key as its owner sees it once: the whole, and the part to recognise it by. */
export interface KeySecret {
  readonly secret: string;
  readonly prefix: string;
  readonly hash: string;
}

/** A new key, `by_<prefix>_<secret>`, with 256 random bits. */
export function makeKeySecret(): KeySecret {
  const prefix = `by_${shortId()}`;
  const secret = `${prefix}_${randomBytes(32).toString('base64url')}`;
  return { secret, prefix, hash: hashKey(secret) };
}

/** A key that the operator chose; only four characters of it are kept to recognise it by. */
export const givenKeySecret = (secret: string): KeySecret => ({
  secret,
  prefix: `${secret.slice(0, 4)}…`,
  hash: hashKey(secret),
});

/** SHA-256 in hex: keys have too much entropy to be guessed, so a slow hash would only cost time. */
export const hashKey = (secret: string): string => createHash('sha256').update(secret).digest('hex');
