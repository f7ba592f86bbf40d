/**
 * `npm start`.
 *
 * Compiling what the service imports is most of its start, so what came of it is kept from one start to the next: a
 * service that was killed is back in half the time. Imported late, because a module's imports are compiled before it
 * runs. Where the folder cannot be written nothing is kept.
 */
import { enableCompileCache } from 'node:module';
import path from 'node:path';

enableCompileCache(path.join(import.meta.dirname, '..', 'node_modules', '.cache', 'compiled'));
const { serve } = await import('./serve.ts');
await serve();
