/** Imports a module agent for the first time, where it can do no harm. */
import { Worker } from 'node:worker_threads';
import pLimit from 'p-limit';
import { AgentFileError, reasonOf } from './agent-file-error.ts';
import type { AgentDescription } from './module-shape.ts';

/** What the thread answers. */
export type ProbeAnswer =
  | { readonly ok: true; readonly found: AgentDescription }
  | { readonly ok: false; readonly reason: string };

const START = new URL('../thread.js', import.meta.url);
const PROGRAM = new URL('./probe-worker.ts', import.meta.url);

const slots = pLimit(2);

/**
 * What a module says of itself, asked in a thread of its own.
 *
 * So a module that loops, exits or never finishes importing cannot take the service with it. Throws AgentFileError
 * when it throws, exports no agent, or is not done within `deadlineMs`.
 */
export function probeModule(file: string, deadlineMs: number): Promise<AgentDescription> {
  // The deadline counts from the thread's start, so that a crowd of modules does not make each seem slow.
  return slots(() => probe(file, deadlineMs));
}

async function probe(file: string, deadlineMs: number): Promise<AgentDescription> {
  const worker = new Worker(START, { workerData: { program: PROGRAM.href, file } });
  const { promise, resolve, reject } = Promise.withResolvers<ProbeAnswer>();
  const deadline = setTimeout(
    () => reject(new AgentFileError(`it did not finish importing within ${deadlineMs / 1_000} s`, true)),
    deadlineMs,
  );
  worker.once('message', resolve);
  worker.once('error', (error) => reject(new AgentFileError(`it throws when imported: ${reasonOf(error)}`)));
  worker.once('exit', () => reject(new AgentFileError('it ended its process while it was imported')));
  try {
    const answer = await promise;
    if (!answer.ok) throw new AgentFileError(answer.reason);
    return answer.found;
  } finally {
    clearTimeout(deadline);
    await worker.terminate();
  }
}
