/** The thread of `probe.ts`: imports one module and tells what it exports. */
import { pathToFileURL } from 'node:url';
import { parentPort, workerData } from 'node:worker_threads';
import { AgentFileError, reasonOf } from './agent-file-error.ts';
import { readModule } from './module-shape.ts';
import type { ProbeAnswer } from './probe.ts';

async function probe(file: string): Promise<ProbeAnswer> {
  try {
    const { run: _run, ...found } = readModule(await import(pathToFileURL(file).href));
    return { ok: true, found };
  } catch (error) {
    return {
      ok: false,
      reason: error instanceof AgentFileError ? reasonOf(error) : `it throws when imported: ${reasonOf(error)}`,
    };
  }
}

// workerData is what probe.ts hands over.
const { file } = workerData as { file: string };
// An import that waits for ever with nothing to wake it would end the thread silently; this keeps it until the deadline.
const alive = setInterval(() => undefined, 60_000);
parentPort?.postMessage(await probe(file));
clearInterval(alive);
