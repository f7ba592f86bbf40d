/**
 * Follows the README as a new user would: clones the repository's last commit into a temporary folder, runs the
 * commands that the README itself names, and then every example against a running service.
 *
 * The service listens on a free port, which the commands get instead of 4000. Blocks are marked by the word `run` after their language: `sh run demo` and `sh run` are commands,
 * `js run agents/x.js` is a file to write first, `graphql run` an operation.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { freePort } from '../support/free-port.ts';
import { until } from '../support/until.ts';
import { runnableBlocks } from './blocks.ts';
import { exampleRunner } from './operations.ts';

const COMMAND_DEADLINE_MS = 980_000;
const START_DEADLINE_MS = 60_000;
const KEY = 'the-key-of-the-one-who-follows-the-readme';

const root = path.join(import.meta.dirname, '..', '..');
const folder = mkdtempSync(path.join(os.tmpdir(), 'batchyard-readme-'));
// The tests run PostgreSQL as another user, who has to get in.
chmodSync(folder, 0o755);
const clone = path.join(folder, 'batchyard');
// A new user has none of this checkout's programs.
const PATH = (process.env['PATH'] ?? '')
  .split(path.delimiter)
  .filter((entry) => !entry.startsWith(root))
  .join(path.delimiter);
const port = await freePort();
const address = `127.0.0.1:${port}`;
const url = `http://${address}`;
const env = { ...process.env, PATH, PORT: String(port), BATCHYARD_ROOT_KEY: KEY, KEY };
let failures = 0;

try {
  await command(`git clone --quiet ${JSON.stringify(root)} ${JSON.stringify(clone)}`, folder);
  const blocks = runnableBlocks(readFileSync(path.join(clone, 'README.md'), 'utf8'));
  const before = blocks.filter((block) => block.language === 'sh' && block.words.length > 0);
  if (before.length !== 2) throw new Error(`The README should name two first commands; it names ${before.length}.`);
  for (const { code, words, line } of before) {
    // The demo keeps serving for a person; here it is to end.
    await attempt(line, () => command(words.includes('demo') ? `${code} -- --exit` : code, clone));
  }
  for (const { language, words, code } of blocks) {
    const [file] = words;
    if (language === 'sh' || file === undefined) continue;
    mkdirSync(path.dirname(path.join(clone, file)), { recursive: true });
    writeFileSync(path.join(clone, file), code);
  }
  await withService(async () => {
    const examples = exampleRunner(`${url}/graphql`, KEY);
    for (const block of blocks) {
      if (block.language === 'graphql') await attempt(block.line, () => examples.run(block));
      if (block.language === 'sh' && block.words.length === 0)
        await attempt(block.line, () => command(block.code.replaceAll('127.0.0.1:4000', address), clone));
    }
    await examples.close();
  });
} catch (error) {
  failures += 1;
  console.error(error);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
console.log(failures === 0 ? 'The README works as it is written.' : `${failures} part(s) of the README do not work.`);
process.exitCode = failures === 0 ? 0 : 1;

async function attempt(line: number, part: () => Promise<string>): Promise<void> {
  try {
    console.log(`README.md:${line}: ${await part()}`);
  } catch (error) {
    failures += 1;
    console.error(`README.md:${line}: FAILED`, error);
  }
}

/** Runs a shell command to its end and shows what it prints. */
async function command(text: string, cwd: string): Promise<string> {
  console.log(`$ ${text}`);
  const started = performance.now();
  const child = spawn(text, { cwd, env, shell: true, detached: true, stdio: ['ignore', 'inherit', 'inherit'] });
  const timer = setTimeout(() => killGroup(child), COMMAND_DEADLINE_MS);
  const [code] = await once(child, 'exit');
  clearTimeout(timer);
  if (code !== 0) throw new Error(`"${text}" ended with ${code}.`);
  return `"${text}" worked in ${Math.round((performance.now() - started) / 1_000)} s`;
}

async function withService(use: () => Promise<void>): Promise<void> {
  const service = spawn('npm', ['start'], { cwd: clone, env, detached: true, stdio: ['ignore', 'ignore', 'inherit'] });
  try {
    await until(async () => {
      if (service.exitCode !== null) throw new Error(`"npm start" ended with ${service.exitCode}.`);
      const response = await fetch(`${url}/readyz`).catch(() => null);
      return response?.ok;
    }, START_DEADLINE_MS);
    await use();
  } finally {
    if (service.exitCode === null) {
      const ended = once(service, 'exit');
      killGroup(service);
      await ended;
    }
  }
}

/** Ends a command and what it started. */
function killGroup(child: ChildProcess): void {
  if (child.pid !== undefined && child.exitCode === null) process.kill(-child.pid, 'SIGTERM');
}
