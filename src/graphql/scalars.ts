/** The two scalars beyond GraphQL's own: DateTime for instants, JSON for what belongs to the user. */
import { GraphQLError } from 'graphql';
import { GraphQLDateTime, GraphQLJSON } from 'graphql-scalars';
import { LIMITS } from '../domain/limits.ts';
import { builder } from './builder.ts';

builder.scalarType('DateTime', {
  description:
    'An instant as RFC 3339 text in UTC with milliseconds, e.g. `2026-01-31T10:15:30.000Z`. Inputs may carry an offset.',
  serialize: (value) => value,
  parseValue: (value) => instant(GraphQLDateTime.parseValue(value)),
  parseLiteral: (node) => instant(GraphQLDateTime.parseLiteral(node, {})),
});

builder.scalarType('JSON', {
  description:
    `Any JSON value of the user's own, at most ${LIMITS.jsonDepth} levels deep. It comes back as it came: ` +
    'keys keep their names and order. U+0000 and lone surrogates are refused.',
  serialize: (value) => value,
  // What cannot be stored is refused by the input check, where it can be told with its place.
  parseValue: (value) => value,
  parseLiteral: (node, variables) => GraphQLJSON.parseLiteral(node, variables ?? {}),
});

function instant(value: unknown): Date {
  if (value instanceof Date && !Number.isNaN(value.getTime())) return value;
  throw new GraphQLError('Not an RFC 3339 instant.', { extensions: { code: 'BAD_USER_INPUT' } });
}
