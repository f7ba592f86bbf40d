import { monitorEventLoopDelay } from 'node:perf_hooks';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createOutputChecker } from '../../src/agents/output/output-checker.ts';
import { type AgentRegistry, createRegistry } from '../../src/agents/registry.ts';
import { newId } from '../../src/domain/ids.ts';
import type { Actor } from '../../src/domain/model.ts';
import {
  AlreadyExistsError,
  ForbiddenError,
  LimitExceededError,
  NotFoundError,
  ValidationError,
} from '../../src/domain/user-error.ts';
import { createAgent } from '../../src/services/create-agent.ts';
import { deleteAgent } from '../../src/services/delete-agent.ts';
import { deleteSecret } from '../../src/services/delete-secret.ts';
import { listSecrets } from '../../src/services/list-secrets.ts';
import type { ServiceDeps } from '../../src/services/ports.ts';
import { getAgent, getAgentVersions } from '../../src/services/read-agents.ts';
import { setSecret } from '../../src/services/set-secret.ts';
import { updateAgent } from '../../src/services/update-agent.ts';
import type { Db } from '../../src/store/database.ts';
import { createSecretBox } from '../../src/store/secret-box.ts';
import { countForeignSecrets } from '../../src/store/secrets.ts';
import { describeDatabases } from '../support/databases.ts';
import { contextOf } from '../support/http-agent-calls.ts';
import { type HttpEndpoint, sendJson, startHttpEndpoint } from '../support/http-endpoint.ts';
import { outside } from '../support/outside.ts';
import { makeProject } from '../support/rows.ts';
import { databaseDeps } from '../support/server.ts';

const VALUE = 'sk-value/of+the secret';
const PAGE = { limit: 10, backward: false, after: null };

