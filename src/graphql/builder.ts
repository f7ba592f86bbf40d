/**
 * The schema builder: plugins and defaults, and no types of the API.
 *
 * Fields are non-null unless they say `nullable: true`. Every root field needs a role (Query and Subscription
 * READER, Mutation MEMBER) and may ask for more with `authScopes: { admin: true }`. A mutation lists the errors
 * of its union as `errors: { types: [ValidationError, …] }`; the union is named `<Field>Result`.
 */
import SchemaBuilder from '@pothos/core';
import ComplexityPlugin from '@pothos/plugin-complexity';
import ErrorsPlugin from '@pothos/plugin-errors';
import RelayPlugin from '@pothos/plugin-relay';
import ScopeAuthPlugin from '@pothos/plugin-scope-auth';
import ZodPlugin from '@pothos/plugin-zod';
import { LIMITS } from '../domain/limits.ts';
import { KEY_ROLES, type KeyRole } from '../domain/model.ts';
import { ForbiddenError, UnauthenticatedError } from '../domain/user-error.ts';
import { CONNECTION_OPTIONS } from './connection-options.ts';
import type { Context } from './context.ts';
import { InputCheckPlugin } from './input-check.ts';
import { queryTooComplex, toValidationError } from './top-level-errors.ts';

/** The types that the builder is told about; resolvers are checked against them. */
interface OwnTypes {
  Context: Context;
  DefaultFieldNullability: false;
  DefaultEdgesNullability: false;
  DefaultNodeNullability: false;
  Scalars: {
    ID: { Input: string; Output: string };
    DateTime: { Input: Date; Output: Date };
    JSON: { Input: unknown; Output: unknown };
  };
  AuthScopes: { reader: boolean; member: boolean; admin: boolean; operator: boolean };
}

/** The builder's types with Pothos's defaults, to name refs by: `ObjectRef<SchemaTypes, Row>`. */
export type SchemaTypes = PothosSchemaTypes.ExtendDefaultTypes<OwnTypes>;

const hasRole = (ctx: Context, role: KeyRole): boolean =>
  ctx.actor !== null && KEY_ROLES.indexOf(ctx.actor.role) >= KEY_ROLES.indexOf(role);

export const builder = new SchemaBuilder<OwnTypes>({
  // Outermost first: who may not call is told so before the input is looked at, and what the input check
  // and zod throw lands in the mutation's union.
  plugins: [ErrorsPlugin, ScopeAuthPlugin, ComplexityPlugin, InputCheckPlugin, ZodPlugin, RelayPlugin],
  defaultFieldNullability: false,
  errors: {
    directResult: true,
    defaultTypes: [],
    defaultUnionOptions: {
      name: ({ fieldName }) => `${fieldName.charAt(0).toUpperCase()}${fieldName.slice(1)}Result`,
      description: 'The success, or one of the errors that a caller can cause. Select `... on UserError` for these.',
    },
  },
  scopeAuth: {
    authorizeOnSubscribe: true,
    authScopes: (ctx) => ({
      reader: hasRole(ctx, 'READER'),
      member: hasRole(ctx, 'MEMBER'),
      admin: hasRole(ctx, 'ADMIN'),
      operator: hasRole(ctx, 'OPERATOR'),
    }),
    unauthorizedError: (_parent, ctx) => (ctx.actor === null ? new UnauthenticatedError() : new ForbiddenError()),
  },
  complexity: {
    limit: { complexity: LIMITS.queryComplexity },
    complexityError: (_kind, { complexity, maxComplexity }) =>
      queryTooComplex(
        `The query costs ${complexity}; the limit is ${maxComplexity}. Ask for fewer fields or smaller pages.`,
      ),
  },
  zod: { validationError: toValidationError },
  relay: CONNECTION_OPTIONS,
});

builder.queryType({
  description: 'What can be read; needs a key of role READER or above.',
  authScopes: { reader: true },
});
builder.mutationType({
  description: 'What can be changed; needs a key of role MEMBER or above. Each mutation has one argument, `input`.',
  authScopes: { member: true },
});
builder.subscriptionType({
  description: 'What can be watched, over WebSocket or server-sent events; needs a key of role READER or above.',
  authScopes: { reader: true },
});
