/** The event loop of a service process, watched from inside it. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import type { ServiceProcess } from '../../test/support/service-process.ts';
import { until } from '../../test/support/until.ts';

/** How long the loop was kept from turning, in ms. */
export interface Stall {
  readonly maxMs: number;
  readonly p99Ms: number;
}

/** Settings that make a service watch its loop, and how to ask it. */
export interface LoopWatch {
  readonly settings: Readonly<Record<string, string>>;
  /** The stalls since the last time that it was asked. */
  stalls(service: ServiceProcess): Promise<Stall>;
  remove(): void;
}

/** Prepares the watch; `remove` takes its folder away. */
export function watchLoop(): LoopWatch {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'batchyard-bench-'));
  const file = path.join(folder, 'stalls.json');
  const script = pathToFileURL(path.join(import.meta.dirname, 'loop-watch.ts')).href;
  return {
    settings: { NODE_OPTIONS: `--import=${script}`, BENCH_LOOP_FILE: file },
    async stalls(service) {
      rmSync(file, { force: true });
      service.child.kill('SIGUSR2');
      await until(() => existsSync(file));
      // What our own script wrote.
      return JSON.parse(readFileSync(file, 'utf8')) as Stall;
    },
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}
