/**
 * How fast an execution obeys and tells of itself.
 *
 * - abort: from the cancel call to the abort of the last of 999 running calls, agents in threads and inline
 * - cancelled: from the cancel call to the event CANCELLED with many open items, and the longest stall meanwhile
 * - events: from the newest commit in an event to that event at a subscriber, idle, at full speed, and beside agents
 *   that loop without end in as many threads as there are cores, ended by their timeout and begun again
 * - fairness: ten items alone, and beside an execution of very many that wants every slot of the node
 * - restart: from a process's start to its first call of an agent, after a kill -9 with half of the items done
 *
 *     npm run bench:control [-- --quick]
 */
import path from 'node:path';
import { parseArgs } from 'node:util';
import Table from 'cli-table3';
import { createExecution, runBatch, watchExecution } from './echo-batch.ts';
import { timeAborts } from './support/aborts.ts';
import { cancelAndWait } from './support/cancelling.ts';
import { type Server, withMigrated, withServer } from './support/databases.ts';
import { measureLatencies } from './support/latency.ts';
import { percentile, whole } from './support/numbers.ts';
import { timeRestart } from './support/restarts.ts';
import { describeMachine, keepResults, printMachine } from './support/results.ts';
import { type Bench, makeElements, withService } from './support/service.ts';
import { type LoopWatch, type Stall, watchLoop } from './support/stalls.ts';

const { values } = parseArgs({
  options: { quick: { type: 'boolean', default: false }, only: { type: 'string' }, server: { type: 'string' } },
});
const FULL = {
  ...{ running: 999, aborts: 40 },
  cancels: [
    { open: 1_000, times: 20 },
    { open: 1_000_000, times: 3 },
  ],
  ...{ idleItems: 150, busyItems: 400_000, restartItems: 1_000_000, embeddedRestartItems: 50_000, restarts: 3 },
  ...{ besideItems: 1_000_000, tens: 10 },
};
const QUICK: typeof FULL = {
  ...{ running: 50, aborts: 2 },
  cancels: [{ open: 300, times: 2 }],
  ...{ idleItems: 5, busyItems: 2_000, restartItems: 2_000, embeddedRestartItems: 0, restarts: 1 },
  ...{ besideItems: 30_000, tens: 1 },
};
const scenario = values.quick ? QUICK : FULL;
const AGENTS = { BATCHYARD_AGENTS_DIR: path.join(import.meta.dirname, 'agents') };
const IDLE_CALL_MS = 200;
const LOOP_MS = 3_000;
/** More than end one after the other while the idle events come. */
const LOOPS_A_CORE = 30;
const TEN_CALL_MS = 100;
/** Those of the many, on a thousand slots: as seldom as models answer, and as often as uses up both cores. */
const MANY_CALL_MS = [2_000, 100];

interface Measure {
  readonly what: string;
  readonly goal: string;
  readonly ms: readonly number[];
  readonly stalls?: readonly Stall[];
}

const machine = describeMachine();
printMachine(machine);
const measures: Measure[] = [];
await withServer(values.server, async (server) => {
  const watch = watchLoop();
  const settings = { ...AGENTS, ...watch.settings };
  await withMigrated(server, (url) =>
    withService(
      url,
      async (bench) => {
        if (isWanted('abort')) await measureAborts(bench);
        if (isWanted('events')) await measureEvents(bench, watch);
        if (isWanted('cancelled')) await measureCancels(bench, watch);
        if (isWanted('fairness')) await measureFairness(bench);
      },
      settings,
    ),
  );
  watch.remove();
  if (isWanted('restart')) await measureRestarts(server);
});
print();
// A part alone would take the place of what was measured of the others.
if (!values.quick && values.only === undefined)
  console.log(keepResults('control', machine, { measures: measures.map(summary) }));

function isWanted(part: string): boolean {
  return values.only === undefined || values.only === part;
}

function add(measure: Measure): void {
  measures.push(measure);
  console.log(`${measure.what}: ${measure.ms.length} measured`);
}

async function measureAborts({ api, ...bench }: Bench): Promise<void> {
  const { running, aborts } = scenario;
  const datasourceId = await makeElements({ api, ...bench }, running);
  for (const [agent, where] of [
    ['abort-clock', 'in threads'],
    ['abort-clock-inline', 'inline'],
  ] as const) {
    const ms: number[] = [];
    for (let untold = 0; ms.length < aborts; ) {
      const time = await timeAborts(api, datasourceId, running, agent);
      if (time !== null) ms.push(time);
      else if (++untold > aborts) throw new Error(`Calls of ${agent} do not tell when they are aborted.`);
    }
    add({ what: `cancel to abort of the last of ${running}, ${where}`, goal: 'p99 100', ms });
  }
}

