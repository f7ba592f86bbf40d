/** A node's session lock, by which others know that it lives, through lost connections. */

import { spawnSync } from 'node:child_process';
import { hostname } from 'node:os';
import { sql } from 'kysely';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createNodePresence, type NodePresence } from '../../src/store/node-presence.ts';
import { type CutProxy, startCutProxy } from '../support/cut-proxy.ts';
import { type FreshDatabase, freshPostgres } from '../support/databases.ts';
import { until } from '../support/until.ts';

let database: FreshDatabase;
let proxy: CutProxy;
const errors: unknown[] = [];
const opened: NodePresence[] = [];
const presenceOf = (node: string, url = proxy.url, graceMs = 0): NodePresence => {
  const presence = createNodePresence(url, node, (error) => void errors.push(error), graceMs);
  opened.push(presence);
  return presence;
};
beforeEach(async () => {
  database = await freshPostgres(2);
  proxy = await startCutProxy(database.url ?? '');
  errors.length = 0;
});
afterEach(async () => {
  for (const presence of opened.splice(0)) await presence.stop();
  await proxy.close();
  await database.close();
});

/** Sessions of nodes that the server has. */
async function sessions(): Promise<number> {
  const { rows } = await sql<{ n: number }>`
    select count(*)::int as n from pg_stat_activity
    where datname = current_database() and application_name = 'batchyard node'`.execute(database.db);
  return rows[0]?.n ?? 0;
}

test('a node is seen while it lives, not before and not after', async () => {
  const observer = presenceOf('observer');
  await observer.start();
  expect(await observer.isAlive('other')).toBe(false);
  const other = presenceOf('other');
  await other.start();
  expect(await observer.isAlive('other')).toBe(true);
  await other.stop();
  await until(async () => !(await observer.isAlive('other')));
});

test('a lost connection is made anew, once, however often it is lost', async () => {
  const observer = presenceOf('observer', database.url ?? '');
  await observer.start();
  const node = presenceOf('node');
  await node.start();
  for (let loss = 0; loss < 3; loss += 1) {
    proxy.drop();
    await until(async () => !(await observer.isAlive('node')));
    await until(() => observer.isAlive('node'));
  }
  expect(await sessions()).toBe(2);
});

test('a connection that is lost and made anew within the grace time is no death', async () => {
  const observer = presenceOf('observer', database.url ?? '', 60_000);
  await observer.start();
  const node = presenceOf('node');
  await node.start();
  const seen: boolean[] = [];
  for (let loss = 0; loss < 2; loss += 1) {
    const asked = proxy.asked;
    proxy.drop();
    await until(async () => {
      seen.push(await observer.isAlive('node'));
      return proxy.asked > asked && (await sessions()) === 2;
    });
  }
  expect(seen).not.toContain(false);
});

test('a process that ran on this machine and is no more is dead at once', async () => {
  const observer = presenceOf('observer', database.url ?? '', 60_000);
  await observer.start();
  const { pid } = spawnSync(process.execPath, ['--version']);
  expect(await observer.isAlive(`gone.${pid}.${hostname()}`)).toBe(false);
  expect(await observer.isAlive(`former.${process.pid}.${hostname()}`)).toBe(false);
  expect(await observer.isAlive(`living.${process.ppid}.${hostname()}`)).toBe(true);
  expect(await observer.isAlive(`elsewhere.${pid}.another-${hostname()}`)).toBe(true);
});

test('a server that is away is asked at a steady pace, and once it is back there is one session', async () => {
  const node = presenceOf('node');
  await node.start();
  proxy.cut();
  const before = proxy.asked;
  const began = performance.now();
  await until(() => proxy.asked - before >= 5);
  // Twice a second: five tries take at least two seconds.
  expect(performance.now() - began).toBeGreaterThan(1_900);
  // Nobody can be seen from here, so nobody is taken for dead.
  expect(await node.isAlive('whoever')).toBe(true);
  proxy.heal();
  await until(async () => (await sessions()) === 1 && !(await node.isAlive('whoever')));
  const healed = proxy.asked;
  const other = presenceOf('other');
  await other.start();
  await until(() => other.isAlive('node'));
  expect(proxy.asked).toBe(healed + 1);
});

test('a node that stops while its connection is away leaves nothing behind', async () => {
  const node = presenceOf('node');
  await node.start();
  proxy.cut();
  const before = proxy.asked;
  await until(() => proxy.asked > before);
  await node.stop();
  proxy.heal();
  const asked = proxy.asked;
  const observer = presenceOf('observer', database.url ?? '');
  await observer.start();
  // As long as two tries would take.
  const began = performance.now();
  await until(() => performance.now() - began > 1_100);
  expect(proxy.asked).toBe(asked);
  expect(await observer.isAlive('node')).toBe(false);
});
