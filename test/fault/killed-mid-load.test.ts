import { Readable } from 'node:stream';
import { afterEach, expect, test } from 'vitest';
import { openDatabase } from '../../src/store/database.ts';
import { dataFolder } from '../support/data-folder.ts';
import { checkEnded } from '../support/exact-end.ts';
import { type ServiceProcess, startService } from '../support/service-process.ts';
import { until } from '../support/until.ts';

const ITEMS = 12_000;

const running: ServiceProcess[] = [];
afterEach(async () => {
  for (const service of running.splice(0)) await service.kill();
});

const headers = (service: ServiceProcess, type: string) => ({
  authorization: `Bearer ${service.key}`,
  'content-type': type,
});

async function ask(service: ServiceProcess, query: string): Promise<Record<string, Record<string, unknown>>> {
  const init = { method: 'POST', headers: headers(service, 'application/json'), body: JSON.stringify({ query }) };
  const { data, errors } = (await (await fetch(`${service.url}/graphql`, init)).json()) as Record<string, never>;
  if (!data) throw new Error(JSON.stringify(errors));
  return data;
}

async function state(service: ServiceProcess, id: string): Promise<{ itemCount: number; nextIndex: number }> {
  const response = await fetch(`${service.url}/executions/${id}/items`, { headers: headers(service, 'text/plain') });
  return (await response.json()) as { itemCount: number; nextIndex: number };
}

/** The lines from an index on, `held` before the last. */
async function* lines(from: number, held: Promise<void> = Promise.resolve()) {
  for (let n = from; n < ITEMS; n += 1) {
    if (n === ITEMS - 1) await held;
    yield `${JSON.stringify({ filename: `${n}.txt`, text: `text ${n}` })}\n`;
  }
}

const send = (service: ServiceProcess, id: string, query: string, body: AsyncIterable<string>) =>
  fetch(`${service.url}/executions/${id}/items${query}`, {
    ...{ method: 'POST', headers: headers(service, 'application/x-ndjson'), duplex: 'half' },
    body: Readable.toWeb(Readable.from(body)) as ReadableStream,
  } as RequestInit);

test('a load whose service is killed in it goes on where it says, and runs each item once', async () => {
  const folder = dataFolder();
  const start = async () => {
    const service = await startService({ BATCHYARD_DATA_DIR: folder, LOG_LEVEL: 'silent' });
    running.push(service);
    return service;
  };
  const first = await start();
  const { createBatchExecution } = await ask(
    first,
    `mutation { createBatchExecution(input: { draft: true, source: { spec: { name: "load", agent: "echo", input: {} } } }) {
      ... on CreateBatchExecutionSuccess { batchExecution { id } } } }`,
  );
  const { id } = (createBatchExecution?.['batchExecution'] as { id: string } | undefined) ?? { id: '' };
  const held = Promise.withResolvers<void>();
  const broken = send(first, id, '?submit=true', lines(0, held.promise)).catch(() => null);
  const seen = await until(async () => {
    const { itemCount } = await state(first, id);
    return itemCount > 0 && itemCount;
  }, 20_000);
  await first.kill();
  held.resolve();
  await broken;

  const second = await start();
  const { itemCount, nextIndex } = await state(second, id);
  expect(itemCount).toBeGreaterThanOrEqual(seen);
  expect(itemCount).toBeLessThan(ITEMS);
  expect(nextIndex).toBe(itemCount);
  // From a little before, as a client does that remembers only what it sent.
  const from = nextIndex - 100;
  const answer = await send(second, id, `?from=${from}&submit=true`, lines(from));
  expect(await answer.json()).toMatchObject({ addedCount: ITEMS - nextIndex, repeatedCount: 100, itemCount: ITEMS });
  const ended = await until(async () => {
    const { batchExecution } = await ask(
      second,
      `{ batchExecution(id: "${id}") { status counts { total succeeded } } }`,
    );
    return batchExecution?.['status'] === 'COMPLETED' && batchExecution;
  }, 60_000);
  expect(ended).toMatchObject({ counts: { total: ITEMS, succeeded: ITEMS } });
  expect(await second.stop()).toBe(0);
  const database = await openDatabase({ databaseUrl: null, dataDir: folder, onError: () => undefined });
  try {
    await checkEnded(database.db, id);
  } finally {
    await database.close();
  }
}, 120_000);
