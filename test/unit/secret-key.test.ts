import { readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { newId } from '../../src/domain/ids.ts';
import type { Actor } from '../../src/domain/model.ts';
import { createResultLinks } from '../../src/services/result-links.ts';
import { obtainSecretKey } from '../../src/store/secret-key.ts';
import { temporaryFolder } from '../support/data-folder.ts';

test('a data folder keeps one secret key, readable by its owner alone, also when two ask at once', async () => {
  const folder = temporaryFolder();
  const keys = await Promise.all([obtainSecretKey(folder), obtainSecretKey(folder)]);
  keys.push(await obtainSecretKey(folder));
  expect(new Set(keys).size).toBe(1);
  expect(keys[0]).toHaveLength(43);
  expect(statSync(path.join(folder, 'secret-key')).mode & 0o777).toBe(0o600);
  expect(readFileSync(path.join(folder, 'secret-key'), 'utf8')).toBe(keys[0]);
});

test('an emptied secret key is an error, not a key that anyone could guess', async () => {
  const folder = temporaryFolder();
  writeFileSync(path.join(folder, 'secret-key'), '');
  await expect(obtainSecretKey(folder)).rejects.toThrow('holds no key');
});

test('a link opens with the secret that signed it and with no other', () => {
  const actor: Actor = {
    ...{ keyId: newId('ApiKey'), role: 'ADMIN', customerId: newId('Customer'), projectId: newId('Project') },
  };
  const [now, id] = [new Date(), newId('BatchExecution')];
  const token = createResultLinks('the first secret of two').sign(actor, id, now);
  expect(createResultLinks('the first secret of two').open(token, id, now)).toEqual({ ...actor, role: 'READER' });
  expect(createResultLinks('the other secret of two').open(token, id, now)).toBeNull();
  expect(createResultLinks('the first secret of two').open('', id, now)).toBeNull();
});
