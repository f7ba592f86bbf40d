/**
 * Writes what the benchmarks last measured into `bench/README.md`, and the plot beside the results.
 *
 *     npm run bench:report
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { z } from 'zod';
import { megabytes, whole } from './support/numbers.ts';
import { drawCharts, type Line } from './support/plot.ts';
import { RESULTS_FOLDER } from './support/results.ts';

const README = path.join(import.meta.dirname, 'README.md');
const BLOCK = /(<!-- results -->\n)[\s\S]*(<!-- \/results -->)/;

const Machine = z.object({
  cpu: z.string(),
  cores: z.number(),
  memoryBytes: z.number(),
  platform: z.string(),
  node: z.string(),
  load: z.number(),
  loadAtEnd: z.number(),
  at: z.string(),
});
const Peers = z.object({
  machine: Machine,
  rounds: z.number(),
  standings: z.array(
    z.object({
      name: z.string(),
      items: z.number(),
      wanted: z.number(),
      isTuned: z.boolean().default(false),
      itemsPerSecond: z.number(),
      each: z.array(z.number()),
      withLoading: z.number().nullable(),
      cpuUsPerItem: z.number(),
      memoryBytes: z.number(),
    }),
  ),
  embedded: z.object({ items: z.number(), batchyard: z.array(z.number()), raw: z.array(z.number()) }),
});
const Creation = z.object({ itemsPerSecond: z.number(), bareItemsPerSecond: z.number() });
const Export = z.object({ itemsPerSecond: z.number(), firstByteMs: z.number(), memoryBytes: z.number() });
const Size = z.object({
  items: z.number(),
  itemsPerSecond: z.number(),
  usPerItem: z.number(),
  cpuUsPerItem: z.number(),
  firstStartMs: z.number(),
  memoryMedian: z.number(),
  memoryHighest: z.number(),
  pageMs: z.object({ first: z.number(), middle: z.number(), last: z.number() }),
  exports: z.object({ jsonl: Export, csv: Export }),
  creation: Creation.nullable(),
  stream: Creation.nullable(),
});
const Scale = z.object({ machine: Machine, rounds: z.number(), postgres: z.array(Size), embedded: z.array(Size) });
const Control = z.object({
  machine: Machine,
  measures: z.array(
    z.object({
      what: z.string(),
      goal: z.string(),
      times: z.number(),
      p50: z.number(),
      p99: z.number(),
      stallMs: z.number().nullable(),
    }),
  ),
});

/** The text of one benchmark's results; nothing where it has not run. */
function section<T>(name: string, shape: z.ZodType<T>, text: (results: T) => string): string {
  const file = path.join(RESULTS_FOLDER, `${name}.json`);
  return existsSync(file) ? text(shape.parse(JSON.parse(readFileSync(file, 'utf8')))) : '';
}

const row = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
const table = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
  [row(head), row(head.map((_, index) => (index === 0 ? '---' : '--:'))), ...rows.map(row)].join('\n');

const measuredOn = ({
  cpu,
  cores,
  memoryBytes,
  platform,
  node,
  load,
  loadAtEnd,
  at,
}: z.infer<typeof Machine>): string =>
  `${at.slice(0, 16).replace('T', ' ')} UTC, ${cores} cores of ${cpu}, ${Math.round(memoryBytes / 1e9)} GB, ${platform}, ` +
  `Node ${node}; load ${load.toFixed(1)} before, ${loadAtEnd.toFixed(1)} after.`;

function peersText({ machine, rounds, standings, embedded }: z.infer<typeof Peers>): string {
  const sizes = [...new Set(standings.map(({ wanted }) => wanted))];
  const tables = sizes.map((size) => {
    const all = standings.filter(({ wanted }) => wanted === size);
    const limit = all.find(({ name }) => name === 'raw')?.itemsPerSecond ?? Number.NaN;
    const others = all.filter(({ name }) => name !== 'raw' && !name.startsWith('Batchyard'));
    const best = Math.max(...others.map(({ itemsPerSecond }) => itemsPerSecond));
    const rows = all.map(({ name, items, itemsPerSecond, each, withLoading, cpuUsPerItem, memoryBytes }) => [
      items === size ? name : `${name} (${whole(items)} items)`,
      `**${whole(itemsPerSecond)}**`,
      each.map(whole).join(' '),
      name === 'raw' ? '' : whole(withLoading ?? itemsPerSecond),
      `${(itemsPerSecond / best).toFixed(2)} x`,
      `${Math.round((itemsPerSecond / limit) * 100)} %`,
      cpuUsPerItem.toFixed(1),
      name === 'raw' ? '' : megabytes(memoryBytes),
    ]);
    const head = [
      `PostgreSQL, ${whole(size)} items`,
      'Items/s',
      'each round',
      'with enqueueing',
      'to best peer',
      'of raw',
    ];
    const bestEnqueued = Math.max(...others.map(({ itemsPerSecond, withLoading }) => withLoading ?? itemsPerSecond));
    const own = all.find(({ name }) => name === 'Batchyard')?.itemsPerSecond ?? Number.NaN;
    const likeForLike = `With the enqueueing of all on the clock, Batchyard does ${(own / bestEnqueued).toFixed(2)} x what the best peer does.`;
    const bestKnown = Math.max(...others.flatMap((one) => (one.isTuned ? [] : one.itemsPerSecond)));
    const documented = `Without it, it does ${(own / bestKnown).toFixed(2)} x what the best does of those that are not our tuning.`;
    return `${table([...head, 'CPU us/item', 'memory'], rows)}\n\n${likeForLike} ${documented}`;
  });
  const share = (middle(embedded.batchyard) / middle(embedded.raw)) * 100;
  return [
    `### Peers\n\n${measuredOn(machine)} ${medianOf(rounds)}\n`,
    ...tables.map((text) => `${text}\n`),
    `Embedded, ${whole(embedded.items)} items: Batchyard ${embedded.batchyard.map(whole).join(', ')} items/s, ` +
      `its raw loop ${embedded.raw.map(whole).join(', ')}; ${Math.round(share)} % of raw.\n`,
  ].join('\n');
}

