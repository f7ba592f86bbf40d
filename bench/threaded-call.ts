/**
 * What a call of a module agent costs in a thread against inline, without the engine and the database around it.
 *
 * Fixed scenario: 100 calls at once of one small agent, its result checked as the engine does, inline and in one
 * thread by turns. Medians of the rounds, in microseconds a call: the time that passed, and the processor time of the
 * service's own thread, which serves every request and subscriber meanwhile. `-- --quick` runs one short round.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import Table from 'cli-table3';
import { AgentThreads } from '../src/agents/threads/agent-threads.ts';
import type { AgentContext, AgentRun } from '../src/domain/agent-context.ts';
import { checkResult } from '../src/domain/agent-result.ts';

const { values } = parseArgs({
  // Every benchmark of a quick round is told of its server; this one has no use for it.
  options: { quick: { type: 'boolean', default: false }, server: { type: 'string' } },
});
const ROUNDS = values.quick ? 1 : 5;
const AT_ONCE = 100;

const SCENARIOS = [
  { name: 'answers a small object', calls: 20_000, code: '({ item }) => ({ filename: item.filename, ok: true })' },
  { name: 'reads its 2 KB text', calls: 20_000, code: 'async ({ item }) => (await item.text()).length' },
  {
    name: 'answers 100 KB of JSON',
    calls: 1_000,
    code: '() => Array.from({ length: 2_500 }, (_, n) => ({ n, text: "some twenty letters" }))',
  },
  {
    name: 'computes for 1 ms',
    calls: 500,
    code: '() => { const end = performance.now() + 1; let n = 0; while (performance.now() < end) n += 1; return n > 0; }',
  },
] as const;

const text = 'a line of text, '.repeat(128);
const content = {
  bytes: () => Promise.resolve(Buffer.from(text)),
  text: () => Promise.resolve(text),
  json: () => Promise.resolve(null),
};
const document = { filename: 'a.txt', mediaType: 'text/plain', ...content };
const item = {
  ...{ ordinal: 1, dataElementId: 'element-1', metadata: { source: 'bench' }, ...document },
  ...{ documents: [document], exists: () => Promise.resolve(null) },
};

let calls = 0;
function nextContext(): AgentContext {
  calls += 1;
  return {
    ...{ item, previous: null, userMessage: null, config: { a: 1 }, tier: 0, round: 0, attempt: 1 },
    ...{ signal: new AbortController().signal, idempotencyKey: `exec_bench:0:${calls}:0`, log: () => undefined },
  };
}

interface Cost {
  readonly elapsed: number;
  readonly own: number;
}

/** What one call costs, in microseconds. */
async function measure(run: AgentRun, total: number): Promise<Cost> {
  let left = total;
  const lane = async (): Promise<void> => {
    for (; left > 0; left -= 1) {
      const check = checkResult(await run(nextContext()));
      if (!check.ok) throw new Error(check.error.message);
    }
  };
  const [start, cpu] = [performance.now(), process.threadCpuUsage()];
  await Promise.all(Array.from({ length: AT_ONCE }, lane));
  const { user, system } = process.threadCpuUsage(cpu);
  return { elapsed: ((performance.now() - start) * 1_000) / total, own: (user + system) / total };
}

const median = (numbers: readonly number[]): number => numbers.toSorted((a, b) => a - b)[numbers.length >> 1] ?? 0;
const [cpu] = os.cpus();
console.log(`${os.cpus().length} cores (${cpu?.model ?? 'unknown'}), Node ${process.version}, ${ROUNDS} rounds`);

const folder = mkdtempSync(path.join(os.tmpdir(), 'batchyard-bench-'));
const threads = new AgentThreads({ threads: 1 });
const table = new Table({
  head: ['An agent that', 'Inline µs', 'Threaded µs', 'Own thread, inline', 'Own thread, threaded'],
  style: { head: [], border: [] },
});
for (const [index, { name, calls: total, code }] of SCENARIOS.entries()) {
  const file = path.join(folder, `agent-${index}.mjs`);
  writeFileSync(file, `export default ${code};`);
  const url = pathToFileURL(file).href;
  const { default: inline } = (await import(url)) as { default: AgentRun };
  const threaded = threads.runner({ versionId: url, name, url: () => Promise.resolve(url) });
  const costs: { inline: Cost[]; threaded: Cost[] } = { inline: [], threaded: [] };
  const count = values.quick ? Math.ceil(total / 20) : total;
  for (const run of [inline, threaded]) await measure(run, Math.ceil(count / 4));
  for (let round = 0; round < ROUNDS; round += 1) {
    costs.inline.push(await measure(inline, count));
    costs.threaded.push(await measure(threaded, count));
  }
  const show = (of: keyof typeof costs, what: keyof Cost) => median(costs[of].map((cost) => cost[what])).toFixed(1);
  table.push([
    name,
    show('inline', 'elapsed'),
    show('threaded', 'elapsed'),
    show('inline', 'own'),
    show('threaded', 'own'),
  ]);
}
console.log(table.toString());
await threads.stop();
rmSync(folder, { recursive: true });
