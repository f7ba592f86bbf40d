/** `npm run demo` as a new user runs it. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import { expect, test } from 'vitest';
import { dataFolder, temporaryFolder } from '../support/data-folder.ts';
import { freePort } from '../support/free-port.ts';
import { until } from '../support/until.ts';

const PROGRAM = path.join(import.meta.dirname, '..', '..', 'src', 'cli', 'demo.ts');
const DEADLINE_MS = 60_000;

async function startDemo(dataDir: string, ...args: string[]) {
  const port = await freePort();
  const env = { ...process.env, PORT: String(port), BATCHYARD_DATA_DIR: dataDir };
  const child = spawn(process.execPath, [PROGRAM, ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  }
  const ended = once(child, 'exit').then(([code]) => Number(code));
  return { child, ended, url: `http://127.0.0.1:${port}`, output: () => output };
}

test('Ctrl-C in the middle of the batch ends it in order, and the next run works', async () => {
  const dataDir = temporaryFolder();
  const first = await startDemo(dataDir);
  await until(() => first.output().includes('running'), DEADLINE_MS);
  first.child.kill('SIGINT');
  expect(await first.ended, first.output()).toBe(130);

  const { ended, output } = await startDemo(dataDir, '--exit');
  expect(await ended, output()).toBe(0);
  expect(output()).toMatch(/^100% · (\d{3,}) of \1 · completed/m);
  expect(output()).toMatch(/Document +│ +Words/);
  expect(output()).toMatch(/ {2}broken_link: \d+ in \d+ documents, such as\n {4}\S+: Line \d+ links to/);
  expect(output()).toMatch(/The first item was done [\d.]+ s after the start/);
  expect(stripVTControlCharacters(output())).toBe(output());
  expect(output()).not.toContain('\r');
}, 120_000);

test('without --exit it keeps serving, until Ctrl-C ends it in order', async () => {
  const { child, ended, url, output } = await startDemo(dataFolder());
  await until(() => output().includes('Look around in GraphiQL'), DEADLINE_MS);
  expect(output()).toContain(`${url}/graphql#token=`);
  expect((await fetch(`${url}/readyz`)).status).toBe(200);
  child.kill('SIGINT');
  expect(await ended).toBe(0);
}, 120_000);
