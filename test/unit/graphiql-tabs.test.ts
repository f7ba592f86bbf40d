import { parse, validate } from 'graphql';
import { expect, test } from 'vitest';
import { AliasLimitRule, DepthLimitRule, parseWithinLimit } from '../../src/graphql/limits.ts';
import { buildSchema } from '../../src/graphql/schema.ts';
import { GRAPHIQL_TABS } from '../../src/server/graphiql-tabs.ts';

test.each(GRAPHIQL_TABS.map(({ query, variables = '{}' }) => [query.split('\n')[0], query, variables]))(
  'the tab "%s" fits the schema and the limits',
  (_title, query, variables) => {
    expect(validate(buildSchema(), parse(query)).map(({ message }) => message)).toEqual([]);
    expect(validate(buildSchema(), parseWithinLimit(query), [DepthLimitRule, AliasLimitRule])).toEqual([]);
    expect(JSON.parse(variables)).toBeTypeOf('object');
  },
);
