/** The embedded database's thread, as the service's own thread sees it. */
import { Worker } from 'node:worker_threads';
import type { FromEmbedded, OpenEmbedded, ToEmbedded } from './embedded-worker.ts';

const START = new URL('../thread.js', import.meta.url);
const PROGRAM = new URL('./embedded-worker.ts', import.meta.url);

/** One that nobody has. */
let idle: EmbeddedThread | undefined;
/** PGlite's code, for the threads after the first: compiling it takes more than a second of processor time. */
let compiled: WebAssembly.Module | undefined;

/** Starts the thread for the database that is opened next, while the rest of the service loads. */
export function startThread(): void {
  idle ??= new EmbeddedThread();
}

/** The thread that was started before, or one that starts now. */
export function takeThread(): EmbeddedThread {
  const thread = idle ?? new EmbeddedThread();
  idle = undefined;
  return thread;
}

/** Takes a thread back whose database is closed; the next is opened in a third of the time there. */
export async function giveThread(thread: EmbeddedThread): Promise<void> {
  if (idle !== undefined) return await thread.end();
  thread.rest();
  idle = thread;
}

/**
 * A thread of its own for the database, because PGlite computes in the thread that calls it: the service's would stand
 * still for each statement, a tenth of a second and more at full speed.
 */
export class EmbeddedThread {
  readonly #worker: Worker;
  readonly #asked: PromiseWithResolvers<unknown>[] = [];
  #gone: Error | null = null;

  constructor() {
    this.#worker = new Worker(START, { name: 'database', workerData: { program: PROGRAM.href, compiled } });
    this.rest();
    this.#worker.on('message', (answer: FromEmbedded) => {
      const asked = this.#asked.shift();
      if ('error' in answer) asked?.reject(answer.error);
      else asked?.resolve(answer.value);
    });
    this.#worker.on('error', (error) => this.#over(error));
    this.#worker.on('exit', (code) => this.#over(new Error(`its thread ended with code ${code}`)));
  }

  /** Opens a database; another that it had must be closed. */
  async open(which: OpenEmbedded): Promise<void> {
    // What the thread answers to that.
    compiled = (await this.ask(which)) as WebAssembly.Module | undefined;
  }

  /** Asks for something; rejects with what went wrong, also where the thread is over. The buffer of a message is moved. */
  async ask(message: ToEmbedded): Promise<unknown> {
    if (this.#gone !== null) throw this.#gone;
    this.#worker.ref();
    this.#worker.postMessage(message, message instanceof Uint8Array ? [message.buffer] : []);
    const asked = Promise.withResolvers<unknown>();
    this.#asked.push(asked);
    return await asked.promise;
  }

  /** Keeps no process alive until it is asked something. */
  rest(): void {
    this.#worker.unref();
  }

  /** Ends the thread, whatever it does. */
  async end(): Promise<void> {
    await this.#worker.terminate();
  }

  #over(cause: unknown): void {
    this.#gone ??= new Error('The embedded database is gone.', { cause });
    for (const asked of this.#asked.splice(0)) asked.reject(this.#gone);
  }
}
