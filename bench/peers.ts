/**
 * The same work through Batchyard and through other queues on PostgreSQL, side by side.
 *
 * N items, each with a small JSON result of its own that is durably recorded once. Batchyard runs its whole path: a
 * service in a process of its own, the create call over HTTP, freezing, lanes, a subscriber over WebSocket; its clock
 * runs from the create call to the event that tells of the end. A peer's clock leaves out the enqueueing, which is
 * shown beside it. Each has done up to 100,000 items before, and the server has raced once. One server with its
 * defaults (fsync on), a new database for each race, the contenders in turn.
 *
 *     npm run bench:peers [-- --items 50000,200000 --rounds 3 --quick]
 */
import { execFile } from 'node:child_process';
import path from 'node:path';
import { parseArgs, promisify } from 'node:util';
import Table from 'cli-table3';
import { runBatch } from './echo-batch.ts';
import { type Contender, own, peers, peersAreInstalled, type Race, raw, warmUp } from './support/contenders.ts';
import { withServer } from './support/databases.ts';
import { median, megabytes, whole } from './support/numbers.ts';
import { describeMachine, keepResults, printMachine } from './support/results.ts';
import { makeElements, withService } from './support/service.ts';

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    items: { type: 'string', default: '50000,200000' },
    rounds: { type: 'string', default: '3' },
    embedded: { type: 'string', default: '50000' },
    server: { type: 'string' },
  },
});
const sizes = values.quick ? [1_000] : values.items.split(',').map(Number);
const embeddedItems = values.quick ? 500 : Number(values.embedded);
const rounds = values.quick ? 1 : Number(values.rounds);

interface Standing {
  readonly name: string;
  readonly items: number;
  /** The size of the race; slow ones run fewer items. */
  readonly wanted: number;
  readonly isTuned: boolean;
  readonly itemsPerSecond: number;
  readonly each: readonly number[];
  /** With the enqueueing, for those that are timed without it. */
  readonly withLoading: number | null;
  readonly cpuUsPerItem: number;
  readonly memoryBytes: number;
}

const machine = describeMachine();
printMachine(machine);
if (!peersAreInstalled()) console.log('The peers are left out: `npm ci --prefix bench/peers` installs them.');
const contenders = values.quick ? [...own.slice(0, 1), raw] : [...own, ...(peersAreInstalled() ? peers : []), raw];
const standings: Standing[] = [];
for (const size of sizes) standings.push(...(await raceAll(size)));
const embedded = await raceEmbedded();
if (!values.quick) console.log(keepResults('peers', machine, { rounds, standings, embedded }));

async function raceAll(items: number): Promise<Standing[]> {
  const races = new Map<Contender, Race[]>(contenders.map((contender) => [contender, []]));
  await withServer(values.server, async (server) => {
    // Not counted: a new server's log is made of new files, later ones are used again.
    await raw.race(server, items);
    for (let round = 0; round < rounds; round += 1) {
      for (const [contender, run] of races) {
        run.push(await contender.race(server, Math.min(items, contender.most ?? items)));
        console.log(`round ${round + 1}, ${contender.name}: ${whole(run.at(-1)?.workMs ?? 0)} ms`);
      }
    }
  });
  const all = [...races].map(([contender, run]) => standingOf(contender, items, run));
  print(items, all);
  return all;
}

function standingOf({ name, most, isTuned = false }: Contender, wanted: number, races: readonly Race[]): Standing {
  const items = Math.min(wanted, most ?? wanted);
  const speed = (ms: number) => items / (ms / 1_000);
  const each = races.map(({ workMs }) => Math.round(speed(workMs)));
  const loaded = races.flatMap(({ loadMs, workMs }) => (loadMs === null ? [] : speed(loadMs + workMs)));
  return {
    ...{ name, items, wanted, isTuned, each, itemsPerSecond: median(each) },
    withLoading: loaded.length === 0 ? null : Math.round(median(loaded)),
    cpuUsPerItem: median(races.map(({ cpuMs }) => (cpuMs * 1_000) / items)),
    memoryBytes: median(races.map(({ memoryBytes }) => memoryBytes)),
  };
}

function print(items: number, all: readonly Standing[]): void {
  const names = new Set(peers.map(({ name }) => name));
  const best = Math.max(...all.filter(({ name }) => names.has(name)).map(({ itemsPerSecond }) => itemsPerSecond));
  const limit = all.find(({ name }) => name === raw.name)?.itemsPerSecond ?? Number.NaN;
  const head = [
    '',
    'Items',
    'Items/s',
    'Each round',
    'With enqueueing',
    'To best peer',
    'Of raw',
    'CPU us/item',
    'Memory',
  ];
  const table = new Table({ head, style: { head: [], border: [] } });
  for (const { name, itemsPerSecond, each, withLoading, cpuUsPerItem, memoryBytes, ...one } of all) {
    table.push([
      ...[name, whole(one.items), whole(itemsPerSecond), each.map(whole).join(' ')],
      withLoading === null ? '' : whole(withLoading),
      Number.isFinite(best) ? `${(itemsPerSecond / best).toFixed(2)} x` : '',
      ...[`${Math.round((itemsPerSecond / limit) * 100)} %`, cpuUsPerItem.toFixed(1), megabytes(memoryBytes)],
    ]);
  }
  console.log(`PostgreSQL, ${whole(items)} items\n${table.toString()}`);
}

async function raceEmbedded(): Promise<Record<string, unknown>> {
  const mine: number[] = [];
  const bare: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    mine.push(
      await withService(null, async (bench) => {
        await warmUp(bench, embeddedItems);
        const datasourceId = await makeElements(bench, embeddedItems);
        return embeddedItems / ((await runBatch(bench.api, { datasourceId }, embeddedItems)) / 1_000);
      }),
    );
    const program = path.join(import.meta.dirname, 'support', 'embedded-raw.ts');
    const { stdout } = await promisify(execFile)(process.execPath, [program, String(embeddedItems)]);
    // What that program printed.
    bare.push((JSON.parse(stdout) as { itemsPerSecond: number }).itemsPerSecond);
  }
  const [speed, limit] = [median(mine), median(bare)];
  const share = Math.round((speed / limit) * 100);
  console.log(
    `embedded, ${whole(embeddedItems)} items: Batchyard ${whole(speed)}/s, raw ${whole(limit)}/s, ${share} % of raw`,
  );
  return { items: embeddedItems, batchyard: mine.map(Math.round), raw: bare.map(Math.round) };
}
