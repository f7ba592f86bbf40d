/**
 * Begins a thread of ours: imports its program, with what was compiled before.
 *
 * JavaScript as `main.js` is, and for its reasons: else each thread would load the compiler, and compile what it imports,
 * anew (measured for a look at an agent's module: 0.23 instead of 0.11 s of processor time). Not told by
 * NODE_COMPILE_CACHE: programs that agents start would have it too, and leave what they compile in our folder.
 */
import { enableCompileCache } from 'node:module';
import { getEnvironmentData, workerData } from 'node:worker_threads';

const folder = getEnvironmentData('compiled');
if (folder !== undefined) enableCompileCache(folder);
await import(workerData.program);
