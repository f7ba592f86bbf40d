/** The secret key of a service that was given none. */
import { randomBytes } from 'node:crypto';
import { link, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { makePrivate } from './folder-lock.ts';

/** The secret key that the data folder holds; made now when there is none yet. Only its owner can read the file. */
export async function obtainSecretKey(dataDir: string): Promise<string> {
  const file = path.join(dataDir, 'secret-key');
  const draft = path.join(dataDir, `secret-key.${randomBytes(6).toString('hex')}`);
  await writeFile(draft, randomBytes(32).toString('base64url'), { flag: 'wx', mode: 0o600, flush: true });
  try {
    // Under its name it is there whole or not at all, and never in place of another.
    await link(draft, file);
  } catch (error) {
    if (!(error instanceof Error) || Reflect.get(error, 'code') !== 'EEXIST') throw error;
  } finally {
    await rm(draft);
  }
  await makePrivate(file);
  const key = (await readFile(file, 'utf8')).trim();
  // Emptied by hand or by a full disk; a key of nothing would sign for everyone.
  if (key.length < 20) throw new Error(`${file} holds no key. Remove it, and a new one is made.`);
  return key;
}
