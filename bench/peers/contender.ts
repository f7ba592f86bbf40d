/**
 * The frame of each peer's program: `node <program> <database url> <items> <pid of the server>` prints a line of JSON.
 */
import pg from 'pg';
import { cpuOf, cpuOfFamily } from '../support/cpu.ts';

/** One contender at work. */
export interface Contest {
  readonly url: string;
  readonly items: number;
  readonly pool: pg.Pool;
}

/** What a contender does, in order; only `work` is raced. */
export interface Contender {
  /** Puts all jobs into the queue; no worker runs yet. */
  load(contest: Contest): Promise<void>;
  /** Resolves when the last job is done and its result is committed. */
  work(contest: Contest): Promise<void>;
  stop(): Promise<void>;
}

/** Runs a contender with the arguments of this process, and prints what it took. */
export async function compete(contender: Contender): Promise<void> {
  const [url = '', items = '', serverPid = ''] = process.argv.slice(2);
  const cpu = () => cpuOfFamily(Number(serverPid)) + cpuOf(process.pid);
  const pool = new pg.Pool({ connectionString: url, max: 4 });
  const contest = { url, items: Number(items), pool };
  const loadMs = await timed(() => contender.load(contest));
  const before = cpu();
  const workMs = await timed(() => contender.work(contest));
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
