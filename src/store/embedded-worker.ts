/**
 * The thread of the embedded database: PGlite, spoken to in PostgreSQL's own protocol.
 *
 * It does one thing after the other and answers each message with one, in order.
 */
import { openAsBlob } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import { parentPort, workerData } from 'node:worker_threads';
import { PGlite } from '@electric-sql/pglite';

/** What it is asked: to open a database, to close it, to hand out its files, or messages of the protocol. */
export type ToEmbedded = OpenEmbedded | 'close' | 'dump' | Uint8Array<ArrayBuffer>;

/** A database in a folder, or in memory: an empty one, or what the tar file at `template` holds. */
export interface OpenEmbedded {
  readonly dataDir?: string;
  readonly template?: string;
}

/** What came of it: PGlite's compiled code, nothing, the tar file of a dump, or the answer in the protocol. */
export type FromEmbedded = { readonly value: unknown } | { readonly error: Error };

/**
 * Unlike a server's, our pages are beside the system's cache in the same memory, and each start fills all of them with
 * zeros: with 128 MB, as initdb chooses, it takes 0.4 s and 100 MB more, and items pass no faster.
 */
const BUFFERS = 'shared_buffers=32MB';

/** Compiled before anyone asks for a database: the service takes longer to load. An earlier thread may have done so. */
const code = compile();
let pglite: PGlite | undefined;
let last: Promise<void> = Promise.resolve();

async function compile(): Promise<WebAssembly.Module | undefined> {
  // Of all that a thread is started with, `EmbeddedThread` says what is in this.
  const { compiled } = workerData as { readonly compiled?: WebAssembly.Module };
  if (compiled !== undefined) return compiled;
  try {
    const folder = path.dirname(createRequire(import.meta.url).resolve('@electric-sql/pglite'));
    return await WebAssembly.compile(await readFile(path.join(folder, 'pglite.wasm')));
  } catch {
    // Whatever it is, PGlite then meets the same, and says it.
    return undefined;
  }
}

async function open({ dataDir, template }: OpenEmbedded): Promise<WebAssembly.Module | undefined> {
  const pgliteWasmModule = await code;
  pglite = await PGlite.create({
    ...(dataDir !== undefined && { dataDir }),
    ...(template !== undefined && { loadDataDir: await openAsBlob(template) }),
    ...(pgliteWasmModule !== undefined && { pgliteWasmModule }),
    startParams: [...PGlite.defaultStartParams, '-c', BUFFERS],
  });
  return pgliteWasmModule;
}

async function answer(message: ToEmbedded): Promise<unknown> {
  if (typeof message === 'object' && !(message instanceof Uint8Array)) return await open(message);
  if (pglite === undefined) throw new Error('No database is open.');
  if (message === 'close') return await pglite.close();
  if (message === 'dump') return await pglite.dumpDataDir('none');
  return await pglite.execProtocolRaw(message);
}

async function handle(message: ToEmbedded): Promise<void> {
  try {
    const value = await answer(message);
    // PGlite answers with a copy, which can be moved.
    const transfer = value instanceof Uint8Array && value.buffer instanceof ArrayBuffer ? [value.buffer] : [];
    parentPort?.postMessage({ value } satisfies FromEmbedded, transfer);
  } catch (thrown) {
    const error = thrown instanceof Error ? thrown : new Error(String(thrown));
    parentPort?.postMessage({ error } satisfies FromEmbedded);
  }
}

parentPort?.on('message', (message: ToEmbedded) => {
  last = last.then(() => handle(message));
});