describeDatabases('agents and secrets of a project', (open) => {
  let db: Db;
  let registry: AgentRegistry;
  let endpoint: HttpEndpoint;
  const outputs = createOutputChecker();
  /** Gives up so early that a busy machine would fail an honest check too. */
  const hasty = createOutputChecker({ timeoutMs: 1_000 });
  let deps: ServiceDeps;
  let [now, names] = [Date.now(), 0];
  const registries: AgentRegistry[] = [];

  async function registryWith(secretBox = outside().secretBox, checker = outputs): Promise<AgentRegistry> {
    const { outgoing } = outside('127.0.0.1');
    const folders = { agentsDir: '/nowhere', dataDir: '/tmp' };
    const options = { db, newId, now: () => new Date(now), ...folders, secretBox, outgoing, outputs: checker };
    const made = createRegistry({ ...options, onProblem: () => undefined });
    registries.push(made, { ...made, stop: () => outgoing.stop() });
    return made;
  }

  beforeAll(async () => {
    db = await open();
    registry = await registryWith();
    endpoint = await startHttpEndpoint((request, response) =>
      sendJson(response, 200, request.headers['x-key'] ?? null),
    );
    deps = { ...databaseDeps(db, () => new Date(now)), agents: registry, outputs };
  });
  afterAll(async () => {
    for (const made of registries) await made.stop();
    await outputs.stop();
    await hasty.stop();
    await endpoint.stop();
  });

  const http = (parts: object = {}) => ({ http: { url: endpoint.url, ...parts } });
  const withKey = (secret: string) => http({ headers: [{ name: 'x-key', value: { secret } }] });
  const freshName = (): string => {
    names += 1;
    return `agent-${names}`;
  };
  const issuesOf = async (made: Promise<unknown>) => {
    const error = await made.then(
      () => null,
      (thrown: unknown) => thrown,
    );
    if (!(error instanceof ValidationError)) throw new Error(`expected issues, got ${String(error)}`);
    expect(JSON.stringify([error.issues, error.message])).not.toContain(VALUE.slice(0, 8));
    return error.issues.map(({ loc, type }) => `${loc.join('.')} ${type}`);
  };
  const runOf = async (versionId: string, from = registry) => await (await from.load(versionId)).run(contextOf());
  const resolved = async (actor: Actor, reference: string) => await registry.resolve(actor.projectId, reference);

  test('a secret is stored sealed, replaced and listed without its value, and deleted', async () => {
    const { actor } = await makeProject(db, 'MEMBER');
    const first = await setSecret(deps, actor, { name: 'key', value: VALUE });
    now += 5_000;
    const second = await setSecret(deps, actor, { name: 'key', value: `${VALUE}2` });
    await setSecret(deps, actor, { name: 'another', value: VALUE });
    expect(second.createdAt).toEqual(first.createdAt);
    expect(second.updatedAt.getTime() - first.updatedAt.getTime()).toBe(5_000);
    const listed = await listSecrets(deps, actor, PAGE);
    expect(listed.map((secret) => Object.keys(secret))).toEqual([
      ...[
        ['name', 'createdAt', 'updatedAt'],
        ['name', 'createdAt', 'updatedAt'],
      ],
    ]);
    expect(listed.map(({ name }) => name)).toEqual(['another', 'key']);
    const rows = JSON.stringify(await db.selectFrom('secret').selectAll().execute());
    expect(rows).not.toContain(VALUE.slice(0, 8));
    expect(await deleteSecret(deps, actor, { name: 'key' })).toBe('key');
    await expect(deleteSecret(deps, actor, { name: 'key' })).rejects.toThrow(NotFoundError);
  });

  test('secrets are the project’s own, for members, and must be such as a header can carry', async () => {
    const [mine, theirs, reader] = [await makeProject(db), await makeProject(db), await makeProject(db, 'READER')];
    await setSecret(deps, mine.actor, { name: 'key', value: VALUE });
    expect(await listSecrets(deps, theirs.actor, PAGE)).toEqual([]);
    await expect(deleteSecret(deps, theirs.actor, { name: 'key' })).rejects.toThrow(NotFoundError);
    await expect(setSecret(deps, reader.actor, { name: 'key', value: VALUE })).rejects.toThrow(ForbiddenError);
    await expect(deleteSecret(deps, reader.actor, { name: 'key' })).rejects.toThrow(ForbiddenError);
    for (const value of ['short', ' padded-value', `${VALUE}\n`, `${VALUE}ü`, 'x'.repeat(8_193)])
      expect(await issuesOf(setSecret(deps, mine.actor, { name: 'k', value }))).toContainEqual(
        expect.stringMatching(/^input\.value /),
      );
    expect(await issuesOf(setSecret(deps, mine.actor, { name: 'a b', value: VALUE }))).toEqual([
      'input.name invalid_format',
    ]);
  });

  test('a project has at most a thousand, and one of these can still be replaced', async () => {
    const { actor } = await makeProject(db);
    const { projectId } = actor;
    const many = Array.from({ length: 1_000 }, (_, no) => ({ projectId, name: `s-${no}`, keyId: 'k', sealed: 'x' }));
    await db.insertInto('secret').values(many).execute();
    await expect(setSecret(deps, actor, { name: 'more', value: VALUE })).rejects.toThrow(LimitExceededError);
    expect((await setSecret(deps, actor, { name: 's-7', value: VALUE })).name).toBe('s-7');
  });

  test('an agent’s update is its next version, and a content that it had before is that version again', async () => {
    const { actor } = await makeProject(db);
    const name = freshName();
    const { agent, version } = await createAgent(deps, actor, { name, config: http(), description: 'First.' });
    expect(agent).toMatchObject({ name, kind: 'HTTP', projectId: actor.projectId });
    expect(version).toMatchObject({ version: 1, kind: 'HTTP', description: 'First.' });
    expect(version.config).toMatchObject({ url: endpoint.url, connections: 100, sendDocuments: true, headers: [] });
    const changed = { agentId: agent.id, config: http({ connections: 5 }) };
    const second = await updateAgent(deps, actor, changed);
    expect(second).toMatchObject({ changed: true, version: { version: 2, description: null } });
    expect(await updateAgent(deps, actor, changed)).toMatchObject({ changed: false, version: second.version });
    expect((await resolved(actor, name))?.version.id).toBe(second.version.id);
    expect((await resolved(actor, agent.id))?.version.id).toBe(second.version.id);
    const back = await updateAgent(deps, actor, { agentId: agent.id, config: http(), description: 'First.' });
    expect(back).toMatchObject({ changed: true, version });
    expect((await resolved(actor, name))?.version.id).toBe(version.id);
  });

  test('of many that update it at once each gets the version of its content', async () => {
    const { actor } = await makeProject(db);
    const { agent } = await createAgent(deps, actor, { name: freshName(), config: http() });
    const sizes = [1, 2, 3, 4, 5, 6, 1, 2, 3];
    const updates = await Promise.all(
      sizes.map((connections) => updateAgent(deps, actor, { agentId: agent.id, config: http({ connections }) })),
    );
    expect(updates.map(({ version }) => Object(version.config).connections)).toEqual(sizes);
    expect(new Set(updates.map(({ version }) => version.version))).toEqual(new Set([2, 3, 4, 5, 6, 7]));
  });

  test('every problem of an agent is told at once, a secret that is not there too, and nothing is stored', async () => {
    const { actor } = await makeProject(db);
    const config = {
      http: {
        ...{ url: 'ftp://x', connections: 0, colour: 'red', connectTimeoutMs: 1.5 },
        headers: [
          { name: 'Host', value: { text: 'x' } },
          { name: 'a b', value: {} },
        ],
      },
    };
    const given = { name: 'agent 1', config, configSchema: { type: 'nonsense' } };
    expect(await issuesOf(createAgent(deps, actor, given))).toEqual(
      expect.arrayContaining([
        'input.name invalid_format',
        'input.config.http.url custom',
        'input.config.http.connections too_small',
        'input.config.http.connectTimeoutMs invalid_type',
        'input.config.http.headers.0.name custom',
        'input.config.http.headers.1.name invalid_format',
        'input.config.http.headers.1.value custom',
        'input.config.http unrecognized_keys',
        'input.configSchema.type json_schema',
      ]),
    );
    for (const type of ['Agent', 'AgentVersion'] as const)
      expect(await issuesOf(createAgent(deps, actor, { name: newId(type), config: http() }))).toEqual([
        'input.name custom',
      ]);
    expect(await issuesOf(createAgent(deps, actor, { name: 'a', config: withKey('nope') }))).toEqual([
      'input.config.http.headers.0.value.secret not_found',
    ]);
    const twice = [1, 2].map(() => ({ name: 'X-Key', value: { text: 'x' } }));
    expect(await issuesOf(createAgent(deps, actor, { name: 'a', config: http({ headers: twice }) }))).toEqual([
      'input.config.http.headers custom',
    ]);
    expect(await db.selectFrom('agent').select('id').where('projectId', '=', actor.projectId).execute()).toEqual([]);
  });

  test('the schemas of an agent hold up nobody, however long a config or they themselves take to check', async () => {
    const { actor } = await makeProject(db);
    const twice = (no: number) => ({ allOf: [1, 2].map(() => ({ $ref: `#/$defs/d${no + 1}` })) });
    const $defs = Object.fromEntries(Array.from({ length: 48 }, (_, no) => [`d${no}`, no < 47 ? twice(no) : {}]));
    const configSchema = { $ref: '#/$defs/d0', $defs };
    const { version } = await createAgent(deps, actor, { name: freshName(), config: http(), configSchema });
    const slow = { allOf: Array.from({ length: 1_500 }, (_, no) => ({ pattern: `(?i)[\\pL${no}]{1000}` })) };
    const responseFormat = { type: 'JSON_SCHEMA', schema: slow };
    const chat = { baseURL: 'https://model.example/v1', model: 'tiny', responseFormat };
    const hastyDeps = { ...deps, agents: await registryWith(undefined, hasty), outputs: hasty };
    const delays = monitorEventLoopDelay({ resolution: 10 });
    delays.enable();
    const [problem] = await hastyDeps.agents.configProblems(version.id, { a: 1 });
    expect(problem?.message).toContain('takes longer than 1000 ms');
    const made = createAgent(hastyDeps, actor, { name: freshName(), config: { chat } });
    expect(await issuesOf(made)).toEqual(['input.config.chat.responseFormat.schema json_schema']);
    const refused = createAgent(hastyDeps, actor, { name: freshName(), config: http(), configSchema: slow });
    expect(await issuesOf(refused)).toEqual(['input.configSchema json_schema']);
    delays.disable();
    expect(delays.max / 1e6).toBeLessThan(900);
  });

  test('a config is checked against the schema of the agent, each problem at its place', async () => {
    const { actor } = await makeProject(db);
    const properties = { language: { pattern: '^[a-z]{2}$' }, 'a/b': { type: 'integer' } };
    const configSchema = { required: ['language'], properties };
    const { version } = await createAgent(deps, actor, { name: freshName(), config: http(), configSchema });
    const placesOf = async (config: unknown) =>
      (await registry.configProblems(version.id, config)).map(({ path }) => path);
    expect(await placesOf({ language: 'de', 'a/b': 1 })).toEqual([]);
    expect(await placesOf(undefined)).toEqual(['/language']);
    expect(await placesOf({ language: 'German', 'a/b': 'x' })).toEqual(['/language', '/a~1b']);
    const bad = { properties: { x: { pattern: '(?=x)' } } };
    const chat = { baseURL: 'https://model.example/v1', model: 'tiny' };
    const made = createAgent(deps, actor, {
      name: freshName(),
      configSchema: bad,
      config: { chat: { ...chat, responseFormat: { type: 'JSON_SCHEMA', schema: bad } } },
    });
    expect(await issuesOf(made)).toEqual([
      'input.configSchema.properties.x.pattern json_schema',
      'input.config.chat.responseFormat.schema.properties.x.pattern json_schema',
    ]);
  });

  test('an agent keeps its kind, and JSON of its own that looks like a secret is none', async () => {
    const { actor } = await makeProject(db);
    const { agent } = await createAgent(deps, actor, { name: freshName(), config: http() });
    const chat = { baseURL: 'https://model.example/v1', model: 'tiny', extraBody: { secret: 'not-a-reference' } };
    expect(await issuesOf(updateAgent(deps, actor, { agentId: agent.id, config: { chat } }))).toEqual([
      'input.config kind',
    ]);
    const made = await createAgent(deps, actor, { name: freshName(), config: { chat } });
    expect(made).toMatchObject({ agent: { kind: 'CHAT' }, version: { version: 1 } });
    const keyed = { chat: { ...chat, apiKey: { secret: 'nope' } } };
    expect(await issuesOf(createAgent(deps, actor, { name: freshName(), config: keyed }))).toEqual([
      'input.config.chat.apiKey.secret not_found',
    ]);
  });

  test('a name is taken once in a project, and free again after a deletion', async () => {
    const [mine, theirs] = [(await makeProject(db)).actor, (await makeProject(db)).actor];
    const name = freshName();
    const [one, two] = await Promise.allSettled([1, 2].map(() => createAgent(deps, mine, { name, config: http() })));
    const outcomes = [one?.status, two?.status].toSorted();
    expect(outcomes).toEqual(['fulfilled', 'rejected']);
    await expect(createAgent(deps, mine, { name, config: http() })).rejects.toThrow(AlreadyExistsError);
    expect((await createAgent(deps, theirs, { name, config: http() })).agent.name).toBe(name);
    const { agent, version } = (await resolved(mine, name)) ?? { agent: { id: '' }, version: { id: '' } };

    await deleteAgent(deps, mine, agent.id);
    expect(await resolved(mine, name)).toBeNull();
    expect(await getAgent(deps, mine, { id: agent.id })).toBeNull();
    expect(await getAgentVersions(deps, mine, [version.id])).toEqual([expect.objectContaining({ id: version.id })]);
    expect(await runOf(version.id)).toBeNull();
    await expect(deleteAgent(deps, mine, agent.id)).rejects.toThrow(NotFoundError);
    expect((await createAgent(deps, mine, { name, config: http() })).agent.id).not.toBe(agent.id);
    expect((await resolved(theirs, name))?.agent.projectId).toBe(theirs.projectId);
  });

  test('of any number of versions that were run only those of late are kept', async () => {
    const { actor } = await makeProject(db);
    const { agent, version } = await createAgent(deps, actor, { name: freshName(), config: http() });
    const first = await registry.load(version.id);
    const others: string[] = [];
    for (let connections = 1; connections <= 50; connections += 1) {
      const { version: next } = await updateAgent(deps, actor, { agentId: agent.id, config: http({ connections }) });
      others.push(next.id);
    }
    for (const id of others.slice(1)) await registry.load(id);
    expect(await registry.load(version.id)).toBe(first);
    for (const id of others) await registry.load(id);
    const again = await registry.load(version.id);
    expect(again).not.toBe(first);
    expect([await first.run(contextOf()), await again.run(contextOf())]).toEqual([null, null]);
  });

  test('nobody sees, changes or runs the agent of another project, nor changes one that all have', async () => {
    const [mine, theirs] = [(await makeProject(db)).actor, (await makeProject(db)).actor];
    const { agent, version } = await createAgent(deps, mine, { name: freshName(), config: http() });
    expect(await resolved(theirs, agent.id)).toBeNull();
    expect(await resolved(theirs, agent.name)).toBeNull();
    expect(await getAgentVersions(deps, theirs, [version.id])).toEqual([null]);
    await expect(updateAgent(deps, theirs, { agentId: agent.id, config: http() })).rejects.toThrow(NotFoundError);
    await expect(deleteAgent(deps, theirs, agent.id)).rejects.toThrow(NotFoundError);
    const shared = newId('Agent');
    await db.insertInto('agent').values({ id: shared, projectId: null, name: freshName(), kind: 'MODULE' }).execute();
    await expect(deleteAgent(deps, mine, shared)).rejects.toThrow(NotFoundError);
  });

  test('a call has the secret as it is then: replaced, of its own project, and none once it is deleted', async () => {
    const [mine, theirs] = [(await makeProject(db)).actor, (await makeProject(db)).actor];
    await setSecret(deps, mine, { name: 'key', value: VALUE });
    await setSecret(deps, theirs, { name: 'key', value: 'the-value-of-others' });
    const { version } = await createAgent(deps, mine, { name: freshName(), config: withKey('key') });
    expect(JSON.stringify(version)).not.toContain(VALUE.slice(0, 8));
    const sent = () => endpoint.requests.at(-1)?.headers['x-key'];
    // The endpoint answers with the header that it got.
    expect(await runOf(version.id)).toBe('[secret]');
    expect(sent()).toBe(VALUE);
    await setSecret(deps, mine, { name: 'key', value: 'another-value-of-it' });
    now += 1_001;
    expect(await runOf(version.id)).toBe('[secret]');
    expect(sent()).toBe('another-value-of-it');
    await deleteSecret(deps, mine, { name: 'key' });
    now += 1_001;
    const missing = { code: 'secret_missing', category: 'AUTHENTICATION', transient: false };
    await expect(runOf(version.id)).rejects.toMatchObject(missing);
    // What failed is asked anew at once.
    await setSecret(deps, mine, { name: 'key', value: VALUE });
    expect(await runOf(version.id)).toBe('[secret]');
  });

  test('a service with another secret key says so, and one that was tampered with does not open', async () => {
    const [mine, theirs] = [(await makeProject(db)).actor, (await makeProject(db)).actor];
    await setSecret(deps, mine, { name: 'key', value: VALUE });
    await setSecret(deps, theirs, { name: 'key', value: VALUE });
    const { version } = await createAgent(deps, mine, { name: freshName(), config: withKey('key') });
    const otherBox = createSecretBox('another-secret-key-entirely');
    expect(await countForeignSecrets(db, otherBox.keyId)).toBeGreaterThanOrEqual(2);
    const other = await registryWith(otherBox);
    await expect(runOf(version.id, other)).rejects.toMatchObject({
      ...{ code: 'secret_unreadable', category: 'AUTHENTICATION' },
      message: expect.stringContaining('another BATCHYARD_SECRET_KEY'),
    });
    // Another project's secret, moved here by who can write to the database.
    const { sealed } = await db
      .selectFrom('secret')
      .select('sealed')
      .where('projectId', '=', theirs.projectId)
      .executeTakeFirstOrThrow();
    await db.updateTable('secret').set({ sealed }).where('projectId', '=', mine.projectId).execute();
    await expect(runOf(version.id)).rejects.toMatchObject({ code: 'secret_unreadable' });
  });
});
