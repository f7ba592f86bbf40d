/**
 * One thread that runs calls of module agents.
 *
 * It starts when it is made, and is over when its `exit` event has come: by itself (`crashed`), or because it was
 * ended here. A thread is `stuck` when it does not answer a ping in time while it has a call that was aborted, or for
 * longer while calls share it; it is `overstayed` when a call goes on too long after its abort. The calls that are left
 * are handed to `ended` only when it is over: until then they may still be running.
 */
import { Worker } from 'node:worker_threads';
import { CheckedResult } from '../../domain/agent-result.ts';
import { reasonOf } from '../agent-file-error.ts';
import { AgentUnavailableError } from '../agent-unavailable.ts';
import { CallTable } from './call-table.ts';
import type { OpenCall, ThreadedAgent } from './open-call.ts';
import { Outbox } from './outbox.ts';
import type { FromThread, ToThread } from './protocol.ts';
import { Pulse } from './pulse.ts';
import { unpackThrown } from './thrown.ts';

/** Why a thread is over. */
export type ThreadEnd = 'crashed' | 'stuck' | 'overstayed' | 'finished' | 'stopped';

/** How long what may last, in ms. */
export interface ThreadTimes {
  /** Silence of a thread that has a call which was aborted. */
  readonly pingMs: number;
  /** Silence of a thread that several calls share. */
  readonly silenceMs: number;
  /** From an abort until the call must have ended. */
  readonly overstayMs: number;
  /** An import of an agent. */
  readonly importMs: number;
}

/** What is told of a thread. */
export interface ThreadHooks {
  /** A call is over, and its thread goes on. */
  answered(thread: AgentThread, call: OpenCall): void;
  /** The thread takes no more calls. */
  closing(thread: AgentThread): void;
  /** The thread is over, and these calls with it. */
  ended(thread: AgentThread, end: ThreadEnd, reason: string, calls: readonly OpenCall[]): void;
}

const START = new URL('../../thread.js', import.meta.url);
const PROGRAM = new URL('./thread-worker.ts', import.meta.url);

export class AgentThread {
  /** Resolves when the thread is over. */
  readonly gone: Promise<void>;
  readonly #worker: Worker;
  readonly #times: ThreadTimes;
  readonly #hooks: ThreadHooks;
  readonly #outbox: Outbox;
  readonly #pulse: Pulse;
  readonly #calls = new CallTable<OpenCall>();
  /** By version id: the agent's number once it is imported, a promise of it before. */
  readonly #agents = new Map<string, number | Promise<number>>();
  readonly #imports = new Map<number, PromiseWithResolvers<void>>();
  #importCount = 0;
  #started = false;
  #end: ThreadEnd | null = null;
  #death: unknown = null;

