import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type EndpointHandler, type HttpEndpoint, sendJson, startHttpEndpoint } from '../support/http-endpoint.ts';
import { dig } from '../support/server.ts';
import { until } from '../support/until.ts';
import { startWholeApp, type WholeApp } from '../support/whole-app.ts';

const RESULT = `status round agents { version } items(first: 100) { nodes { id filename status attempts data
  fieldErrors { path code } outputArtifacts { filename mediaType sizeBytes } error { category code details } } }`;
const fieldErrors = [{ path: '/total', code: 'missing', message: 'no total' }];

describe.each(['embedded', 'postgres'] as const)('http agents (%s)', (kind) => {
  let app: WholeApp;
  let endpoint: HttpEndpoint;
  let answer: EndpointHandler = () => undefined;
  let names = 0;
  beforeAll(async () => {
    endpoint = await startHttpEndpoint((request, response, no) => answer(request, response, no));
    app = await startWholeApp(kind, {}, { BATCHYARD_ALLOW_PRIVATE_HOSTS: '127.0.0.1' });
  });
  afterAll(async () => {
    await app?.stop();
    await endpoint?.stop();
  });

  async function makeAgent(http: object = {}, more: object = {}): Promise<{ id: string; name: string }> {
    names += 1;
    const input = { name: `agent-${names}`, config: { http: { url: endpoint.url, ...http } }, ...more };
    const made = await app.mutate('createAgent', 'agent { id name }', input);
    expect(dig(made, 'agent', 'id'), JSON.stringify(made)).toBeTypeOf('string');
    return dig(made, 'agent') as { id: string; name: string };
  }

  const create = (agent: string, spec: object = {}, files = ['a.txt']) =>
    app.mutate('createBatchExecution', 'batchExecution { id }', {
      source: {
        spec: {
          ...{ name: 'http', agent, execution: { retryLimit: 0 } },
          input: { items: files.map((filename) => ({ filename, text: filename })) },
          ...spec,
        },
      },
    });

  async function run(agent: string, spec: object = {}, files = ['a.txt']) {
    const id = dig(await create(agent, spec, files), 'batchExecution', 'id');
    const execution = await app.ended(id, RESULT);
    return { id, execution, items: dig(execution, 'items', 'nodes') as Record<string, unknown>[] };
  }
  const retry = async (id: unknown, more: object = {}): Promise<unknown> => {
    const input = { batchExecutionId: id, mode: 'ALL', ...more };
    expect(await app.mutate('retryFailedItems', 'retriedCount', input)).toMatchObject({ retriedCount: 1 });
    return await app.ended(id, RESULT);
  };

  test('give items their data, flaws and artifacts, tier after tier', async () => {
    answer = ({ body }, response) =>
      sendJson(response, 200, {
        data: {
          tier: body['tier'],
          got: body['previous'],
          said: body['userMessage'],
          size: dig(body, 'config', 'size'),
        },
        ...(body['tier'] === 1 && {
          fieldErrors,
          artifacts: [{ filename: 'a.csv', mediaType: 'text/csv', text: 'a' }],
        }),
        usage: { inputTokens: 3, outputTokens: 4 },
      });
    const configSchema = { type: 'object', required: ['size'], properties: { size: { type: 'integer' } } };
    const { name } = await makeAgent({}, { configSchema });
    const tiers = [1, 2].map((size) => ({ agent: name, config: { size }, userMessage: `Tier of ${size}.` }));
    const { items, execution } = await run(name, { agent: null, tiers });
    expect(execution).toMatchObject({ status: 'COMPLETED_WITH_ERRORS' });
    expect(items[0]).toMatchObject({
      data: { tier: 1, got: { tier: 0, got: null, size: 1, said: 'Tier of 1.' }, said: 'Tier of 2.', size: 2 },
      fieldErrors: [{ path: '/total', code: 'missing' }],
      outputArtifacts: [{ filename: 'a.csv', mediaType: 'text/csv', sizeBytes: 1 }],
    });
    const wrong = await create(name, { agent: null, tiers: [{ agent: name, config: { size: 'big' } }] });
    expect(wrong).toMatchObject({ issues: [{ loc: ['input', 'source', 'spec', 'tiers', '0', 'config', 'size'] }] });
  });

  test('run as they were when the execution was made, and as they are now in a retry that says LATEST', async () => {
    answer = ({ path }, response) => sendJson(response, path === '/new' ? 200 : 422, { message: path, fieldErrors });
    const { id: agentId, name } = await makeAgent({ url: `${endpoint.url}/old` });
    const { id, items } = await run(name);
    expect(items[0]).toMatchObject({
      error: { category: 'VALIDATION', code: 'http_422', details: { status: 422, fieldErrors } },
    });
    const config = { http: { url: `${endpoint.url}/new` } };
    const updated = await app.mutate('updateAgent', 'changed version { version }', { agentId, config });
    expect(updated).toMatchObject({ changed: true, version: { version: 2 } });
    expect(await retry(id)).toMatchObject({ status: 'FAILED', round: 1, agents: [{ version: 1 }] });
    const latest = await retry(id, { agentVersion: 'LATEST' });
    expect(latest).toMatchObject({ status: 'COMPLETED_WITH_ERRORS', round: 2, agents: [{ version: 2 }] });

    await app.mutate('deleteAgent', 'deletedId', { agentId });
    expect(await app.ask('query ($id: ID!) { agent(id: $id) { id } }', { id: agentId })).toBeNull();
    expect(await create(name)).toMatchObject({ issues: [{ type: 'not_found' }] });
    expect(await app.ended(id, 'agents { name version config }')).toMatchObject({ agents: [{ name, version: 2 }] });
  });

  test('are called with one key for all attempts at an item, another for each item, tier and round', async () => {
    const keys: unknown[] = [];
    answer = ({ headers, body }, response, no) => {
      keys.push(headers['idempotency-key']);
      expect(body['idempotencyKey']).toBe(headers['idempotency-key']);
      sendJson(response, no % 3 === 0 ? 400 : 503, {});
    };
    endpoint.requests.length = 0;
    const { name } = await makeAgent();
    const { id, items } = await run(name, { execution: { retryLimit: 5, backoff: { baseMs: 1 } } });
    expect(items[0]).toMatchObject({ status: 'FAILED', attempts: 3 });
    await retry(id);
    expect(keys).toHaveLength(6);
    expect(new Set(keys.slice(0, 3)).size).toBe(1);
    expect(new Set(keys).size).toBe(2);
    expect(keys[0]).toBe(`${String(id)}:0:0:0`);
  });

  test('say by Retry-After when the next attempt is due', async () => {
    answer = (_request, response, no) =>
      no === 1 ? sendJson(response, 503, {}, { 'retry-after': '3600' }) : sendJson(response, 200, 'done');
    endpoint.requests.length = 0;
    const { name } = await makeAgent();
    const id = dig(
      await create(name, { execution: { retryLimit: 1, backoff: { baseMs: 1 } } }),
      'batchExecution',
      'id',
    );
    const waits = await until(async () => {
      const query = 'query ($id: ID!) { batchExecution(id: $id) { item(ordinal: 0) { status nextAttemptAt } } }';
      const item = dig(await app.ask(query, { id }), 'item');
      return dig(item, 'status') === 'RETRYING' ? item : null;
    });
    const inMs = Date.parse(String(dig(waits, 'nextAttemptAt'))) - Date.now();
    expect(inMs).toBeGreaterThan(3_500_000);
    expect(inMs).toBeLessThan(3_700_000);
    await app.mutate('cancelBatchExecution', 'batchExecution { status }', { batchExecutionId: id });
    expect(await app.ended(id, 'status')).toMatchObject({ status: 'CANCELLED' });
  });

  test('are hung up on when the execution is cancelled or the item takes too long', async () => {
    let hungUp = 0;
    answer = (_request, response) =>
      response.on('close', () => {
        hungUp += 1;
      });
    endpoint.requests.length = 0;
    const { name } = await makeAgent();
    const id = dig(await create(name), 'batchExecution', 'id');
    await until(() => endpoint.requests.length === 1);
    await app.mutate('cancelBatchExecution', 'batchExecution { status }', { batchExecutionId: id });
    expect(await app.ended(id, 'status')).toMatchObject({ status: 'CANCELLED' });
    await until(() => hungUp === 1);
    const { items } = await run(name, { execution: { retryLimit: 0, itemTimeoutMs: 200 } });
    expect(items[0]).toMatchObject({ error: { category: 'TIMEOUT', code: 'timeout' } });
    await until(() => hungUp === 2);
  });

  test('fail as AUTHENTICATION while their secret is gone, and can be retried once it is back', async () => {
    answer = ({ headers }, response) => sendJson(response, headers['x-key'] === undefined ? 401 : 200, 'ok');
    const value = 'a-secret-of-this-test';
    expect(await app.mutate('setSecret', 'secret { name }', { name: 'gone', value })).toMatchObject({
      secret: { name: 'gone' },
    });
    const { name } = await makeAgent({ headers: [{ name: 'X-Key', value: { secret: 'gone' } }] });
    await app.mutate('deleteSecret', 'deletedName', { name: 'gone' });
    const { id, items } = await run(name, { execution: { retryLimit: 3 } });
    expect(items[0]).toMatchObject({ attempts: 1, error: { category: 'AUTHENTICATION', code: 'secret_missing' } });
    await app.mutate('setSecret', 'secret { name }', { name: 'gone', value });
    expect(await retry(id)).toMatchObject({ status: 'COMPLETED', items: { nodes: [{ data: 'ok' }] } });
  });
});
