/** A real browser, where the machine has one. */
import { existsSync } from 'node:fs';
import path from 'node:path';
import { type Browser, launch } from 'puppeteer-core';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome'];

/** The path of a Chromium or Chrome: BATCHYARD_TEST_BROWSER, else the first in the PATH; null when there is none. */
export function findBrowser(): string | null {
  const named = process.env['BATCHYARD_TEST_BROWSER'];
  if (named !== undefined && named !== '') return named;
  const folders = (process.env['PATH'] ?? '').split(path.delimiter);
  const files = NAMES.flatMap((name) => folders.map((folder) => path.join(folder, name)));
  return files.find((file) => existsSync(file)) ?? null;
}

/** Starts the browser at this path without a window; the caller closes it. */
export function startBrowser(executablePath: string): Promise<Browser> {
  // Chromium's sandbox refuses to run as root, as tests in a container do.
  return launch({ executablePath, args: process.getuid?.() === 0 ? ['--no-sandbox'] : [] });
}
