import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Db } from '../../src/store/database.ts';
import { type FreshDatabase, freshEmbedded } from '../support/databases.ts';
import { makeProject, type ProjectRows } from '../support/rows.ts';
import { codeOf, dig, post, startTestServer, type TestServer } from '../support/server.ts';

let database: FreshDatabase;
let db: Db;
let server: TestServer;
let operator: ProjectRows;
let admin: ProjectRows;

beforeAll(async () => {
  database = await freshEmbedded();
  db = database.db;
  server = await startTestServer(db);
  operator = await makeProject(db, 'OPERATOR');
  admin = await makeProject(db, 'ADMIN');
});
afterAll(async () => {
  await server.stop();
  await database.close();
});

const ERRORS = '... on UserError { code message } ... on ValidationError { issues { loc msg type } }';

describe('customers and projects', () => {
  const CREATE_CUSTOMER = `mutation ($input: CreateCustomerInput!) { createCustomer(input: $input) {
    ... on CreateCustomerSuccess { customer { id slug } project { id slug } } ... on AlreadyExistsError { existingId } ${ERRORS} } }`;

  test('a customer is made with a first project that its operator can work in', async () => {
    const made = dig(
      (await post(server, operator.key, CREATE_CUSTOMER, { input: { name: 'Große Firma!' } })).data,
      'createCustomer',
    );
    expect(made).toMatchObject({ customer: { slug: 'gro-e-firma' }, project: { slug: 'default' } });
    const seen = await post(
      server,
      operator.key,
      '{ viewer { project { id } } }',
      {},
      { 'x-tenant-id': 'gro-e-firma' },
    );
    expect(dig(seen.data, 'viewer', 'project', 'id')).toBe(dig(made, 'project', 'id'));
  });

  test('a taken slug says who has it', async () => {
    const input = { name: 'Twice', slug: 'twice' };
    const first = dig(
      (await post(server, operator.key, CREATE_CUSTOMER, { input })).data,
      'createCustomer',
      'customer',
      'id',
    );
    const second = dig((await post(server, operator.key, CREATE_CUSTOMER, { input })).data, 'createCustomer');
    expect(second).toMatchObject({ code: 'ALREADY_EXISTS', existingId: first });
  });

  test.each([['-bad'], ['UPPER'], [''], ['x'.repeat(65)]])('the slug %j is refused', async (slug) => {
    const answer = await post(server, operator.key, CREATE_CUSTOMER, { input: { name: 'x', slug } });
    expect(dig(answer.data, 'createCustomer', 'issues')).toMatchObject([{ loc: ['input', 'slug'] }]);
  });

  test('only an OPERATOR makes and lists customers', async () => {
    expect(codeOf(await post(server, admin.key, CREATE_CUSTOMER, { input: { name: 'x' } }))).toBe('FORBIDDEN');
    expect(codeOf(await post(server, admin.key, '{ customers { nodes { id } } }'))).toBe('FORBIDDEN');
  });

  test('what is foreign is null through node and nodes, like what is unknown', async () => {
    const ids = [
      admin.projectId,
      operator.projectId,
      operator.customerId,
      operator.actor.keyId,
      'proj_unknown',
      'item_AAAAAAAAAAAAAAAAAAAAA_1',
      '',
      admin.customerId,
    ];
    const answer = await post(server, admin.key, 'query ($ids: [ID!]!) { nodes(ids: $ids) { __typename id } }', {
      ids,
    });
    const [own, ...others] = dig(answer.data, 'nodes') as unknown[];
    expect(own).toEqual({ __typename: 'Project', id: admin.projectId });
    expect(others).toEqual([null, null, null, null, null, null, { __typename: 'Customer', id: admin.customerId }]);
    const single = await post(server, admin.key, 'query ($id: ID!) { node(id: $id) { id } }', {
      id: operator.projectId,
    });
    expect(single).toMatchObject({ data: { node: null }, status: 200 });
    expect(single.errors).toBeUndefined();
  });

  test('more than 100 ids are refused', async () => {
    const ids = Array.from({ length: 101 }, () => 'x');
    const answer = await post(server, admin.key, 'query ($ids: [ID!]!) { nodes(ids: $ids) { id } }', { ids });
    expect(codeOf(answer)).toBe('BAD_USER_INPUT');
  });

  test('pages of projects lead through the whole list, forwards and backwards, without gap or repeat', async () => {
    const fresh = await makeProject(db, 'ADMIN');
    for (const name of ['b', 'c', 'd', 'e']) {
      await post(server, fresh.key, 'mutation ($n: String!) { createProject(input: { name: $n }) { __typename } }', {
        n: name,
      });
    }
    const page = async (args: string) =>
      dig(
        (
          await post(
            server,
            fresh.key,
            `{ projects(${args}) { nodes { slug } edges { cursor } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }`,
          )
        ).data,
        'projects',
      );
    const slugs = (connection: unknown) => (dig(connection, 'nodes') as { slug: string }[]).map(({ slug }) => slug);
    const whole = slugs(await page('first: 100'));
    expect(whole).toHaveLength(5);
    for (const [size, from, info] of [
      ['first', 'after', 'endCursor'],
      ['last', 'before', 'startCursor'],
    ] as const) {
      const seen: string[] = [];
      let cursor: unknown = null;
      for (let more: unknown = true; more === true; ) {
        const connection: unknown = await page(`${size}: 2${cursor === null ? '' : `, ${from}: "${String(cursor)}"`}`);
        const part = slugs(connection);
        if (size === 'first') seen.push(...part);
        else seen.unshift(...part);
        cursor = dig(connection, 'pageInfo', info);
        more = dig(connection, 'pageInfo', size === 'first' ? 'hasNextPage' : 'hasPreviousPage');
      }
      expect(seen).toEqual(whole);
    }
  });
});
