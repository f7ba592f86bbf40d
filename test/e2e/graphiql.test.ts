/** GraphiQL in a real browser, through the one-time link. */
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { Browser, Page } from 'puppeteer-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { findBrowser, startBrowser } from '../support/browser.ts';
import { fillDataFolder } from '../support/data-folder.ts';
import { type ServiceProcess, startService } from '../support/service-process.ts';
import { until } from '../support/until.ts';

const executable = findBrowser();
if (executable === null) console.warn('!!! NO BROWSER: GraphiQL is not tested (install chromium).');

describe.runIf(executable !== null)('GraphiQL', () => {
  let service: ServiceProcess;
  let browser: Browser;
  let page: Page;
  const requested: string[] = [];
  const folder = mkdtempSync(path.join(os.tmpdir(), 'batchyard-graphiql-'));

  beforeAll(async () => {
    fillDataFolder(folder);
    service = await startService({ BATCHYARD_DATA_DIR: folder });
    browser = await startBrowser(executable ?? '');
    page = await browser.newPage();
    page.on('request', (request) => requested.push(request.url()));
    const link = /\S+#token=\S+/.exec(service.output())?.[0] ?? '';
    await page.goto(link);
    await page.waitForSelector('.graphiql-tab');
  });
  afterAll(async () => {
    await browser?.close();
    await service?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  test('opens without a key typed, with a tab for each step', async () => {
    expect(await page.$$('.graphiql-tab')).toHaveLength(5);
    expect(page.url()).toBe(`${service.url}/graphql`);
    expect(await page.content()).not.toContain('by_');
  });

  test('runs the first tab against the service', async () => {
    await page.click('.graphiql-execute-button');
    const answer = () => page.$eval('.result-window', (element) => element.textContent ?? '');
    await until(async () => (await answer()).includes('exec_'), 10_000);
    expect(await answer()).toContain('createBatchExecution');
  });

  test('loads nothing from elsewhere', () => {
    const elsewhere = requested.filter((url) => !url.startsWith(service.url) && !/^(data|blob):/.test(url));
    expect(requested.length).toBeGreaterThan(3);
    expect(elsewhere).toEqual([]);
  });
});