/** What a figure is of so many rounds. */
const medianOf = (rounds: number): string => {
  if (rounds === 1) return 'One round.';
  return `Medians of ${rounds} rounds${rounds % 2 === 0 ? ', of the two in the middle the lower speed' : ''}.`;
};

const middle = (numbers: readonly number[]): number =>
  numbers.toSorted((a, b) => a - b)[(numbers.length - 1) >> 1] ?? Number.NaN;

function scaleText({ machine, rounds, postgres, embedded }: z.infer<typeof Scale>): string {
  writeFileSync(path.join(RESULTS_FOLDER, 'scale.svg'), plot(postgres, embedded));
  const rows = [
    ...postgres.map((size) => [size, 'PostgreSQL'] as const),
    ...embedded.map((size) => [size, 'embedded'] as const),
  ];
  const head = [
    'Items',
    'on',
    'items/s',
    'us/item',
    'CPU us/item',
    'first start',
    'memory',
    'highest',
    'page: first',
    'middle',
    'last',
  ];
  const text = table(
    [...head, 'created/s', 'bare insert/s', 'streamed/s', 'bare insert/s'],
    rows.map(([size, on]) => [
      ...[whole(size.items), on, whole(size.itemsPerSecond), size.usPerItem.toFixed(1), size.cpuUsPerItem.toFixed(1)],
      ...[`${whole(size.firstStartMs)} ms`, megabytes(size.memoryMedian), megabytes(size.memoryHighest)],
      ...[size.pageMs.first, size.pageMs.middle, size.pageMs.last].map((ms) => `${ms.toFixed(1)} ms`),
      ...[size.creation, size.stream].flatMap((made) =>
        made === null ? ['', ''] : [whole(made.itemsPerSecond), whole(made.bareItemsPerSecond)],
      ),
    ]),
  );
  const exported = table(
    ['All results of', 'on', 'as', 'items/s', 'first byte', 'memory'],
    rows.flatMap(([{ items, exports }, on]) =>
      Object.entries(exports).map(([format, { itemsPerSecond, firstByteMs, memoryBytes }]) => [
        ...[whole(items), on, format, whole(itemsPerSecond), `${whole(firstByteMs)} ms`, megabytes(memoryBytes)],
      ]),
    ),
  );
  return `### Scale\n\n${measuredOn(machine)} ${medianOf(rounds)}\n\n${text}\n\n${exported}\n\n![Items per second and memory against the number of items](results/scale.svg)\n`;
}

function plot(postgres: readonly z.infer<typeof Size>[], embedded: readonly z.infer<typeof Size>[]): string {
  const lines = (value: (size: z.infer<typeof Size>) => number): Line[] => [
    { name: 'PostgreSQL', colour: '#1b6ac9', points: postgres.map((size) => ({ x: size.items, y: value(size) })) },
    { name: 'embedded', colour: '#c2571a', points: embedded.map((size) => ({ x: size.items, y: value(size) })) },
  ];
  return drawCharts(
    [
      { title: 'Items per second', unit: whole, lines: lines((size) => size.itemsPerSecond) },
      { title: 'Resident memory while it runs (median)', unit: megabytes, lines: lines((size) => size.memoryMedian) },
    ],
    'Items per second and memory against the number of items',
  );
}

function controlText({ machine, measures }: z.infer<typeof Control>): string {
  const rows = measures.map(({ what, goal, times, p50, p99, stallMs }) => [
    ...[what, String(times), `${p50.toFixed(1)} ms`, `${p99.toFixed(1)} ms`, /\d$/.test(goal) ? `${goal} ms` : goal],
    stallMs === null ? '' : `${stallMs.toFixed(1)} ms (goal 50)`,
  ]);
  return `### Control\n\n${measuredOn(machine)}\n\n${table(['', 'times', 'p50', 'p99', 'goal', 'longest stall'], rows)}\n`;
}

const parts = [
  section('peers', Peers, peersText),
  section('scale', Scale, scaleText),
  section('control', Control, controlText),
];
const readme = readFileSync(README, 'utf8');
writeFileSync(README, readme.replace(BLOCK, `$1\n${parts.filter((part) => part !== '').join('\n')}\n$2`));
