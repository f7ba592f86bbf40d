/** A call of a threaded agent as the service's thread sees it: a promise, and what the agent may ask for. */
import type { AgentContext, AgentLog } from '../../domain/agent-context.ts';
import type { CallSignal } from '../../domain/call-signal.ts';
import type { Answer, Question, SentContext } from './protocol.ts';
import { packThrown } from './thrown.ts';

/** A version of a module agent that runs in threads. */
export interface ThreadedAgent {
  readonly versionId: string;
  readonly name: string;
  /** The URL of a file with exactly its source; asked for by each thread that imports it. */
  url(): Promise<string>;
}

export class OpenCall {
  /** Its number in its thread; 0 before it has one. */
  no = 0;
  readonly agent: ThreadedAgent;
  readonly promise: Promise<unknown>;
  /** When the agent was told to stop, by the monotonic clock; null while it was not. */
  abortedAt: number | null = null;
  readonly #context: AgentContext;
  readonly #stop: CallSignal;
  readonly #settle: PromiseWithResolvers<unknown>;
  #onAbort: () => void = () => undefined;
  #open = true;

  /** `stop` is what stops the call of that context. */
  constructor(agent: ThreadedAgent, context: AgentContext, stop: CallSignal) {
    this.agent = agent;
    this.#context = context;
    this.#stop = stop;
    this.#settle = Promise.withResolvers();
    this.promise = this.#settle.promise;
    stop.listen(() => {
      this.abortedAt = performance.now();
      this.#onAbort();
    });
  }

  /** The same for every attempt at one item in one tier and round. */
  get key(): string {
    return this.#context.idempotencyKey;
  }

  get open(): boolean {
    return this.#open;
  }

  /** Why it was aborted, as far as it can be sent. */
  get abortReason(): { readonly name: string; readonly message: string } {
    const { reason } = this.#stop;
    // No error of its own for each of hundreds of calls that are aborted at once.
    return reason instanceof Error ? reason : { name: 'AbortError', message: String(reason) };
  }

  /** The same as an error. */
  abortError(): DOMException {
    const { name, message } = this.abortReason;
    return new DOMException(message, name);
  }

  /** Says what an abort does from now on: where the call waits, or is run. */
  onAbort(callback: () => void): void {
    this.#onAbort = callback;
  }

  /** Ends the call with what its agent answered. */
  resolve(value: unknown): void {
    this.#end();
    this.#settle.resolve(value);
  }

  /** Ends the call with an error. */
  reject(error: unknown): void {
    this.#end();
    this.#settle.reject(error);
  }

  /** Hands a line of the agent's log on. */
  log(...line: Parameters<AgentLog>): void {
    this.#context.log(...line);
  }

  /** What is sent of the context. */
  sent(): SentContext {
    const { item, previous, userMessage, config, tier, round, attempt, idempotencyKey } = this.#context;
    const { ordinal, dataElementId, filename, mediaType, metadata } = item;
    return {
      ...{ previous, userMessage, config, tier, round, attempt, idempotencyKey },
      item: {
        ...{ ordinal, dataElementId, filename, mediaType, metadata },
        documents: item.documents.map((document) => ({ filename: document.filename, mediaType: document.mediaType })),
      },
    };
  }

  /** The answer to a question of the agent, with what of it may be moved instead of copied. Never rejects. */
  async answer(question: Question): Promise<{ answer: Answer; transfer: readonly ArrayBuffer[] }> {
    try {
      if ('exists' in question) {
        return { answer: { ok: true, value: await this.#context.item.exists(question.exists) }, transfer: [] };
      }
      const { item } = this.#context;
      const source = question.bytesOf === null ? item : item.documents[question.bytesOf];
      if (source === undefined) throw new RangeError(`The item has no document ${question.bytesOf}.`);
      // The item keeps its content for other calls, and a Buffer may be a part of something larger.
      const copy = new Uint8Array(await source.bytes());
      return { answer: { ok: true, value: copy }, transfer: [copy.buffer] };
    } catch (error) {
      return { answer: { ok: false, thrown: packThrown(error) }, transfer: [] };
    }
  }

  #end(): void {
    this.#open = false;
    this.#stop.listen(null);
  }
}
