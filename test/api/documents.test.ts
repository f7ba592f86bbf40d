/** What a document and its variables may hold, and what a client is told of errors. */
import { getIntrospectionQuery } from 'graphql';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { LIMITS } from '../../src/domain/limits.ts';
import { type FreshDatabase, freshEmbedded } from '../support/databases.ts';
import { makeProject } from '../support/rows.ts';
import { type Answer, codeOf, dig, post, startTestServer, type TestServer } from '../support/server.ts';
import '../support/ticks.ts';

let database: FreshDatabase;
let server: TestServer;
let key: string;

beforeAll(async () => {
  database = await freshEmbedded();
  server = await startTestServer(database.db);
  ({ key } = await makeProject(database.db, 'OPERATOR'));
});
afterAll(async () => {
  await server.stop();
  await database.close();
});

/** Posts a body exactly as it is given. */
const postBody = (body: string): Promise<Response> =>
  fetch(`${server.url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${key}` },
    body,
  });

describe('a document', () => {
  test.each([
    ['aliases', `{ ${Array.from({ length: LIMITS.queryAliases + 1 }, (_, i) => `a${i}: __typename`).join(' ')} }`],
    ['tokens', `{ ${'__typename '.repeat(LIMITS.queryTokens)} }`],
    ['cost', '{ customers(first: 1000) { nodes { projects(first: 1000) { nodes { id } } } } }'],
  ])('with too many %s is QUERY_TOO_COMPLEX', async (_name, query) => {
    const answer = await post(server, key, query);
    expect(codeOf(answer)).toBe('QUERY_TOO_COMPLEX');
    expect(answer.data ?? null).toBeNull();
  });

  test('with more aliases than the limit in a fragment counts them too', async () => {
    const aliases = Array.from({ length: LIMITS.queryAliases + 1 }, (_, i) => `a${i}: role`).join(' ');
    const answer = await post(server, key, `{ viewer { ...F } } fragment F on Viewer { ${aliases} }`);
    expect(codeOf(answer)).toBe('QUERY_TOO_COMPLEX');
  });

  test('with the standard introspection query is answered', async () => {
    const answer = await post(server, key, getIntrospectionQuery({ inputValueDeprecation: true, oneOf: true }));
    expect(answer.errors).toBeUndefined();
    expect(dig(answer.data, '__schema', 'queryType', 'name')).toBe('Query');
  });

  test('that introspects in circles is refused', async () => {
    const circle =
      '{ __schema { types { fields { type { fields { type { fields { type { fields { name } } } } } } } } } }';
    expect((await post(server, key, circle)).errors).toBeDefined();
  });

  test.each([
    ['{', 'GRAPHQL_PARSE_FAILED'],
    ['{ nothing }', 'GRAPHQL_VALIDATION_FAILED'],
    ['query ($a: Int!) { projects(first: $a) { nodes { id } } }', 'BAD_USER_INPUT'],
    ['{ customers(first: 1001) { nodes { id } } }', 'BAD_USER_INPUT'],
    ['{ customers(after: "x") { nodes { id } } }', 'BAD_USER_INPUT'],
  ])('%s has an error with the code %s', async (query, code) => {
    expect(codeOf(await post(server, key, query))).toBe(code);
  });

  test('batches are refused', async () => {
    const body = JSON.stringify([{ query: '{ __typename }' }, { query: '{ __typename }' }]);
    const answer = await postBody(body);
    expect(answer.status).toBe(400);
  });
});

describe('user JSON', () => {
  test('comes back as it came, keys and all', async () => {
    const value = { b: 1, a: [null, true, 1.5, { snake_key: 'ä😀', __proto__x: {} }], '': '' };
    const answer = await post(server, key, 'query ($v: JSON) { echo(value: $v) }', { v: value });
    expect(JSON.stringify(dig(answer.data, 'echo'))).toBe(JSON.stringify(value));
  });

  test('in a literal may hold variables', async () => {
    const answer = await post(server, key, 'query ($v: JSON) { echo(value: { a: $v, b: [1, "x", null] }) }', { v: 7 });
    expect(dig(answer.data, 'echo')).toEqual({ a: 7, b: [1, 'x', null] });
  });

  test.each([
    ['a NUL in a variable', 'query ($v: JSON) { echo(value: $v) }', { v: { a: 'x\u0000' } }],
    ['a lone surrogate in a variable', 'query ($v: JSON) { echo(value: $v) }', { v: ['\ud800'] }],
    ['a NUL in a literal', String.raw`{ echo(value: "\u0000") }`, {}],
    ['a NUL in an id', 'query ($id: ID!) { node(id: $id) { id } }', { id: 'proj_\u0000' }],
    [
      '100 levels of nesting',
      'query ($v: JSON) { echo(value: $v) }',
      { v: JSON.parse(`${'['.repeat(100)}${']'.repeat(100)}`) },
    ],
  ])('with %s is BAD_USER_INPUT with its place', async (_name, query, variables) => {
    const answer = await post(server, key, query, variables);
    expect(codeOf(answer)).toBe('BAD_USER_INPUT');
    expect(dig(answer.errors, 0, 'extensions', 'issues', 0, 'loc', 0)).toBeTypeOf('string');
  });

  test('with a NUL in a mutation is a typed error, and nothing is stored', async () => {
    const answer = await post(
      server,
      key,
      'mutation ($n: String!) { createProject(input: { name: $n }) { ... on ValidationError { issues { loc type } } } }',
      { n: 'a\u0000b' },
    );
    expect(dig(answer.data, 'createProject', 'issues')).toEqual([{ loc: ['input', 'name'], type: 'nul_character' }]);
  });

  test('nested a hundred thousand levels deep is refused, and the service lives', async () => {
    const body = `{"query":"query ($v: JSON) { echo(value: $v) }","variables":{"v":${'['.repeat(100_000)}${']'.repeat(100_000)}}}`;
    const answer = await postBody(body);
    expect(codeOf((await answer.json()) as Answer)).toBe('BAD_USER_INPUT');
    expect((await post(server, key, '{ __typename }')).status).toBe(200);
  });
});

describe('an error of ours', () => {
  test('is hidden, and logged once with the id that the client gets', async () => {
    server.log.length = 0;
    const answer = await post(server, key, '{ breaks }');
    expect(codeOf(answer)).toBe('INTERNAL_SERVER_ERROR');
    expect(JSON.stringify(answer)).not.toContain('hunter2');
    const errorId = String(dig(answer.errors, 0, 'extensions', 'errorId'));
    expect(errorId).toMatch(/^err_/);
    expect(server.log.filter((line) => line.includes(errorId))).toHaveLength(1);
    expect(server.log.filter((line) => line.includes('hunter2'))).toHaveLength(1);
    expect(Object.keys(dig(answer.errors, 0, 'extensions') as object).sort()).toEqual(['code', 'errorId']);
  });
});
