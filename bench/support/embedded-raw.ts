/** The limit on the embedded database: the raw loop in a process of its own, over a data folder as the service has. */
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { PGlite } from '@electric-sql/pglite';
import { openEmbedded } from '../../src/store/embedded.ts';
import { migrateToLatest } from '../../src/store/migrate.ts';
import { loadRaw, type Query, runRaw } from './raw.ts';

const BATCHES = [500, 2_000];

/** Items per second of the fastest batch size; run as a program it prints them. */
async function measure(items: number): Promise<number> {
  const dataDir = mkdtempSync(path.join(os.tmpdir(), 'batchyard-bench-'));
  try {
    const { db, close } = await openEmbedded(dataDir, () => undefined);
    await migrateToLatest(db);
    await close();
    const pglite = await PGlite.create(path.join(dataDir, 'db'));
    const query: Query = (text, values) => pglite.query(text, [...values]);
    let best = 0;
    for (const batch of BATCHES) {
      await loadRaw(query, items);
      const started = performance.now();
      await runRaw([query], items, batch);
      best = Math.max(best, items / ((performance.now() - started) / 1_000));
    }
    await pglite.close();
    return best;
  } finally {
    rmSync(dataDir, { recursive: true, force: true });
  }
}

console.log(JSON.stringify({ itemsPerSecond: await measure(Number(process.argv[2])) }));