async function measureEvents(bench: Bench, watch: LoopWatch): Promise<void> {
  const { idleItems, busyItems } = scenario;
  const url = bench.url ?? '';
  const [few, many] = [await makeElements(bench, idleItems), await makeElements(bench, busyItems)];
  const idle = { datasourceId: few, config: { delayMs: IDLE_CALL_MS }, concurrency: 1 };
  add({ what: 'commit to event, idle', goal: 'p50 15, p99 70', ms: await measureLatencies(bench.api, url, idle) });
  const busy = { datasourceId: many };
  add({
    what: 'commit to event, full speed',
    goal: 'p50 60, p99 120',
    ms: await measureLatencies(bench.api, url, busy),
  });
  // Taken over before it begins: what is measured is loops alone, not the storing of their items beside them.
  const loopItems = machine.cores * LOOPS_A_CORE;
  const datasourceId = await makeElements(bench, loopItems);
  const loops = { datasourceId, agent: 'loop', concurrency: machine.cores, itemTimeoutMs: LOOP_MS };
  const id = await createExecution(bench.api, loops);
  await watchExecution(bench.api, id, ({ counts }) => counts.running === machine.cores && counts.total === loopItems);
  await watch.stalls(bench.service);
  const ms = await measureLatencies(bench.api, url, idle);
  const stalls = [await watch.stalls(bench.service)];
  add({ what: 'commit to event, idle, beside looping agents', goal: 'max 50 more than without', ms, stalls });
  await cancelAndWait(bench.api, id);
}

async function measureCancels(bench: Bench, watch: LoopWatch): Promise<void> {
  for (const { open, times } of scenario.cancels) {
    const datasourceId = await makeElements(bench, open);
    const ms: number[] = [];
    const stalls: Stall[] = [];
    for (let time = 0; time < times; time += 1) {
      const id = await createExecution(bench.api, { datasourceId, config: { delayMs: 600_000 }, concurrency: 999 });
      await watchExecution(bench.api, id, ({ status, counts }) => status === 'RUNNING' && counts.total === open);
      await watch.stalls(bench.service);
      ms.push(await cancelAndWait(bench.api, id));
      stalls.push(await watch.stalls(bench.service));
    }
    add({ what: `cancel to CANCELLED, ${whole(open)} open`, goal: open > 1_000 ? '20,000' : '500', ms, stalls });
  }
}

/** The many outnumber the slots of the node, so that every one of the ten's calls has to be let in. */
async function measureFairness(bench: Bench): Promise<void> {
  const { besideItems, tens } = scenario;
  const ten = { datasourceId: await makeElements(bench, 10), config: { delayMs: TEN_CALL_MS }, concurrency: 10 };
  const timeTens = async () => {
    const ms: number[] = [];
    while (ms.length < tens) ms.push(await runBatch(bench.api, ten, 10));
    return ms;
  };
  add({ what: 'ten items, alone', goal: '', ms: await timeTens() });
  const datasourceId = await makeElements(bench, besideItems);
  for (const delayMs of MANY_CALL_MS) {
    const many = { datasourceId, config: { delayMs }, concurrency: 999 };
    const others = [await createExecution(bench.api, many), await createExecution(bench.api, many)];
    for (const id of others) {
      await watchExecution(bench.api, id, ({ counts }) => counts.total === besideItems && counts.succeeded > 0);
    }
    const what = `ten items beside twice ${whole(besideItems)} of ${whole(delayMs)} ms`;
    add({ what, goal: 'about the same', ms: await timeTens() });
    for (const id of others) await cancelAndWait(bench.api, id);
  }
}

async function measureRestarts(server: Server): Promise<void> {
  const { restartItems, embeddedRestartItems, restarts } = scenario;
  for (const [items, name] of [
    [restartItems, 'PostgreSQL'],
    [embeddedRestartItems, 'embedded'],
  ] as const) {
    const ms: number[] = [];
    for (let time = 0; time < restarts && items > 0; time += 1) {
      const use = (bench: Bench) => timeRestart(bench, items);
      const once =
        name === 'embedded'
          ? withService(null, use, AGENTS)
          : withMigrated(server, (url) => withService(url, use, AGENTS));
      ms.push(await once);
    }
    if (items > 0)
      add({ what: `process start to first call after kill -9, ${whole(items)} items, ${name}`, goal: '2,000', ms });
  }
}

function summary({ what, goal, ms, stalls }: Measure) {
  const stallMs = stalls === undefined ? null : Math.max(...stalls.map(({ maxMs }) => maxMs));
  return {
    what,
    goal,
    times: ms.length,
    p50: percentile(ms, 50),
    p99: percentile(ms, 99),
    max: Math.max(...ms),
    stallMs,
  };
}

function print(): void {
  const table = new Table({
    head: ['ms', 'Times', 'p50', 'p99', 'max', 'Goal', 'Longest stall'],
    style: { head: [], border: [] },
  });
  for (const { what, goal, times, p50, p99, max, stallMs } of measures.map(summary)) {
    table.push([
      what,
      times,
      p50.toFixed(1),
      p99.toFixed(1),
      max.toFixed(1),
      goal,
      stallMs === null ? '' : `${stallMs.toFixed(1)} (goal 50)`,
    ]);
  }
  console.log(table.toString());
}
