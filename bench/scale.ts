/**
 * What a thousand, ten thousand, a hundred thousand and a million items cost, each in a service of its own.
 *
 * Cost per item, resident memory while it runs, time from the create call to the first item's start, a page of items
 * at three depths, all results as one stream, and creation, from a datasource and from a stream, against a bare INSERT … SELECT of the same rows.
 *
 *     npm run bench:scale [-- --postgres 1000,10000,100000,1000000 --embedded 1000,10000,100000 --rounds 3 --quick]
 */
import { parseArgs } from 'node:util';
import Table from 'cli-table3';
import { z } from 'zod';
import { createExecution, watchExecution } from './echo-batch.ts';
import { cpuOf, cpuOfFamily } from './support/cpu.ts';
import { timeBareInsert, timeCreation } from './support/creation.ts';
import { serverProcess, withMigrated, withServer } from './support/databases.ts';
import { type Export, timeExport } from './support/exporting.ts';
import { watchMemory } from './support/memory.ts';
import { median, megabytes, whole } from './support/numbers.ts';
import { timePages } from './support/pages.ts';
import { describeMachine, keepResults, printMachine } from './support/results.ts';
import { type Bench, makeElements, withService } from './support/service.ts';
import { timeStream } from './support/streaming.ts';

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    postgres: { type: 'string', default: '1000,10000,100000,1000000' },
    embedded: { type: 'string', default: '1000,10000,100000' },
    rounds: { type: 'string', default: '3' },
    server: { type: 'string' },
  },
});
const sizesOf = (list: string) =>
  list
    .split(',')
    .filter((size) => size !== '')
    .map(Number);
const postgresSizes = values.quick ? [1_000] : sizesOf(values.postgres);
const embeddedSizes = values.quick ? [] : sizesOf(values.embedded);
const rounds = values.quick ? 1 : Number(values.rounds);

interface Run {
  readonly elapsedMs: number;
  readonly cpuMs: number;
  readonly firstStartMs: number;
  readonly memory: { readonly median: number; readonly highest: number };
  readonly pages: Awaited<ReturnType<typeof timePages>>;
  readonly exports: { readonly jsonl: Export; readonly csv: Export };
}

/** The medians of a size's runs. */
interface Size {
  readonly items: number;
  readonly itemsPerSecond: number;
  readonly usPerItem: number;
  readonly cpuUsPerItem: number;
  readonly firstStartMs: number;
  readonly memoryMedian: number;
  readonly memoryHighest: number;
  readonly pageMs: Run['pages'];
  readonly exports: Run['exports'];
  readonly creation: { readonly itemsPerSecond: number; readonly bareItemsPerSecond: number } | null;
  readonly stream: { readonly itemsPerSecond: number; readonly bareItemsPerSecond: number } | null;
}

const machine = describeMachine();
printMachine(machine);
const postgres = await onPostgres();
const embedded: Size[] = [];
for (const items of embeddedSizes) {
  const runs: Run[] = [];
  for (let round = 0; round < rounds; round += 1) {
    runs.push(await withService(null, async (bench) => runOnce(bench, await makeElements(bench, items), items, 0)));
  }
  embedded.push(sizeOf(items, runs, null, null));
}
print('PostgreSQL', postgres);
print('embedded', embedded);
if (!values.quick) console.log(keepResults('scale', machine, { rounds, postgres, embedded }));

async function onPostgres(): Promise<Size[]> {
  return await withServer(values.server, async (server) => {
    const serverPid = await serverProcess(server);
    const sizes: Size[] = [];
    for (const items of postgresSizes) {
      const runs: Run[] = [];
      let creation: Size['creation'] = null;
      let stream: Size['stream'] = null;
      for (let round = 0; round < rounds; round += 1) {
        await withMigrated(server, (url) =>
          withService(url, async (bench) => {
            const datasourceId = await makeElements(bench, items);
            runs.push(await runOnce(bench, datasourceId, items, serverPid));
            if (round !== rounds - 1) return;
            creation = await measureCreation(bench, datasourceId, items);
            stream = await measureStream(bench, items);
          }),
        );
        console.log(`${whole(items)} items, round ${round + 1}: ${whole(runs.at(-1)?.elapsedMs ?? 0)} ms`);
      }
      sizes.push(sizeOf(items, runs, creation, stream));
    }
    return sizes;
  });
}

