/**
 * Seals the secrets of projects with AES-256-GCM, under a key that is derived from the service's secret key.
 *
 * What is sealed opens only for the project and the name that it was sealed for: whoever can write to the
 * database can't move one project's secret to another, or to a name that goes to another endpoint.
 */
import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';

/** What a secret belongs to. */
export interface SecretPlace {
  readonly projectId: string;
  readonly name: string;
}

/** Seals and opens secrets. */
export interface SecretBox {
  /** Tells keys apart, and nothing else about them. */
  readonly keyId: string;
  /** The value as it is stored; never the same twice. */
  seal(place: SecretPlace, value: string): string;
  /** The value. Throws when it was sealed under another key or for another place, or was altered. */
  open(place: SecretPlace, sealed: string): string;
}

const ALGORITHM = 'aes-256-gcm';
const IV_BYTES = 12;
const TAG_BYTES = 16;

/** The box that a secret key opens. */
export function createSecretBox(secretKey: string): SecretBox {
  const derive = (purpose: string, bytes: number): Buffer =>
    Buffer.from(hkdfSync('sha256', secretKey, '', `batchyard ${purpose}`, bytes));
  const key = derive('stored secrets', 32);
  const keyId = derive('stored secrets key id', 8).toString('hex');
  const boundTo = ({ projectId, name }: SecretPlace): Buffer => Buffer.from(JSON.stringify([keyId, projectId, name]));
  return {
    keyId,
    seal(place, value) {
      const iv = randomBytes(IV_BYTES);
      const cipher = createCipheriv(ALGORITHM, key, iv, { authTagLength: TAG_BYTES }).setAAD(boundTo(place));
      const text = Buffer.concat([cipher.update(value, 'utf8'), cipher.final()]);
      return Buffer.concat([iv, cipher.getAuthTag(), text]).toString('base64url');
    },
    open(place, sealed) {
      const bytes = Buffer.from(sealed, 'base64url');
      const decipher = createDecipheriv(ALGORITHM, key, bytes.subarray(0, IV_BYTES), { authTagLength: TAG_BYTES })
        .setAAD(boundTo(place))
        .setAuthTag(bytes.subarray(IV_BYTES, IV_BYTES + TAG_BYTES));
      const text = decipher.update(bytes.subarray(IV_BYTES + TAG_BYTES));
      return Buffer.concat([text, decipher.final()]).toString('utf8');
    },
  };
}
