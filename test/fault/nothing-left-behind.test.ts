/** An engine that has stopped leaves no timer and no slot behind, and its process ends by itself. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { expect, inject, test } from 'vitest';
import { freshPostgres } from '../support/databases.ts';

const SCRIPT = path.join(import.meta.dirname, '..', 'support', 'stopping-engine.ts');
/** Far less than the timers last that would hold the process. */
const DEADLINE_MS = 40_000;

/** Runs the process to its own end; what it says is left in each state. */
async function leftBehind(url: string | null): Promise<unknown> {
  const args = [SCRIPT, inject('pgliteTemplate'), ...(url === null ? [] : [url])];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString();
  });
  const overdue = setTimeout(() => child.kill('SIGKILL'), DEADLINE_MS);
  const [code] = (await once(child, 'close')) as [number | null];
  clearTimeout(overdue);
  expect({ code, output }).toMatchObject({ code: 0 });
  return JSON.parse(output);
}

const nothing = { timers: 0, busy: 0, running: 0 };
const NOTHING_LEFT = {
  finished: nothing,
  'retries wait': nothing,
  'a deadline is near': nothing,
  // The calls themselves go on: that is what they do.
  'calls ignore their abort': { ...nothing, running: 3 },
  paused: nothing,
  'starts are limited': nothing,
  'a storm': nothing,
  'the lane is lost under a flush': nothing,
};

test('on the embedded database', async () => {
  expect(await leftBehind(null)).toEqual(NOTHING_LEFT);
});

test('on PostgreSQL', async () => {
  const fresh = await freshPostgres(1);
  try {
    expect(await leftBehind(fresh.url)).toEqual(NOTHING_LEFT);
  } finally {
    await fresh.close();
  }
});
