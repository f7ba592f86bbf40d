import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { openEmbedded } from '../../src/store/embedded.ts';
import { compiledPglite, compilePglite } from '../../src/store/pglite-module.ts';
import { dataFolder } from '../support/data-folder.ts';

test('the embedded database opens with the code that was compiled beforehand', { timeout: 60_000 }, async () => {
  expect(await compiledPglite()).toBeUndefined();
  compilePglite();
  const compiled = await compiledPglite();
  expect(compiled).toBeInstanceOf(WebAssembly.Module);
  compilePglite();
  expect(await compiledPglite()).toBe(compiled);
  const { db, close } = await openEmbedded(dataFolder());
  const { rows } = await sql<{ buffers: string }>`select current_setting('shared_buffers') as buffers`.execute(db);
  expect(rows).toEqual([{ buffers: '32MB' }]);
  await close();
});
