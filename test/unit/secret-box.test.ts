import { expect, test } from 'vitest';
import { createSecretBox } from '../../src/store/secret-box.ts';

const box = createSecretBox('a-secret-key-for-tests');
const REFUSED = /authenticate|Invalid/;
const place = { projectId: 'proj_a', name: 'token' };

test('what is sealed opens for its place under its key, and is never sealed the same twice', () => {
  const sealed = box.seal(place, 'grüße-secret');
  expect(box.open(place, sealed)).toBe('grüße-secret');
  expect(box.seal(place, 'grüße-secret')).not.toBe(sealed);
  expect(Buffer.from(sealed, 'base64url').toString('latin1')).not.toContain('secret');
});

test('it does not open for another project, name or key, nor when a bit of it was changed', () => {
  const sealed = box.seal(place, 'value-of-it');
  const other = createSecretBox('another-secret-key-entirely');
  expect(other.keyId).not.toBe(box.keyId);
  expect(() => other.open(place, sealed)).toThrow(REFUSED);
  expect(() => box.open({ ...place, projectId: 'proj_b' }, sealed)).toThrow(REFUSED);
  expect(() => box.open({ ...place, name: 'token2' }, sealed)).toThrow(REFUSED);
  for (let at = 0; at < Buffer.from(sealed, 'base64url').length; at += 1) {
    const bytes = Buffer.from(sealed, 'base64url');
    bytes[at] = (bytes[at] ?? 0) ^ 1;
    expect(() => box.open(place, bytes.toString('base64url'))).toThrow(REFUSED);
  }
  expect(() => box.open(place, '')).toThrow(REFUSED);
});

test('the key id tells nothing of the key, and is the same for the same key', () => {
  expect(createSecretBox('a-secret-key-for-tests').keyId).toBe(box.keyId);
  expect(box.keyId).toMatch(/^[0-9a-f]{16}$/);
});
