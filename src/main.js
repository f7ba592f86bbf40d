/**
 * `npm start`.
 *
 * Loading what the service imports takes half the processor time when what was compiled is kept from the start before
 * (measured: 1.0 instead of 2.0 s). Imported late, because a module's imports are compiled before it runs. Where the
 * folder cannot be written nothing is kept.
 *
 * In JavaScript: a first file in TypeScript has Node load its compiler, which nothing after it needs then (measured:
 * 0.13 s of processor time, 0.17 s before the first import).
 */
import { enableCompileCache, flushCompileCache } from 'node:module';
import path from 'node:path';
import { setEnvironmentData } from 'node:worker_threads';

const folder = path.join(import.meta.dirname, '..', 'node_modules', '.cache', 'compiled');
const { directory } = enableCompileCache(folder);
// For `thread.js`.
if (directory !== undefined) setEnvironmentData('compiled', folder);
// Unset means the embedded database; all settings are checked once what checks them is loaded.
if (!process.env.DATABASE_URL) (await import('./store/embedded-thread.ts')).startThread();
const { serve } = await import('./serve.ts');
await serve();
// Node keeps it at its end; a process that is killed has none.
flushCompileCache();
