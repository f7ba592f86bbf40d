/**
 * A process that runs the whole service, stops it when it is told to, says what is left of it, and must then end by
 * itself.
 *
 * It says its address on the first line, and on the second what there is after the stop that was not there before
 * the start: by `process.getActiveResourcesInfo()`, and by a count of timers (those that hold no process included),
 * sockets, threads, watchers and child processes that were made and not closed.
 */
import { createHook } from 'node:async_hooks';
import { once } from 'node:events';
import { createApp } from '../../src/app.ts';
import { processConfig } from '../../src/config.ts';

const SETTLE_MS = 5_000;
const COUNTED: ReadonlySet<string> = new Set([
  ...['Timeout', 'TCPWRAP', 'TCPSERVERWRAP', 'PIPEWRAP', 'TLSWRAP'],
  ...['WORKER', 'MESSAGEPORT', 'FSEVENTWRAP', 'STATWATCHER', 'PROCESSWRAP', 'SIGNALWRAP'],
]);

const open = new Map<number, string>();
const hook = createHook({
  init(id, type) {
    if (COUNTED.has(type)) open.set(id, type);
  },
  destroy: (id) => void open.delete(id),
});

function tally(names: Iterable<string>): Map<string, number> {
  const counts = new Map<string, number>();
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
  return counts;
}

process.stdin.resume();
// These are opened by whoever first writes to them.
process.stdout.write('');
process.stderr.write('');
const before = tally(process.getActiveResourcesInfo());
hook.enable();
const app = createApp(processConfig());
const { url } = await app.start();
console.log(url);
await once(process.stdin, 'data');
await app.stop();

function left(): string[] {
  const more = [...tally(process.getActiveResourcesInfo())].filter(([name, count]) => count > (before.get(name) ?? 0));
  return [...more, ...tally(open.values())].map(([name, count]) => `${count} ${name}`);
}
// What was closed is gone some turns later. Turns, not timers: those would be counted themselves.
const end = performance.now() + SETTLE_MS;
while (left().length > 0 && performance.now() < end) await new Promise<void>((resolve) => setImmediate(resolve));
hook.disable();
console.log(JSON.stringify(left()));
process.stdin.destroy();
