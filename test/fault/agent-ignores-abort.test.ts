import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { expect, test } from 'vitest';
import { AttemptInterrupted } from '../../src/domain/attempt-interrupted.ts';
import { agentContext, dataOf, moduleUrl, threadedRun, threadPool } from '../support/threaded-agents.ts';
import { until } from '../support/until.ts';

const PROGRAM = path.join(import.meta.dirname, '..', 'support', 'agent-threads-process.ts');

/** Ignores its signal: goes on until it has waited as long as its config says; answers its thread. */
const IGNORES = `
  import { threadId } from 'node:worker_threads';
  import { setTimeout as delay } from 'node:timers/promises';
  export default async ({ config, log }) => { log('started'); await delay(config); return threadId; };`;

/** A pool of one thread, and a call of it that was aborted while it ran. */
async function abortedCall(ms: number, overstayMs: number) {
  const ends: string[] = [];
  const pool = threadPool({ threads: 1, times: { overstayMs }, onDeath: ({ end }) => ends.push(end) });
  const run = threadedRun(pool, IGNORES);
  const controller = new AbortController();
  const said: string[] = [];
  const log = (text: string): void => void said.push(text);
  const call = dataOf(run(agentContext({ config: ms, signal: controller.signal, log })));
  await until(() => said.length === 1);
  controller.abort(new DOMException('Stop.', 'AbortError'));
  return { call, run, ends, abortedAt: performance.now() };
}

test('an agent that ignores its abort but yields keeps its call open until it ends, and its thread lives on', async () => {
  const { call, run, ends } = await abortedCall(1_500, 60_000);
  const order: string[] = [];
  const thread = await Promise.all([
    call.finally(() => order.push('aborted')),
    dataOf(run(agentContext({ config: 200 }))).finally(() => order.push('beside')),
  ]);
  expect(thread[0]).toBe(thread[1]);
  expect(order).toEqual(['beside', 'aborted']);
  expect(await dataOf(run(agentContext({ config: 0 })))).toBe(thread[0]);
  expect(ends).toEqual([]);
});

test('a call that goes on too long after its abort is ended with its thread; its neighbours are no suspects', async () => {
  const { call, run, ends, abortedAt } = await abortedCall(3_600_000, 1_000);
  const contexts = [agentContext({ config: 3_600_000 }), agentContext({ config: 3_600_000 })];
  const beside = contexts.map((context) => dataOf(run(context)));
  await expect(call).rejects.toBeInstanceOf(AttemptInterrupted);
  expect(performance.now() - abortedAt).toBeGreaterThan(1_000);
  for (const neighbour of beside) await expect(neighbour).rejects.toBeInstanceOf(AttemptInterrupted);
  expect(ends).toEqual(['overstayed']);
  const again = await Promise.all(contexts.map((context) => dataOf(run({ ...context, config: 50 }))));
  expect(again[0], 'they share a thread again').toBe(again[1]);
});

test('idle threads keep no process alive', async () => {
  const child = spawn(process.execPath, [PROGRAM, moduleUrl('export default () => 1;')], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  const late = setTimeout(() => child.kill('SIGKILL'), 20_000);
  const [code] = (await once(child, 'close')) as [number | null];
  clearTimeout(late);
  expect([code, output]).toEqual([0, '1\n']);
});