async function runOnce(bench: Bench, datasourceId: string, items: number, serverPid: number): Promise<Run> {
  const { api, service } = bench;
  const cpu = () => cpuOf(service.child.pid ?? 0) + (serverPid === 0 ? 0 : cpuOfFamily(serverPid));
  const [before, memoryOf] = [cpu(), watchMemory(service)];
  const calledAt = Date.now();
  const started = performance.now();
  const id = await createExecution(api, { datasourceId });
  const last = await watchExecution(api, id);
  const elapsedMs = performance.now() - started;
  const [cpuMs, memory] = [cpu() - before, memoryOf()];
  if (last.counts.succeeded !== items) throw new Error(`Not every item was settled: ${JSON.stringify(last)}`);
  return {
    ...{ elapsedMs, cpuMs, firstStartMs: (await firstStart(bench, id)) - calledAt },
    memory: { median: median(memory), highest: service.memory().highest },
    pages: await timePages(api, id, items),
    exports: { jsonl: await timeExport(bench, id, 'jsonl', items), csv: await timeExport(bench, id, 'csv', items) },
  };
}

/** When the first item of all was started, in ms since the epoch. */
async function firstStart({ api }: Bench, id: string): Promise<number> {
  const document = 'query ($id: ID!) { batchExecution(id: $id) { item(ordinal: 0) { startedAt } } }';
  const shape = z.object({ batchExecution: z.object({ item: z.object({ startedAt: z.string() }) }) });
  return Date.parse((await api.request(shape, document, { id })).batchExecution.item.startedAt);
}

async function measureCreation(bench: Bench, datasourceId: string, items: number): Promise<Size['creation']> {
  const bareMs = await timeBareInsert(bench.url ?? '', datasourceId);
  const ownMs = await timeCreation(bench, datasourceId);
  return { itemsPerSecond: items / (ownMs / 1_000), bareItemsPerSecond: items / (bareMs / 1_000) };
}

async function measureStream(bench: Bench, items: number): Promise<Size['stream']> {
  const { streamMs, bareMs } = await timeStream(bench, items);
  return { itemsPerSecond: items / (streamMs / 1_000), bareItemsPerSecond: items / (bareMs / 1_000) };
}

function sizeOf(items: number, runs: readonly Run[], creation: Size['creation'], stream: Size['stream']): Size {
  const of = (value: (run: Run) => number) => median(runs.map(value));
  const exportOf = (format: keyof Run['exports']): Export => ({
    itemsPerSecond: of((run) => run.exports[format].itemsPerSecond),
    firstByteMs: of((run) => run.exports[format].firstByteMs),
    memoryBytes: of((run) => run.exports[format].memoryBytes),
  });
  return {
    items,
    itemsPerSecond: items / (of((run) => run.elapsedMs) / 1_000),
    usPerItem: (of((run) => run.elapsedMs) * 1_000) / items,
    cpuUsPerItem: (of((run) => run.cpuMs) * 1_000) / items,
    firstStartMs: of((run) => run.firstStartMs),
    memoryMedian: of((run) => run.memory.median),
    memoryHighest: of((run) => run.memory.highest),
    pageMs: {
      first: of((run) => run.pages.first),
      middle: of((run) => run.pages.middle),
      last: of((run) => run.pages.last),
    },
    exports: { jsonl: exportOf('jsonl'), csv: exportOf('csv') },
    creation,
    stream,
  };
}

function print(name: string, sizes: readonly Size[]): void {
  const head = [
    'Items',
    'Items/s',
    'us/item',
    'CPU us/item',
    'First start',
    'Memory',
    'Highest',
    'Page: first',
    'middle',
    'last',
  ];
  const table = new Table({
    head: [...head, 'Created/s', 'Bare insert/s', 'Streamed/s', 'Bare insert/s'],
    style: { head: [], border: [] },
  });
  for (const size of sizes) {
    const { first, middle, last } = size.pageMs;
    table.push([
      ...[whole(size.items), whole(size.itemsPerSecond), size.usPerItem.toFixed(1), size.cpuUsPerItem.toFixed(1)],
      ...[`${whole(size.firstStartMs)} ms`, megabytes(size.memoryMedian), megabytes(size.memoryHighest)],
      ...[first, middle, last].map((ms) => `${ms.toFixed(1)} ms`),
      size.creation === null ? '' : whole(size.creation.itemsPerSecond),
      size.creation === null ? '' : whole(size.creation.bareItemsPerSecond),
      size.stream === null ? '' : whole(size.stream.itemsPerSecond),
      size.stream === null ? '' : whole(size.stream.bareItemsPerSecond),
    ]);
  }
  console.log(`${name}\n${table.toString()}`);
  for (const { items, exports } of sizes) {
    for (const [format, { itemsPerSecond, firstByteMs, memoryBytes }] of Object.entries(exports)) {
      const speed = `${whole(itemsPerSecond)} items/s, first byte ${whole(firstByteMs)} ms`;
      console.log(`${whole(items)} results as ${format}: ${speed}, memory ${megabytes(memoryBytes)}`);
    }
  }
}
