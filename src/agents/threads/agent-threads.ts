/**
 * The threads that module agents run in.
 *
 * A few threads are shared by all calls, many at once in each, because most agents wait for something most of the
 * time. When a shared thread crashes, or has to be ended because it does not answer, nobody can know which of its
 * calls is to blame: each of them rejects with AttemptInterrupted (the engine calls again, uncharged) and is from
 * then on run alone, in a thread of its own, until it has answered. So the one to blame soon harms nobody else; when
 * its own thread has crashed three times, it fails as `worker_crash`.
 *
 * A thread inside a native call (`execSync`) is over only when that returns: Node can end neither it nor the process
 * sooner. Calls that share a timeout shorter than `silenceMs` with one that blocks them time out together with it.
 *
 * Built on node:worker_threads: piscina 5 and tinypool 2 can run several tasks in a worker, but end a worker only by
 * the abort of a task that has it to itself ("abortable tasks cannot share threads"), do not tell which tasks a dead
 * worker had, and know no messages of a running task; workerpool runs one task in a worker.
 */
import os from 'node:os';
import type { AgentContext, AgentRun } from '../../domain/agent-context.ts';
import { AttemptInterrupted } from '../../domain/attempt-interrupted.ts';
import { stopOf } from '../../domain/call-signal.ts';
import { AgentThread, type ThreadEnd, type ThreadTimes } from './agent-thread.ts';
import { OpenCall, type ThreadedAgent } from './open-call.ts';
import { Suspects } from './suspects.ts';

/** How long what may last, in ms. */
export interface PoolTimes extends ThreadTimes {
  /** For a thread of its own; then the call is interrupted and made anew, so that waiting is not charged as its time. */
  readonly waitMs: number;
}

const TIMES: PoolTimes = { pingMs: 250, silenceMs: 5_000, overstayMs: 30_000, importMs: 10_000, waitMs: 2_000 };
const CHECK_MS = 100;
const FATAL_DEATHS = 3;
/** Threads for calls that run alone, for each that is shared: a suspect that only waits costs memory, not time. */
const ALONE_PER_SHARED = 4;

/** Told of a thread that crashed, or had to be ended. */
export interface ThreadDeath {
  readonly end: ThreadEnd;
  readonly reason: string;
  /** The agents that it ran calls of, and how many calls. */
  readonly agents: readonly string[];
  readonly calls: number;
}

export interface PoolOptions {
  /** How many threads all calls share; one for each core that is available unless given. */
  readonly threads?: number | null;
  /** The JavaScript heap of one thread in MB; a quarter of the memory, from 256 to 2,048, unless given. */
  readonly maxHeapMb?: number;
  readonly times?: Partial<PoolTimes>;
  readonly onDeath?: ((death: ThreadDeath) => void) | undefined;
}

/** An item whose agent ends its thread whenever it is called. */
class WorkerCrash extends Error {
  readonly code = 'worker_crash';
  readonly category = 'INTERRUPTED';
  readonly transient = false;
  constructor(reason: string) {
    super(`The agent's thread died ${FATAL_DEATHS} times while it ran this item alone: ${reason}.`);
    this.name = 'WorkerCrash';
  }
}

export class AgentThreads {
  readonly #size: number;
  readonly #maxHeapMb: number;
  readonly #times: PoolTimes;
  readonly #onDeath: (death: ThreadDeath) => void;
  readonly #suspects = new Suspects();
  readonly #threads = new Set<AgentThread>();
  readonly #shared = new Set<AgentThread>();
  /** Threads that run one call alone. */
  readonly #alone = new Set<AgentThread>();
  /** Calls that wait for a thread of their own. */
  readonly #waiting = new Map<OpenCall, NodeJS.Timeout>();
  #checks: NodeJS.Timeout | null = null;
  #stopped = false;

  constructor({ threads, maxHeapMb, times, onDeath = () => undefined }: PoolOptions = {}) {
    this.#size = threads ?? os.availableParallelism();
    this.#maxHeapMb = maxHeapMb ?? defaultHeapMb();
    this.#times = { ...TIMES, ...times };
    this.#onDeath = onDeath;
  }

  /** A function that calls the agent in one of the threads. What it answers is a CheckedResult. */
  runner(agent: ThreadedAgent): AgentRun {
    return (context) => this.#run(agent, context);
  }

