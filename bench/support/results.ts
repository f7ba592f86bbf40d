/** What a benchmark measured, kept as JSON for the report and the plot. */
import { mkdirSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';

/** Where results go; the plot reads them from here. */
export const RESULTS_FOLDER = path.join(import.meta.dirname, '..', 'results');

/** The machine that measured, and how busy it was just now. */
export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryBytes: number;
  readonly platform: string;
  readonly node: string;
  /** The load average of the last minute. */
  readonly load: number;
  readonly at: string;
}

/** This machine now. */
export function describeMachine(): Machine {
  return {
    cpu: os.cpus()[0]?.model ?? 'unknown',
    cores: os.cpus().length,
    memoryBytes: os.totalmem(),
    platform: `${os.type()} ${os.release()}`,
    node: process.version,
    load: os.loadavg()[0] ?? Number.NaN,
    at: new Date().toISOString(),
  };
}

/** Prints the machine in a line. */
export function printMachine({ cpu, cores, memoryBytes, node, load }: Machine): void {
  const gigabytes = Math.round(memoryBytes / 1_000_000_000);
  console.log(`${cores} x ${cpu}, ${gigabytes} GB, Node ${node}, load ${load.toFixed(2)} at the start`);
}

/** Keeps the results of the benchmark `name` together with the machine before and after it; the file's path. */
export function keepResults(name: string, before: Machine, results: Readonly<Record<string, unknown>>): string {
  mkdirSync(RESULTS_FOLDER, { recursive: true });
  const file = path.join(RESULTS_FOLDER, `${name}.json`);
  const machine = { ...before, loadAtEnd: describeMachine().load };
  writeFileSync(file, `${JSON.stringify({ machine, ...results }, null, 2)}\n`);
  return file;
}
