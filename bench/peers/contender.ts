/**
 * The frame of each peer's program: `node <program> <database url> <items> <pid of the server> <items to warm up with>` prints
 * a line of JSON.
 */
import pg from 'pg';
import { cpuOf, cpuOfFamily } from '../support/cpu.ts';

/** Jobs from place `first` up to `end`. */
export interface Stretch {
  readonly first: number;
  readonly end: number;
}

/** A peer on an empty database. */
export interface Contender {
  /** Puts a stretch of jobs into the queue; no worker runs meanwhile. */
  load(stretch: Stretch): Promise<void>;
  /** Resolves when the last job of the stretch is done and its result is committed. */
  work(stretch: Stretch): Promise<void>;
  stop(): Promise<void>;
}

/** Runs a contender with the arguments of this process, and prints what it took. */
export async function compete(start: (url: string, pool: pg.Pool) => Promise<Contender>): Promise<void> {
  const [url = '', items = '', serverPid = '', warmUps = ''] = process.argv.slice(2);
  const cpu = () => cpuOfFamily(Number(serverPid)) + cpuOf(process.pid);
  const pool = new pg.Pool({ connectionString: url, max: 4 });
  const contender = await start(url, pool);
  // Done before the clock runs, so that nobody is measured while the compiler warms up.
  const warmUp = { first: Number(items), end: Number(items) + Number(warmUps) };
  await contender.load(warmUp);
  await contender.work(warmUp);
  const stretch = { first: 0, end: Number(items) };
  const loadMs = await timed(() => contender.load(stretch));
  const before = cpu();
  const workMs = await timed(() => contender.work(stretch));
  const cpuMs = cpu() - before;
  const memoryBytes = process.memoryUsage.rss();
  await contender.stop();
  await pool.end();
  console.log(JSON.stringify({ loadMs, workMs, cpuMs, memoryBytes }));
}

async function timed(action: () => Promise<void>): Promise<number> {
  const started = performance.now();
  await action();
  return performance.now() - started;
}
