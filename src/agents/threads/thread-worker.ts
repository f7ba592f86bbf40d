/**
 * The thread of `agent-thread.ts`: imports agents and runs many calls of them at once.
 *
 * A turn of the event loop starts one call after the other for a millisecond, so that aborts and pings are heard between
 * calls that compute. What is to be told goes out at the end of a turn; while more calls wait to start it may gather for
 * a millisecond.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { parentPort } from 'node:worker_threads';
import type { AgentRun } from '../../domain/agent-context.ts';
import { checkResult } from '../../domain/agent-result.ts';
import { reasonOf } from '../agent-file-error.ts';
import { readModule } from '../module-shape.ts';
import { CallTable } from './call-table.ts';
import type { FromThread, ToThread } from './protocol.ts';
import { ThreadCall } from './thread-call.ts';
import { packThrown } from './thrown.ts';

const TURN_MS = 1;
const GATHER_MS = 1;
const GATHER_MOST = 64;

interface Start {
  readonly call: number;
  readonly agent: number;
  readonly thread: ThreadCall;
}

const agents = new Map<number, AgentRun>();
const calls = new CallTable<ThreadCall>();
const starts: Start[] = [];
/** Calls a function with what is stored for nobody: a call finds nothing that another has entered. */
const outsideOfCalls = AsyncLocalStorage.snapshot();
let outbox: FromThread[] = [];
let outboxSince = 0;
let turnBegan = 0;
/** What calls of the present list of messages are aborted with. */
let abortError: DOMException | null = null;

function post(message: FromThread): void {
  if (outbox.push(message) > 1) return;
  outboxSince = performance.now();
  setImmediate(flush);
}

function flush(): void {
  const gathers = starts.length > 0 && outbox.length < GATHER_MOST && performance.now() - outboxSince < GATHER_MS;
  if (gathers) return void setImmediate(flush);
  parentPort?.postMessage(outbox);
  outbox = [];
}

function startTurn(): void {
  turnBegan = performance.now();
  startNext();
}

/** Starts a call, and the next once this one has computed what it can without waiting: a tick follows all promises. */
function startNext(): void {
  const next = starts.shift();
  if (next !== undefined) void outsideOfCalls(run, next);
  if (starts.length === 0) return;
  queueMicrotask(() => process.nextTick(goOn));
}

function goOn(): void {
  if (performance.now() - turnBegan < TURN_MS) startNext();
  else setImmediate(startTurn);
}

async function run({ call, agent, thread }: Start): Promise<void> {
  try {
    const code = agents.get(agent);
    if (code === undefined) throw new Error('The agent is not loaded.');
    const check = checkResult(await code(thread.context));
    thread.closeLog();
    post({ kind: 'returned', call, check });
  } catch (error) {
    thread.closeLog();
    post({ kind: 'threw', call, thrown: packThrown(error) });
  } finally {
    calls.delete(call);
    thread.end();
  }
}

async function load(agent: number, url: string): Promise<void> {
  try {
    agents.set(agent, readModule(await import(url)).run);
    post({ kind: 'loaded', agent });
  } catch (error) {
    post({ kind: 'unloadable', agent, reason: reasonOf(error) });
  }
}

/** Aborts a call; one that has not started never will. */
function abort(call: number, name: string, message: string): void {
  // Of a list of messages nearly all calls are aborted for the same reason, and an error is most of what an abort costs.
  if (abortError?.name !== name || abortError.message !== message) abortError = new DOMException(message, name);
  calls.get(call)?.abort(abortError);
  const waiting = starts.findIndex((start) => start.call === call);
  if (waiting === -1) return;
  starts.splice(waiting, 1);
  calls.delete(call);
  post({ kind: 'threw', call, thrown: packThrown(abortError) });
}

function handle(message: ToThread): void {
  switch (message.kind) {
    case 'load':
      return void load(message.agent, message.url);
    case 'call': {
      const { call, agent, context } = message;
      const thread = new ThreadCall(call, context, post);
      calls.set(call, thread);
      if (starts.push({ call, agent, thread }) === 1) setImmediate(startTurn);
      return;
    }
    case 'abort':
      return abort(message.call, message.name, message.message);
    case 'answer':
      return calls.get(message.call)?.answer(message.question, message.answer);
    case 'ping':
      return parentPort?.postMessage([{ kind: 'pong' } satisfies FromThread]);
  }
}

parentPort?.on('message', (messages: readonly ToThread[]) => {
  messages.forEach(handle);
  abortError = null;
});
