/**
 * `npm run demo`: starts the service and runs a batch over the README files of the installed packages.
 *
 * Everything it shows comes from the API. It keeps serving afterwards, so that one can look around; with `--exit`
 * it ends after the batch, with code 0 also where documents failed, for those failures are theirs.
 */
import { existsSync } from 'node:fs';
import { mkdir, rm, symlink } from 'node:fs/promises';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { z } from 'zod';
import { createApp } from '../app.ts';
import { type Config, processConfig } from '../config.ts';
import { type ApiClient, createApiClient } from './api-client.ts';
import { createExecution, ensureDatasource, type Results, readResults, watchExecution } from './demo-batch.ts';
import { errorLines, resultTable } from './demo-report.ts';
import { createProgress } from './progress.ts';

const DOCUMENTS = path.join(import.meta.dirname, '..', '..', 'node_modules');
const GLOB = '**/{README,readme,Readme}*.{md,markdown}';
const TABLE_ROWS = 8;
/** How wide the table may be where there is no terminal. */
const PLAIN_COLUMNS = 120;
/** The exit code that shells give to a program that Ctrl-C ended. */
const INTERRUPTED = 130;

/** The settings of the environment; the demo's database and folders are its own unless the environment names some. */
function demoConfig(): Config & { foldersDir: string } {
  const config = processConfig({ BATCHYARD_DATA_DIR: '.batchyard-demo', LOG_LEVEL: 'warn' });
  return { ...config, foldersDir: path.join(config.dataDir, 'demo-folders') };
}

/** Shows the service the installed packages as the project's folder. */
async function linkDocuments(api: ApiClient, foldersDir: string): Promise<void> {
  const shape = z.object({ viewer: z.object({ project: z.object({ id: z.string() }) }) });
  const { viewer } = await api.request(shape, '{ viewer { project { id } } }');
  const link = path.join(foldersDir, viewer.project.id);
  await mkdir(foldersDir, { recursive: true });
  await rm(link, { force: true });
  await symlink(DOCUMENTS, link, 'dir');
}

/** Runs the batch and shows it; whether the service brought it to its end. */
async function showBatch(url: string, key: string, foldersDir: string, startedAt: number): Promise<boolean> {
  const api = createApiClient(url, key);
  try {
    return await runBatch(api, foldersDir, startedAt);
  } finally {
    await api.close();
  }
}

async function runBatch(api: ApiClient, foldersDir: string, startedAt: number): Promise<boolean> {
  await linkDocuments(api, foldersDir);
  const datasourceId = await ensureDatasource(api, 'readmes', GLOB);
  const id = await createExecution(api, datasourceId);
  const progress = createProgress(process.stdout);
  let firstItemAfter: number | null = null;
  let last = '';
  for await (const state of watchExecution(api, id)) {
    if (state.closed > 0) firstItemAfter ??= performance.now() - startedAt;
    progress.show(state);
    last = state.status;
  }
  progress.end();
  showResults(await readResults(api, id));
  if (firstItemAfter !== null) console.log(`\nThe first item was done ${seconds(firstItemAfter)} s after the start.`);
  return last === 'COMPLETED' || last === 'COMPLETED_WITH_ERRORS';
}

function showResults({ documents, flaws, errors }: Results): void {
  console.log(`\nThe longest of ${documents.length} documents:`);
  console.log(resultTable(documents.slice(0, TABLE_ROWS), process.stdout.columns ?? PLAIN_COLUMNS));
  if (flaws.length > 0) console.log(`\nWhat the agent found wrong in documents:\n${errorLines(flaws)}`);
  if (errors.length > 0) console.log(`\nDocuments that the agent could not report on:\n${errorLines(errors)}`);
}

/** A key of the demo's own, got as a browser gets one: for the token of a one-time link. */
async function exchangeLink(link: string): Promise<string> {
  const { origin, hash } = new URL(link);
  const token = new URLSearchParams(hash.slice(1)).get('token');
  const headers = { 'content-type': 'application/json' };
  const response = await fetch(`${origin}/session`, { method: 'POST', headers, body: JSON.stringify({ token }) });
  return z.object({ key: z.string() }).parse(await response.json()).key;
}

/** Runs the demo to its end; the exit code. */
async function demo(): Promise<number> {
  const startedAt = performance.now();
  const { values } = parseArgs({ options: { exit: { type: 'boolean', default: false } } });
  const config = demoConfig();
  if (config.databaseUrl === null && !existsSync(config.dataDir)) {
    console.log('Making a database, once; this takes some seconds.');
  }
  const app = createApp(config);
  try {
    const service = await app.start();
    const interrupted = new Promise<void>((resolve) => {
      for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve());
    });
    console.log(`Batchyard serves on ${service.url}/graphql`);
    const key = await exchangeLink(service.loginLink());
    const ended = await Promise.race([
      showBatch(`${service.url}/graphql`, key, config.foldersDir, startedAt),
      interrupted,
    ]);
    if (ended === undefined) return INTERRUPTED;
    if (!values.exit) {
      console.log(`\nLook around in GraphiQL: ${service.loginLink()}\n(The link works once. Ctrl-C ends the service.)`);
      await interrupted;
    }
    return ended ? 0 : 1;
  } finally {
    await app.stop();
  }
}

const seconds = (ms: number): string => (ms / 1_000).toFixed(1);

try {
  process.exitCode = await demo();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
