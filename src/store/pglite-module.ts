/**
 * PGlite's compiled code, prepared while the rest of the service loads.
 *
 * In a thread: compiling holds the one that asks for it for 0.1 s, whether it waits or not, and ours is busy.
 */
import { createRequire } from 'node:module';
import path from 'node:path';
import { Worker } from 'node:worker_threads';

const FILE = path.join(path.dirname(createRequire(import.meta.url).resolve('@electric-sql/pglite')), 'pglite.wasm');
/** Its own text, because a thread that starts from TypeScript would load what strips types first. */
const COMPILE = `
  const { parentPort, workerData } = require('node:worker_threads');
  parentPort.postMessage(new WebAssembly.Module(require('node:fs').readFileSync(workerData)));`;

let compiling: Promise<WebAssembly.Module | undefined> | undefined;

/** Begins to compile it; to be called where the embedded database is about to be opened, as early as possible. */
export function compilePglite(): void {
  compiling ??= new Promise((resolve) => {
    const thread = new Worker(COMPILE, { eval: true, workerData: FILE, execArgv: [] });
    thread.once('message', resolve);
    // Whatever it is: PGlite then meets the same, and says it.
    thread.once('error', () => resolve(undefined));
    thread.once('exit', () => resolve(undefined));
  });
}

/** The compiled code; undefined where nobody began to compile it, or that failed: PGlite then does so itself. */
export async function compiledPglite(): Promise<WebAssembly.Module | undefined> {
  return await compiling;
}