  /** Ends every thread, whatever runs in it; resolves when all are gone. May be repeated. */
  async stop(): Promise<void> {
    this.#stopped = true;
    for (const call of this.#waiting.keys()) this.#drop(call, new AttemptInterrupted('The service is stopping.'));
    for (const thread of this.#threads) thread.close('stopped');
    await Promise.all([...this.#threads].map((thread) => thread.gone));
  }

  async #run(agent: ThreadedAgent, context: AgentContext): Promise<unknown> {
    // AttemptInterrupted would be answered with the next call, for ever.
    if (this.#stopped) throw Object.assign(new Error('The service is stopping.'), { category: 'INTERRUPTED' });
    const stop = stopOf(context);
    if (stop.isAborted) throw stop.reason;
    const call = new OpenCall(agent, context, stop);
    if (this.#suspects.orderOf(call.key) === null) this.#place().take(call);
    else this.#wait(call);
    this.#checks ??= setInterval(() => this.#check(), CHECK_MS).unref();
    return await call.promise;
  }

  /** The shared thread for the next call: one that answers and has the least to do. */
  #place(): AgentThread {
    let best: AgentThread | null = null;
    for (const thread of this.#shared) {
      if (best === null || cost(thread) < cost(best)) best = thread;
    }
    if (best === null || (cost(best) > 0 && this.#shared.size < this.#size)) return this.#spawn(this.#shared);
    return best;
  }

  #spawn(group: Set<AgentThread>): AgentThread {
    const thread = new AgentThread(this.#maxHeapMb, this.#times, {
      answered: (_, call) => this.#answered(thread, call),
      closing: () => void this.#shared.delete(thread),
      ended: (_, end, reason, calls) => this.#ended(thread, end, reason, calls),
    });
    this.#threads.add(thread);
    group.add(thread);
    return thread;
  }

  /** Lets a suspect wait for a thread of its own. */
  #wait(call: OpenCall): void {
    const patience = setTimeout(
      () => this.#drop(call, new AttemptInterrupted('No thread of its own was free for this call.')),
      this.#times.waitMs,
    );
    this.#waiting.set(call, patience);
    call.onAbort(() => this.#drop(call, call.abortError()));
    this.#runAlone();
  }

  #drop(call: OpenCall, error: Error): void {
    clearTimeout(this.#waiting.get(call));
    this.#waiting.delete(call);
    call.reject(error);
  }

  /** Gives waiting calls threads of their own, those first that were suspected first. */
  #runAlone(): void {
    while (!this.#stopped && this.#waiting.size > 0 && this.#alone.size < this.#size * ALONE_PER_SHARED) {
      const order = (call: OpenCall): number => this.#suspects.orderOf(call.key) ?? 0;
      const [next] = [...this.#waiting.keys()].sort((a, b) => order(a) - order(b));
      if (next === undefined) return;
      clearTimeout(this.#waiting.get(next));
      this.#waiting.delete(next);
      this.#spawn(this.#alone).take(next);
    }
  }

  #answered(thread: AgentThread, call: OpenCall): void {
    this.#suspects.forget(call.key);
    if (this.#alone.has(thread)) thread.close('finished');
  }

  #ended(thread: AgentThread, end: ThreadEnd, reason: string, calls: readonly OpenCall[]): void {
    this.#threads.delete(thread);
    const alone = this.#alone.delete(thread);
    for (const call of calls) call.reject(this.#verdict(call, end, reason, alone));
    if (end !== 'finished' && end !== 'stopped') {
      const agents = [...new Set(calls.map((call) => call.agent.name))];
      this.#onDeath({ end, reason: end === 'crashed' ? reason : DEATH_REASONS[end], agents, calls: calls.length });
    }
    this.#runAlone();
  }

  /** What a call is told whose thread is over. */
  #verdict(call: OpenCall, end: ThreadEnd, reason: string, alone: boolean): Error {
    if (end === 'crashed' && alone && this.#suspects.died(call.key) >= FATAL_DEATHS) {
      this.#suspects.forget(call.key);
      return new WorkerCrash(reason);
    }
    if (end === 'crashed' || end === 'stuck') this.#suspects.add(call.key);
    return new AttemptInterrupted(`The thread of this call is over: ${end}.`);
  }

  #check(): void {
    let calls = this.#waiting.size;
    for (const thread of this.#threads) {
      calls += thread.load;
      if (thread.load > 0) void thread.check();
    }
    if (calls > 0) return;
    clearInterval(this.#checks ?? undefined);
    this.#checks = null;
  }
}

const DEATH_REASONS = {
  stuck: 'it did not answer',
  overstayed: 'a call went on for too long after its abort',
} as const;

/** A thread that does not answer is the last choice. */
const cost = (thread: AgentThread): number => (thread.silent ? Number.MAX_SAFE_INTEGER : thread.load);

function defaultHeapMb(): number {
  // 0 or more than there is where no cgroup limits it.
  const limit = process.constrainedMemory();
  const memory = limit > 0 ? Math.min(limit, os.totalmem()) : os.totalmem();
  return Math.min(Math.max(Math.floor(memory / 4 / 1_048_576), 256), 2_048);
}
