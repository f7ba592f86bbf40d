import { mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createRegistry } from '../../src/agents/registry.ts';
import { createSources } from '../../src/datasources/sources.ts';
import { newId } from '../../src/domain/ids.ts';
import type { Db } from '../../src/store/database.ts';
import { freshEmbedded } from '../support/databases.ts';
import { type ExecutionServer, startExecutionServer } from '../support/execution-server.ts';
import { outside } from '../support/outside.ts';
import { makeProject, type ProjectRows } from '../support/rows.ts';
import { codeOf, dig, post } from '../support/server.ts';

const ERRORS = '... on UserError { code message } ... on ValidationError { issues { loc msg type } }';

describe('datasources, agents and definitions in the schema', () => {
  let db: Db;
  let server: ExecutionServer;
  let mine: ProjectRows;
  let theirs: ProjectRows;
  let close: () => Promise<void>;
  const root = mkdtempSync(path.join(os.tmpdir(), 'batchyard-api-'));

  beforeAll(async () => {
    ({ db, close } = await freshEmbedded());
    [mine, theirs] = [await makeProject(db, 'MEMBER'), await makeProject(db, 'OPERATOR')];

    const [foldersDir, agentsDir] = [path.join(root, 'folders'), path.join(root, 'agents')];
    mkdirSync(path.join(foldersDir, mine.projectId, 'docs'), { recursive: true });
    mkdirSync(agentsDir);
    for (const name of ['b.md', 'a.md', 'c.txt', 'docs/d.md'])
      writeFileSync(path.join(foldersDir, mine.projectId, name), name);
    writeFileSync(
      path.join(agentsDir, 'mine.ts'),
      `export default { description: 'Mine.', configSchema: { required: ['x'] }, run() {} };`,
    );
    writeFileSync(path.join(agentsDir, 'broken.ts'), 'export default (');
    const now = () => new Date();
    const onProblem = () => undefined;
    const agents = createRegistry({ db, newId, now, agentsDir, dataDir: root, onProblem, ...outside() });
    await agents.start();
    server = await startExecutionServer(db, { agents, sources: createSources(db, foldersDir) });
  });
  afterAll(async () => {
    await server.stop();
    await close();
    rmSync(root, { recursive: true });
  });

  /** What a field answers; errors of the top level fail the test. */
  async function ask(
    query: string,
    variables: Record<string, unknown> = {},
    { key }: ProjectRows = mine,
  ): Promise<unknown> {
    const answer = await post(server, key, query, variables);
    expect(answer.errors).toBeUndefined();
    return Object.values(answer.data ?? {})[0];
  }
  const mutate = (name: string, selection: string, input: Record<string, unknown>, as: ProjectRows = mine) =>
    ask(
      `mutation ($input: ${name.charAt(0).toUpperCase()}${name.slice(1)}Input!) { ${name}(input: $input) { __typename ${selection} ${ERRORS} } }`,
      { input },
      as,
    );
  const folder = async (input: Record<string, unknown>) =>
    mutate(
      'createFolderDatasource',
      '... on CreateFolderDatasourceSuccess { datasource { id kind folder { path glob } } }',
      input,
    );
  const stored = async (name: string, as: ProjectRows = mine) =>
    String(
      dig(
        await mutate(
          'createStoredDatasource',
          '... on CreateStoredDatasourceSuccess { datasource { id } }',
          { name },
          as,
        ),
        'datasource',
        'id',
      ),
    );

  test('a folder becomes a datasource whose elements are paged, filtered and found', async () => {
    const made = await folder({ name: 'files', glob: '**/*.{md,txt}' });
    expect(made).toMatchObject({ datasource: { kind: 'FOLDER', folder: { path: '', glob: '**/*.{md,txt}' } } });
    const elements = async (args: string) =>
      dig(
        await ask(
          `query ($id: ID!) { datasource(id: $id) { elements(${args}) { nodes { id mediaType sizeBytes documents { filename } } pageInfo { hasNextPage endCursor } } } }`,
          {
            id: dig(made, 'datasource', 'id'),
          },
        ),
        'elements',
      );
    const first = await elements('first: 2');
    expect(first).toMatchObject({ nodes: [{ id: 'a.md', mediaType: 'text/markdown', sizeBytes: 4 }, { id: 'b.md' }] });
    const rest = await elements(`first: 2, after: "${String(dig(first, 'pageInfo', 'endCursor'))}"`);
    expect(rest).toMatchObject({ nodes: [{ id: 'c.txt' }, { id: 'docs/d.md' }], pageInfo: { hasNextPage: false } });
    expect(dig(first, 'pageInfo', 'hasNextPage')).toBe(true);
    expect(await elements('filters: { regex: "^docs/", mediaTypes: ["text/*"] }')).toMatchObject({
      nodes: [{ id: 'docs/d.md' }],
    });
    expect(await elements('first: 0')).toMatchObject({ nodes: [], pageInfo: { hasNextPage: true } });
    const one = await ask(
      'query ($id: ID!) { datasource(id: $id) { a: element(id: "a.md") { id } b: element(id: "../x") { id } } }',
      {
        id: dig(made, 'datasource', 'id'),
      },
    );
    expect(one).toEqual({ a: { id: 'a.md' }, b: null });
  });

  test.each(['first: -1', 'first: 1001', 'after: "x"', 'filters: { regex: "(" }', 'filters: { mediaTypes: ["x"] }'])(
    'elements(%s) is BAD_USER_INPUT',
    async (args) => {
      const id = await stored(`bad ${args}`);
      const answer = await post(server, mine.key, `{ datasource(id: "${id}") { elements(${args}) { nodes { id } } } }`);
      expect(codeOf(answer)).toBe('BAD_USER_INPUT');
    },
  );

  test('a file of any size is listed with its size', async () => {
    const huge = path.join(root, 'folders', mine.projectId, 'huge');
    mkdirSync(huge);
    writeFileSync(path.join(huge, 'film.bin'), '');
    truncateSync(path.join(huge, 'film.bin'), 5_000_000_000);
    const id = dig(await folder({ name: 'huge', path: 'huge' }), 'datasource', 'id');
    const listed = await ask('query ($id: ID!) { datasource(id: $id) { elements { nodes { id sizeBytes } } } }', {
      id,
    });
    expect(dig(listed, 'elements', 'nodes')).toEqual([{ id: 'film.bin', sizeBytes: 5_000_000_000 }]);
  });

  test('a folder that is not there or not allowed is a ValidationError with its place', async () => {
    const refused = async (input: Record<string, unknown>) =>
      dig(await folder({ name: 'refused', ...input }), 'issues');
    expect(await refused({ path: '../other' })).toMatchObject([{ loc: ['input', 'path'] }]);
    expect(await refused({ path: 'gone' })).toMatchObject([{ loc: ['input', 'path'], type: 'not_found' }]);
    expect(await refused({ name: ' ', path: '/etc', glob: '(a+)+' })).toHaveLength(3);
    expect(await folder({ name: 'docs', path: 'docs' })).toMatchObject({
      datasource: { folder: { path: 'docs', glob: '**' } },
    });
    expect(await folder({ name: 'docs', path: 'docs' })).toMatchObject({ __typename: 'AlreadyExistsError' });
  });

  test('elements are added, replaced and removed, and a datasource is deleted', async () => {
    const datasourceId = await stored('notes');
    const add = (elements: unknown[]) =>
      mutate('addDataElements', '... on AddDataElementsSuccess { added { id metadata } updated { id mediaType } }', {
        datasourceId,
        elements,
      });
    expect(
      await add([
        { filename: 'a', text: 'x', metadata: { b: 1, a: 2 } },
        { filename: 'b', json: { k: 1 } },
      ]),
    ).toMatchObject({
      added: [{ id: 'a', metadata: { b: 1, a: 2 } }, { id: 'b' }],
      updated: [],
    });
    expect(await add([{ filename: 'a', base64: 'eA==' }])).toMatchObject({
      added: [],
      updated: [{ mediaType: 'application/octet-stream' }],
    });
    expect(dig(await add([{ filename: 'c' }, { filename: 'd', text: '', json: 1 }]), 'issues')).toMatchObject([
      { loc: ['input', 'elements', '0'], type: 'missing' },
      { loc: ['input', 'elements', '1'], type: 'conflict' },
    ]);
    const removed = await mutate(
      'removeDataElements',
      '... on RemoveDataElementsSuccess { removedIds datasource { elements { nodes { id } } } }',
      {
        ...{ datasourceId, elementIds: ['b', 'gone'] },
      },
    );
    expect(removed).toMatchObject({ removedIds: ['b'], datasource: { elements: { nodes: [{ id: 'a' }] } } });
    const remove = () => mutate('deleteDatasource', '... on DeleteDatasourceSuccess { deletedId }', { datasourceId });
    expect(await remove()).toMatchObject({ deletedId: datasourceId });
    expect(await remove()).toMatchObject({ __typename: 'NotFoundError' });
  });

  test('agents are listed with the version that would run, and their problems are for operators', async () => {
    const agents = await ask(
      '{ agents { nodes { id name kind currentVersion { version description configSchema } } } }',
    );
    expect(dig(agents, 'nodes')).toMatchObject([
      { name: 'document-report', kind: 'BUILT_IN', currentVersion: { version: 1 } },
      { name: 'echo' },
      { name: 'mine', kind: 'MODULE', currentVersion: { description: 'Mine.', configSchema: { required: ['x'] } } },
    ]);
    const found = await ask('{ agent(name: "mine") { id versions { nodes { id name version contentHash } } } }');
    const [id, version] = [dig(found, 'id'), dig(found, 'versions', 'nodes', 0, 'id')];
    expect(await ask('query ($id: ID!) { agent(id: $id) { name } }', { id })).toEqual({ name: 'mine' });
    const nodes = await ask('query ($ids: [ID!]!) { nodes(ids: $ids) { __typename id } }', { ids: [id, version] });
    expect(nodes).toEqual([
      { __typename: 'Agent', id },
      { __typename: 'AgentVersion', id: version },
    ]);
    expect(await ask('{ agent(name: "broken") { id } }')).toBeNull();
    expect(codeOf(await post(server, mine.key, '{ agent(name: "a", id: "b") { id } }'))).toBe('BAD_USER_INPUT');
    expect(codeOf(await post(server, mine.key, '{ agentProblems { file } }'))).toBe('FORBIDDEN');
    const problems = await ask('{ agentProblems { file reason } }', {}, theirs);
    expect(problems).toMatchObject([
      { file: expect.stringContaining('broken.ts'), reason: expect.stringContaining('Unexpected') },
    ]);
  });

  test('a definition is made once for the same content, and found by id, URN, name and version', async () => {
    const create = (text: string, more: Record<string, unknown> = {}) =>
      mutate(
        'createBatchDefinition',
        '... on CreateBatchDefinitionSuccess { created batchDefinition { id version urn spec parent { version } } }',
        {
          spec: {
            name: 'recipe',
            agent: 'mine',
            config: { x: 1 },
            input: { items: [{ filename: 'a', text }] },
            ...more,
          },
        },
      );
    const [one, again, two] = [await create('1'), await create('1'), await create('2', { userMessage: 'Hi.' })];
    expect([one, again, two].map((made) => dig(made, 'created'))).toEqual([true, false, true]);
    expect(two).toMatchObject({
      batchDefinition: {
        version: 2,
        parent: { version: 1 },
        spec: { tiers: [{ agent: 'mine', config: { x: 1 }, userMessage: 'Hi.' }] },
      },
    });
    const definition = dig(one, 'batchDefinition');
    const find = (args: string) => ask(`{ batchDefinition(${args}) { version } }`);
    for (const args of [
      `id: "${String(dig(definition, 'id'))}"`,
      `urn: "${String(dig(definition, 'urn'))}"`,
      'name: "recipe", version: 1',
    ]) {
      expect(await find(args), args).toEqual({ version: 1 });
    }
    expect(await find('name: "recipe"')).toEqual({ version: 2 });
    expect(await ask('{ batchDefinitions(name: "recipe", first: 1) { nodes { version } } }')).toEqual({
      nodes: [{ version: 2 }],
    });
    for (const args of ['', 'name: "a", id: "b"', `id: "${newId('BatchDefinition')}", version: 1`]) {
      expect(codeOf(await post(server, mine.key, `{ batchDefinition${args && `(${args})`} { id } }`)), args).toBe(
        'BAD_USER_INPUT',
      );
    }
    expect(dig(await create('3', { config: {}, execution: { concurrency: 0 } }), 'issues')).toMatchObject([
      { loc: ['input', 'spec', 'execution', 'concurrency'] },
      { loc: ['input', 'spec', 'config'], type: 'config' },
    ]);
  });

  test('what belongs to another project is null in queries and NotFoundError in mutations', async () => {
    const [datasourceId, made] = [
      await stored('theirs', theirs),
      await mutate(
        'createBatchDefinition',
        '... on CreateBatchDefinitionSuccess { batchDefinition { id urn } }',
        { spec: { name: 'theirs', agent: 'echo', input: { items: [] } } },
        theirs,
      ),
    ];
    const definition = dig(made, 'batchDefinition');
    for (const query of [
      `{ datasource(id: "${datasourceId}") { id } }`,
      `{ node(id: "${datasourceId}") { id } }`,
      `{ node(id: "${String(dig(definition, 'id'))}") { id } }`,
      `{ batchDefinition(id: "${String(dig(definition, 'id'))}") { id } }`,
      `{ batchDefinition(urn: "${String(dig(definition, 'urn'))}") { id } }`,
      '{ batchDefinition(name: "theirs") { id } }',
      '{ datasource(id: "nonsense") { id } }',
    ]) {
      expect(await ask(query), query).toBeNull();
    }
    expect(dig(await ask('{ batchDefinitions(name: "theirs") { nodes { id } } }'), 'nodes')).toEqual([]);
    const names = dig(
      await ask('{ datasources(first: 1000, kinds: [FOLDER, STORED, INLINE]) { nodes { id } } }'),
      'nodes',
    );
    expect(JSON.stringify(names)).not.toContain(datasourceId);
    for (const [name, input] of [
      ['addDataElements', { datasourceId, elements: [{ filename: 'a', text: '' }] }],
      ['removeDataElements', { datasourceId, elementIds: ['a'] }],
      ['deleteDatasource', { datasourceId }],
    ] as const) {
      expect(await mutate(name, '', input), name).toMatchObject({ __typename: 'NotFoundError', code: 'NOT_FOUND' });
    }
    const spec = { name: 'a', agent: 'echo', input: { datasourceId } };
    expect(dig(await mutate('createBatchDefinition', '', { spec }), 'issues')).toMatchObject([
      { loc: ['input', 'spec', 'input', 'datasourceId'], type: 'not_found' },
    ]);
  });
});
