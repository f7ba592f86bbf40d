/** GraphiQL in a real browser: through the one-time link, and then the five things that its tabs show. */
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { Browser, KeyInput, Page } from 'puppeteer-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { findBrowser, startBrowser } from '../support/browser.ts';
import { fillDataFolder } from '../support/data-folder.ts';
import { type ServiceProcess, startService } from '../support/service-process.ts';
import { until } from '../support/until.ts';

const executable = findBrowser();
if (executable === null) console.warn('!!! NO BROWSER: GraphiQL is not tested (install chromium).');
/** Where to put pictures of the steps, for a person to look at; none are taken without it. */
const pictures = process.env['SCREENSHOT_DIR'];

describe.runIf(executable !== null)('GraphiQL', () => {
  let service: ServiceProcess;
  let browser: Browser;
  let page: Page;
  let link = '';
  const requested: string[] = [];
  const troubles: string[] = [];
  const sockets: string[] = [];
  const folder = mkdtempSync(path.join(os.tmpdir(), 'batchyard-graphiql-'));

  beforeAll(async () => {
    fillDataFolder(folder);
    service = await startService({ BATCHYARD_DATA_DIR: folder });
    browser = await startBrowser(executable ?? '');
    link = /\S+#token=\S+/.exec(service.output())?.[0] ?? '';
    page = await open(link);
  });
  afterAll(async () => {
    await browser?.close();
    await service?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  /** A new browser tab at an address; what it asks for and complains of is noted. */
  async function open(address: string): Promise<Page> {
    const opened = await browser.newPage();
    await opened.setViewport({ width: 1500, height: 950 });
    opened.on('request', (request) => requested.push(request.url()));
    opened.on('requestfailed', (request) => troubles.push(`${request.url()} ${request.failure()?.errorText}`));
    opened.on('pageerror', (error) => troubles.push(String(error)));
    opened.on('console', (message) => {
      if (message.type() === 'error') troubles.push(message.text());
    });
    const devtools = await opened.createCDPSession();
    await devtools.send('Network.enable');
    devtools.on('Network.webSocketCreated', ({ url }) => sockets.push(url));
    await opened.goto(address);
    await opened.waitForSelector('.graphiql-query-editor .view-line');
    return opened;
  }

  /** What the pane of answers shows. The editor writes spaces that do not break. */
  const shown = (on: Page): Promise<string> =>
    on.$$eval('.result-window', (panes) =>
      panes
        .map((pane) => pane.textContent)
        .join('')
        .replaceAll('\u00a0', ' '),
    );

  /** Opens one of the tabs, puts variables in if there are any, and runs it. */
  async function run(on: Page, tab: string, variables?: object): Promise<void> {
    await on.bringToFront();
    // The tabs glide into their places, and a click by the mouse would miss them.
    await on.$$eval(
      '.graphiql-tab-button',
      (buttons, name) => (buttons.find((button) => button.textContent === name) as HTMLElement | undefined)?.click(),
      tab,
    );
    // The editor follows its tab; what runs is what the editor holds.
    await on.waitForFunction(
      (name) => document.querySelector('.graphiql-query-editor')?.textContent?.includes(`\u00a0${name}`),
      {},
      tab,
    );
    if (variables !== undefined) await setVariables(on, JSON.stringify(variables));
    await until(async () => {
      await on.$eval('button.graphiql-execute-button', (button) => button.click());
      const answer = await until(async () => (await shown(on)) || null, 10_000);
      // For a moment GraphiQL still has the name of the operation of the tab before.
      return !answer.includes('Cannot infer operation');
    }, 20_000);
  }

  /** Types over the variables until they are what they should be: the editor completes and closes as one types. */
  async function setVariables(on: Page, text: string): Promise<void> {
    await until(async () => {
      await on.locator('[aria-label="Variables"] .view-lines').click();
      await press(on, 'Control', 'KeyA');
      await on.keyboard.sendCharacter(text);
      await press(on, 'Control', 'Shift', 'End');
      await on.keyboard.press('Delete');
      return (
        (await on.$$eval('[aria-label="Variables"] .view-line', (lines) =>
          lines.map((line) => line.textContent).join(''),
        )) === text
      );
    }, 10_000);
  }

  async function press(on: Page, ...keys: readonly KeyInput[]): Promise<void> {
    for (const key of keys) await on.keyboard.down(key);
    for (const key of keys.toReversed()) await on.keyboard.up(key);
  }

  const picture = async (of: Page, name: string): Promise<void> => {
    if (pictures) await of.screenshot({ path: path.join(pictures, `${name}.png`) });
  };

  test('opens without a key typed, with a tab for each step', async () => {
    expect(await page.$$('.graphiql-tab')).toHaveLength(5);
    expect(page.url()).toBe(`${service.url}/graphql`);
    expect(await page.content()).not.toContain('by_');
  });

  test('keeps its key for the browser tab, and not for longer', async () => {
    const [session, local] = await page.evaluate(() =>
      [sessionStorage, localStorage].map((it) => JSON.stringify({ ...it })),
    );
    expect(session).toMatch(/by_[a-z0-9]{8}_/);
    expect(local).not.toMatch(/by_[a-z0-9]{8}_/);
  });

  test('creates, watches over WebSocket, pages, cancels and retries, as its tabs say', {
    timeout: 90_000,
  }, async () => {
    await run(page, 'Create');
    const id = await until(async () => /"id": "(exec_[\w-]{21})"/.exec(await shown(page))?.[1], 10_000);
    await picture(page, '1-create');

    // A second window has no link; the first one lends it the key.
    const second = await open(`${service.url}/graphql`);
    await run(second, 'Watch', { id });
    await until(async () => /"status": "RUNNING"/.test(await shown(second)), 10_000);
    expect(sockets).toEqual([`${service.url.replace('http', 'ws')}/graphql`]);
    await until(async () => /"failed": 1,/.test(await shown(second)), 20_000);
    await picture(second, '2-watch');

    await run(page, 'Items');
    await until(async () => /"filename": "empty.md"/.test(await shown(page)), 10_000);
    await picture(page, '3-items');

    await run(page, 'Cancel', { id });
    await until(async () => /"status": "CANCELL(ING|ED)"/.test(await shown(page)), 10_000);
    // A tab in the background draws nothing.
    await second.bringToFront();
    await until(async () => /"status": "CANCELLED"/.test(await shown(second)), 20_000);
    await picture(second, '4-cancelled');

    await run(page, 'Retry', { id });
    await until(async () => /"retriedCount": 1,/.test(await shown(page)), 10_000);
    await picture(page, '5-retry');
    await second.close();
  });

  test('loads nothing from elsewhere, and does nothing that its policy forbids', () => {
    const elsewhere = requested.filter((url) => !url.startsWith(service.url) && !/^(data|blob):/.test(url));
    expect(requested.length).toBeGreaterThan(3);
    expect(elsewhere).toEqual([]);
    expect(troubles).toEqual([]);
  });

  test('asks for a key where the link was used before, and works with the one that is pasted while that is valid', async () => {
    const context = await browser.createBrowserContext();
    const stranger = await context.newPage();
    await stranger.goto(link);
    const notice = await stranger.waitForSelector('#notice');
    expect(await notice?.evaluate((bar) => bar.textContent)).toContain('used before');
    await picture(stranger, '6-notice');
    await stranger.locator('#notice input').fill(service.key);
    await Promise.all([stranger.waitForNavigation(), stranger.locator('#notice button').click()]);
    await stranger.waitForSelector('.graphiql-query-editor .view-line');
    await run(stranger, 'Items');
    await until(async () => /"name": "try-it"/.test(await shown(stranger)), 10_000);
    expect(await stranger.$('#notice')).toBeNull();

    await stranger.evaluate(() => sessionStorage.setItem('batchyard.key', 'by_revoked_since'));
    await stranger.reload();
    const again = await stranger.waitForSelector('#notice');
    expect(await again?.evaluate((bar) => bar.textContent)).toContain('no longer valid');
    await context.close();
  });
});
