import { GraphQLError } from 'graphql';
import { expect, test } from 'vitest';
import { keysetArgs, ordering, type PagingArgs, toConnection } from '../../src/graphql/connection.ts';

interface Row {
  readonly at: Date;
  readonly id: string;
}
const byTime = ordering<Row>('rows.oldest', { instant: (row) => row.at }, { text: (row) => row.id });
const byId = ordering<Row>('rows.id', { text: (row) => row.id });
const rows: readonly Row[] = ['a', 'b', 'c'].map((id, index) => ({ id, at: new Date(1_700_000_000_000 + index) }));

const codeOf = (args: PagingArgs): unknown => {
  try {
    return keysetArgs(args, byTime);
  } catch (error) {
    return error instanceof GraphQLError ? error.extensions['code'] : error;
  }
};
const cursorOfFirst = (order = byTime) => toConnection(rows, keysetArgs({}, order), order).edges[0]?.cursor ?? '';

test('the first page has 50 entries unless told otherwise', () => {
  expect(keysetArgs({}, byTime)).toEqual({ limit: 50, backward: false, after: null });
  expect(keysetArgs({ last: 3 }, byTime)).toEqual({ limit: 3, backward: true, after: null });
  expect(keysetArgs({ first: 0 }, byTime).limit).toBe(0);
});

test.each([
  [{ first: 1001 }],
  [{ last: 1001 }],
  [{ first: -1 }],
  [{ first: 1, last: 1 }],
  [{ first: 1, before: 'x' }],
  [{ last: 1, after: 'x' }],
  [{ after: '' }],
  [{ after: 'no cursor' }],
])('%j is refused, not clamped', (args) => {
  expect(codeOf(args)).toBe('BAD_USER_INPUT');
});

test('a cursor leads back to the key of its row', () => {
  expect(keysetArgs({ after: cursorOfFirst() }, byTime).after).toEqual([rows[0]?.at, 'a']);
});

test('a cursor of another order is refused', () => {
  expect(codeOf({ after: cursorOfFirst(byId) })).toBe('BAD_USER_INPUT');
});

test.each([
  [[1, 'rows.oldest', '1700000000000', 'a']],
  [[1, 'rows.oldest', 1e20, 'a']],
  [[1, 'rows.oldest', 1_700_000_000_000, 'a\u0000']],
  [[1, 'rows.oldest', 1_700_000_000_000, { a: 1 }]],
  [[1, 'rows.oldest', 1_700_000_000_000]],
  [[2, 'rows.oldest', 1_700_000_000_000, 'a']],
  [{ length: 4 }],
])('the forged cursor %j is refused', (parts) => {
  expect(codeOf({ after: Buffer.from(JSON.stringify(parts)).toString('base64url') })).toBe('BAD_USER_INPUT');
});

test('a page shows its rows in the order of the list, and says whether there are more', () => {
  const forward = toConnection(rows, keysetArgs({ first: 2 }, byTime), byTime);
  expect(forward.edges.map(({ node }) => node.id)).toEqual(['a', 'b']);
  expect(forward.pageInfo).toMatchObject({ hasNextPage: true, hasPreviousPage: false });
  expect(forward.pageInfo.endCursor).toBe(forward.edges[1]?.cursor);

  const backward = toConnection(rows.toReversed(), keysetArgs({ last: 2 }, byTime), byTime);
  expect(backward.edges.map(({ node }) => node.id)).toEqual(['b', 'c']);
  expect(backward.pageInfo).toMatchObject({ hasNextPage: false, hasPreviousPage: true });
});

test('an empty page has no cursors', () => {
  expect(toConnection([], keysetArgs({}, byTime), byTime)).toEqual({
    edges: [],
    pageInfo: { hasNextPage: false, hasPreviousPage: false, startCursor: null, endCursor: null },
  });
});
