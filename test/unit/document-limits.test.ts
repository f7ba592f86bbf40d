import { buildSchema, getIntrospectionQuery, parse, validate } from 'graphql';
import { expect, test } from 'vitest';
import { LIMITS } from '../../src/domain/limits.ts';
import { AliasLimitRule, DepthLimitRule, parseWithinLimit } from '../../src/graphql/limits.ts';

const schema = buildSchema('type Query { a: Query, b: Int }');
const errorsOf = (query: string) =>
  validate(schema, parse(query), [DepthLimitRule, AliasLimitRule]).map((error) => error.extensions['code']);
const nested = (levels: number, leaf = 'b') => `${'{ a '.repeat(levels - 1)}{ ${leaf} }${' }'.repeat(levels - 1)}`;

test('a query may be as deep as the limit, and no deeper', () => {
  expect(errorsOf(nested(LIMITS.queryDepth))).toEqual([]);
  expect(errorsOf(nested(LIMITS.queryDepth + 1))).toEqual(['QUERY_TOO_COMPLEX']);
});

test('fragments count with the depth of where they are spread', () => {
  const fragment = `fragment F on Query ${nested(LIMITS.queryDepth - 2)}`;
  expect(errorsOf(`{ a { a { ...F } } } ${fragment}`)).toEqual([]);
  expect(errorsOf(`{ a { a { a { ...F } } } } ${fragment}`)).toEqual(['QUERY_TOO_COMPLEX']);
  expect(errorsOf(`{ a { a { a { ... on Query ${nested(LIMITS.queryDepth - 2)} } } } }`)).toEqual([
    'QUERY_TOO_COMPLEX',
  ]);
});

test('fragments that spread each other a thousandfold are measured in no time', () => {
  const chain = Array.from(
    { length: 100 },
    (_, i) => `fragment F${i} on Query { ...F${i + 1} ...F${i + 1} a { ...F${i + 1} } }`,
  );
  const query = `{ ...F0 } ${chain.join(' ')} fragment F100 on Query { b }`;
  expect(errorsOf(query)).toEqual(['QUERY_TOO_COMPLEX']);
});

test('a fragment within itself does not hang', () => {
  expect(errorsOf('{ ...F } fragment F on Query { a { ...F } }')).toEqual([]);
});

test('the standard introspection query is exempt', () => {
  expect(errorsOf(getIntrospectionQuery({ inputValueDeprecation: true, oneOf: true }))).toEqual([]);
});

test('aliases are counted wherever they are, and told once', () => {
  const aliases = (count: number) => Array.from({ length: count }, (_, i) => `x${i}: b`).join(' ');
  expect(errorsOf(`{ ${aliases(LIMITS.queryAliases)} }`)).toEqual([]);
  expect(errorsOf(`{ a { ${aliases(LIMITS.queryAliases * 3)} } }`)).toEqual(['QUERY_TOO_COMPLEX']);
});

test('a document may have as many tokens as the limit, and no more', () => {
  // The braces are two tokens, and the end of the document is none.
  const document = (tokens: number) => `{ ${'b '.repeat(tokens - 2)}}`;
  expect(parseWithinLimit(document(LIMITS.queryTokens)).kind).toBe('Document');
  const tooMany = document(LIMITS.queryTokens + 1);
  expect(() => parseWithinLimit(tooMany)).toThrow(
    expect.objectContaining({ extensions: { code: 'QUERY_TOO_COMPLEX' } }),
  );
});
