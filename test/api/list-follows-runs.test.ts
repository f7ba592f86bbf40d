/** The list as a monitor follows it while a real service runs batches. */
import { afterEach, describe, expect, test } from 'vitest';
import { type App, createApp } from '../../src/app.ts';
import { loadConfig } from '../../src/config.ts';
import { fillDataFolder, temporaryFolder } from '../support/data-folder.ts';
import { type FreshDatabase, freshPostgres } from '../support/databases.ts';
import { dig, post, socketClient } from '../support/server.ts';

const KEY = 'a-root-key-for-live-lists';
const CREATE = `mutation { createBatchExecution(input: { source: { spec: { name: "followed", agent: "echo",
  input: { items: [{ filename: "a.txt", text: "a" }] } } } }) { ... on CreateBatchExecutionSuccess { batchExecution { id } } } }`;
const DELETE = `mutation ($id: ID!) { deleteBatchExecution(input: { batchExecutionId: $id }) { __typename } }`;
const FOLLOW = `subscription { batchExecutionsUpdated(afterChange: 0) { change kind id batchExecution { status } } }`;

let app: App | undefined;
let postgres: FreshDatabase | undefined;
afterEach(async () => {
  await app?.stop();
  await postgres?.close();
  [app, postgres] = [undefined, undefined];
});

describe.each(['embedded', 'postgres'] as const)('a monitor (%s)', (kind) => {
  test('sees every execution come, end and go, by itself', async () => {
    const folder = temporaryFolder();
    if (kind === 'embedded') fillDataFolder(folder);
    else postgres = await freshPostgres();
    app = createApp(
      loadConfig({
        ...{ PORT: '0', BATCHYARD_DATA_DIR: folder, BATCHYARD_AGENTS_DIR: folder, BATCHYARD_ROOT_KEY: KEY },
        ...(postgres?.url && { DATABASE_URL: postgres.url, BATCHYARD_SECRET_KEY: 'a-secret-key-for-this-test' }),
        LOG_LEVEL: 'silent',
      }),
    );
    const server = await app.start();
    const { client } = socketClient(server, { authorization: `Bearer ${KEY}` });
    const events = client.iterate({ query: FOLLOW });
    const numbers: number[] = [];
    const next = async (): Promise<unknown> => {
      const event = dig((await events.next()).value, 'data', 'batchExecutionsUpdated');
      numbers.push(Number(dig(event, 'change')));
      return event;
    };
    for (let n = 0; n < 2; n += 1) {
      const id = dig(await post(server, KEY, CREATE), 'data', 'createBatchExecution', 'batchExecution', 'id');
      let event = await next();
      expect(event).toMatchObject({ id, kind: 'ENTERED' });
      while (dig(event, 'batchExecution', 'status') !== 'COMPLETED') event = await next();
      await post(server, KEY, DELETE, { id });
      while (dig(event, 'kind') !== 'DELETED') event = await next();
      expect(event).toEqual({ change: expect.any(Number), kind: 'DELETED', id, batchExecution: null });
    }
    expect(numbers).toEqual(numbers.toSorted((a, b) => a - b));
    await client.dispose();
  });
});