  constructor(maxHeapMb: number, times: ThreadTimes, hooks: ThreadHooks) {
    this.#times = times;
    this.#hooks = hooks;
    this.#worker = new Worker(START, {
      name: 'agents',
      workerData: { program: PROGRAM.href },
      resourceLimits: { maxOldGenerationSizeMb: maxHeapMb },
    });
    // Without calls it keeps no process alive.
    this.#worker.unref();
    this.#outbox = new Outbox(this.#worker, (message, error) => this.#refused(message, error));
    this.#pulse = new Pulse(() => this.#outbox.post({ kind: 'ping' }));
    this.#worker.on('message', (messages: readonly FromThread[]) => {
      this.#started = true;
      for (const message of messages) this.#handle(message);
    });
    this.#worker.on('error', (error) => {
      this.#death = error;
    });
    const gone = Promise.withResolvers<void>();
    this.gone = gone.promise;
    this.#worker.on('exit', (code) => {
      this.#over(code);
      gone.resolve();
    });
  }

  /** How many calls it has. */
  get load(): number {
    return this.#calls.size;
  }

  /** Whether something keeps it from answering just now. */
  get silent(): boolean {
    return this.#pulse.silentMs > this.#times.pingMs;
  }

  /** Runs a call. */
  take(call: OpenCall): void {
    if (this.#calls.size === 0) this.#worker.ref();
    call.no = this.#calls.add(call);
    const agent = this.#agents.get(call.agent.versionId) ?? this.#load(call.agent);
    if (typeof agent === 'number') return this.#send(call, agent);
    // Nothing of it has reached the thread yet.
    call.onAbort(() => this.#release(call, () => call.reject(call.abortError())));
    agent.then(
      (imported) => call.open && this.#send(call, imported),
      (error: unknown) => this.#release(call, () => call.reject(error)),
    );
  }

  /** Ends the thread; may be repeated. */
  close(end: ThreadEnd): void {
    if (this.#end !== null) return;
    this.#end = end;
    this.#hooks.closing(this);
    void this.#worker.terminate();
  }

  /** Looks whether it must be ended; to be called some times a second while it has calls. */
  async check(): Promise<void> {
    // It takes a moment to start, longer on a busy machine; the deadline of the first import covers that.
    if (!this.#started) return;
    const { overstayMs, pingMs, silenceMs } = this.#times;
    let abortedAt = Infinity;
    for (const call of this.#calls.all) abortedAt = Math.min(abortedAt, call.abortedAt ?? Infinity);
    if (performance.now() - abortedAt > overstayMs) return this.close('overstayed');
    this.#pulse.beat();
    const limit = abortedAt < Infinity ? pingMs : this.#calls.size > 1 ? silenceMs : Infinity;
    if ((await this.#pulse.isSilent(limit)) && this.#calls.size > 0) this.close('stuck');
  }

  #load(agent: ThreadedAgent): Promise<number> {
    const loading = this.#import(agent);
    this.#agents.set(agent.versionId, loading);
    loading.then(
      (no) => this.#agents.set(agent.versionId, no),
      () => this.#agents.delete(agent.versionId),
    );
    return loading;
  }

  async #import(agent: ThreadedAgent): Promise<number> {
    const url = new URL(await agent.url());
    this.#importCount += 1;
    const no = this.#importCount;
    // Node keeps a failed import by its URL and would only throw the same again.
    url.searchParams.set('import', String(no));
    const imported = Promise.withResolvers<void>();
    this.#imports.set(no, imported);
    this.#outbox.post({ kind: 'load', agent: no, url: url.href });
    const deadline = setTimeout(() => {
      imported.reject(new Error('it did not finish importing in time'));
      if (this.silent || !this.#started) this.close('stuck');
    }, this.#times.importMs);
    try {
      await imported.promise;
      return no;
    } catch (error) {
      throw new AgentUnavailableError(agent.versionId, reasonOf(error));
    } finally {
      clearTimeout(deadline);
      this.#imports.delete(no);
    }
  }

  #send(call: OpenCall, agent: number): void {
    call.onAbort(() => {
      const { name, message } = call.abortReason;
      this.#outbox.post({ kind: 'abort', call: call.no, name, message });
      this.#pulse.beat();
    });
    this.#outbox.post({ kind: 'call', call: call.no, agent, context: call.sent() });
  }

  /** A context that cannot be cloned is its call's error. */
  #refused(message: ToThread, error: unknown): void {
    const call = message.kind === 'call' ? this.#calls.get(message.call) : undefined;
    if (call === undefined) throw error;
    this.#release(call, () => call.reject(error));
  }

  #handle(message: FromThread): void {
    switch (message.kind) {
      case 'loaded':
        return this.#imports.get(message.agent)?.resolve();
      case 'unloadable':
        return this.#imports.get(message.agent)?.reject(new Error(message.reason));
      case 'returned':
        return this.#answered(message.call, (call) => call.resolve(new CheckedResult(message.check)));
      case 'threw':
        return this.#answered(message.call, (call) => call.reject(unpackThrown(message.thrown)));
      case 'asks':
        return void this.#reply(message);
      case 'said':
        return this.#calls.get(message.call)?.log(message.text, message.level, message.dropped);
      case 'pong':
        return this.#pulse.heard();
    }
  }

  async #reply({ call: no, question, asked }: Extract<FromThread, { kind: 'asks' }>): Promise<void> {
    const call = this.#calls.get(no);
    if (call === undefined) return;
    const { answer, transfer } = await call.answer(asked);
    this.#outbox.post({ kind: 'answer', call: no, question, answer }, transfer);
  }

  #answered(no: number, settle: (call: OpenCall) => void): void {
    const call = this.#calls.get(no);
    if (call !== undefined) this.#release(call, () => settle(call));
  }

  #release(call: OpenCall, settle: () => void): void {
    if (!this.#calls.delete(call.no)) return;
    if (this.#calls.size === 0) this.#worker.unref();
    settle();
    this.#hooks.answered(this, call);
  }

  #over(code: number): void {
    if (this.#end === null) this.#hooks.closing(this);
    const reason = this.#death === null ? `it ended its process with code ${code}` : reasonOf(this.#death);
    // Who was called first is suspected first.
    const calls = this.#calls.all.sort((a, b) => a.no - b.no);
    for (const { no } of calls) this.#calls.delete(no);
    for (const imported of this.#imports.values()) imported.reject(new Error(reason));
    this.#hooks.ended(this, this.#end ?? 'crashed', reason, calls);
  }
}
