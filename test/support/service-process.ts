/** The whole service as a process of its own, for tests that kill it and for measuring it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import manifest from '../../package.json' with { type: 'json' };
import { freePort } from './free-port.ts';
import { until } from './until.ts';

const MAIN = path.join(import.meta.dirname, '..', '..', 'src', 'main.js');
/** What `npm start` tells Node of memory. */
const FLAGS = manifest.scripts.start.split(' ').filter((word) => word.startsWith('--'));
const START_DEADLINE_MS = 60_000;
const STOP_DEADLINE_MS = 20_000;

/** A service that answers at `url` (without a path) to `key`. */
export interface ServiceProcess {
  readonly url: string;
  readonly key: string;
  readonly child: ChildProcess;
  /** All that it has printed, logs included. */
  output(): string;
  /** Resident memory now and at its highest, in bytes; Linux only. */
  memory(): { readonly now: number; readonly highest: number };
  /** Asks it to stop; the exit code, or null when it had to be killed. */
  stop(): Promise<number | null>;
  /** Ends it as kill -9 does. */
  kill(): Promise<void>;
}

/** Starts the service with these settings beside the environment's, on a free port unless PORT is among them. */
export async function startService(settings: Readonly<Record<string, string>>): Promise<ServiceProcess> {
  const key = settings['BATCHYARD_ROOT_KEY'] ?? 'a-root-key-for-tests-only';
  const port = settings['PORT'] ?? String(await freePort());
  const env = { ...process.env, HOST: '127.0.0.1', BATCHYARD_ROOT_KEY: key, ...settings, PORT: port };
  const child = spawn(process.execPath, [...FLAGS, MAIN], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  }
  const ended = once(child, 'exit').then(([code]) => (typeof code === 'number' ? code : null));
  const kill = async () => {
    child.kill('SIGKILL');
    await ended;
  };
  const url = `http://127.0.0.1:${port}`;
  try {
    await until(async () => {
      if (child.exitCode !== null) throw new Error(`The service ended with ${child.exitCode}:\n${output}`);
      const response = await fetch(`${url}/readyz`).catch(() => null);
      return response?.ok === true;
    }, START_DEADLINE_MS);
  } catch (error) {
    await kill();
    throw error;
  }
  return {
    ...{ url, key, child, kill },
    output: () => output,
    memory: () => memoryOf(child.pid),
    stop: async () => {
      child.kill('SIGTERM');
      const timer = setTimeout(() => child.kill('SIGKILL'), STOP_DEADLINE_MS);
      const code = await ended;
      clearTimeout(timer);
      return code;
    },
  };
}

function memoryOf(pid: number | undefined): { now: number; highest: number } {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const bytes = (field: string) => Number(new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(status)?.[1]) * 1_024;
  return { now: bytes('VmRSS'), highest: bytes('VmHWM') };
}
