/** API keys: what they may do, and how they are made, replaced and revoked. */
import type { ApiKey, KEY_ROLES } from '../domain/model.ts';
import { InvalidStateError, NotFoundError, ValidationError } from '../domain/user-error.ts';
import { createApiKey, type NewApiKey } from '../services/create-api-key.ts';
import { getApiKey, getProject, listApiKeys } from '../services/read-tenancy.ts';
import { revokeApiKey } from '../services/revoke-api-key.ts';
import { MAX_OVERLAP_MS, type RotatedApiKey, rotateApiKey } from '../services/rotate-api-key.ts';
import { builder } from './builder.ts';
import { connectionOf, keysetArgs, ordering, pageCost, toConnection } from './connection.ts';
import { actorOf } from './context.ts';
import { Node, registerNode } from './node.ts';
import { ProjectType } from './project.ts';

export const KeyRoleEnum = builder.enumType('KeyRole', {
  description: 'What a key may do; each role includes those before it. More values may come.',
  values: {
    READER: { description: 'Reads everything in its project.' },
    MEMBER: { description: 'Also changes what is in its project.' },
    ADMIN: { description: "Also makes projects and keys, and works in every project of the key's customer." },
    OPERATOR: { description: 'Also makes customers, and works in every project of every customer.' },
  } satisfies { [role in (typeof KEY_ROLES)[number]]: { description: string } },
});

export const ApiKeyType = builder.objectRef<ApiKey>('ApiKey').implement({
  description: 'A key that opens a project. Only a hash of its secret is stored.',
  interfaces: [Node],
  fields: (t) => ({
    id: t.exposeID('id', { description: 'The id, `key_…`; not the key itself.' }),
    name: t.exposeString('name', { description: 'What its maker called it.' }),
    prefix: t.exposeString('prefix', { description: 'The first characters of the secret, to recognise it by.' }),
    role: t.expose('role', { type: KeyRoleEnum, description: 'What it may do.' }),
    customerId: t.exposeID('customerId', { description: 'The customer it belongs to.' }),
    project: t.field({
      type: ProjectType,
      nullable: true,
      description: 'The project that it opens by default.',
      resolve: (key, _args, ctx) => getProject(ctx.deps, actorOf(ctx), key.projectId),
    }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was made.' }),
    expiresAt: t.expose('expiresAt', { type: 'DateTime', nullable: true, description: 'When it ends; null: never.' }),
    revokedAt: t.expose('revokedAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When it was revoked; null: it was not.',
    }),
    lastUsedAt: t.expose('lastUsedAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When it was last used, to the minute; null: never.',
    }),
  }),
});

registerNode('ApiKey', ApiKeyType, (ctx, actor, id) => getApiKey(ctx.deps, actor, id));

const byCreation = ordering<ApiKey>('apiKeys.newest', { instant: (row) => row.createdAt }, { text: (row) => row.id });

builder.queryField('apiKeys', (t) =>
  t.connection(
    {
      type: ApiKeyType,
      description: "All of the customer's keys, newest first, also those that are revoked or expired. Needs ADMIN.",
      authScopes: { admin: true },
      complexity: pageCost,
      resolve: async (_root, args, ctx) => {
        const page = keysetArgs(args, byCreation);
        return toConnection(await listApiKeys(ctx.deps, actorOf(ctx), page), page, byCreation);
      },
    },
    connectionOf(ApiKeyType, 'ApiKey'),
  ),
);

const CreateApiKeyInput = builder.inputType('CreateApiKeyInput', {
  description: 'What a new key is made from.',
  fields: (t) => ({
    name: t.string({ required: true, description: 'What to call it, 1-200 characters.' }),
    role: t.field({ type: KeyRoleEnum, required: true, description: "What it may do; at most the caller's own role." }),
    projectId: t.id({ description: 'Id or slug of a project of the customer; the present one by default.' }),
    expiresAt: t.field({ type: 'DateTime', description: 'When it ends, in the future; never by default.' }),
  }),
});

const secretField = { description: 'The key itself: shown this one time and never again.' };

const CreateApiKeySuccess = builder.objectRef<NewApiKey>('CreateApiKeySuccess').implement({
  description: 'The key was made.',
  fields: (t) => ({
    apiKey: t.expose('apiKey', { type: ApiKeyType, description: 'The new key, without its secret.' }),
    secret: t.exposeString('secret', secretField),
  }),
});

builder.mutationField('createApiKey', (t) =>
  t.field({
    type: CreateApiKeySuccess,
    description: 'Makes a key of at most the own role. Needs ADMIN.',
    authScopes: { admin: true },
    errors: { types: [ValidationError, NotFoundError] },
    args: { input: t.arg({ type: CreateApiKeyInput, required: true, description: 'What it is made from.' }) },
    resolve: (_root, { input }, ctx) => createApiKey(ctx.deps, actorOf(ctx), input),
  }),
);

const RotateApiKeyInput = builder.inputType('RotateApiKeyInput', {
  description: 'Which key to replace.',
  fields: (t) => ({
    apiKeyId: t.id({ required: true, description: 'The key to replace, `key_…`.' }),
    overlapMs: t.int({
      defaultValue: 0,
      description: `How long the old key stays valid, in ms, 0-${MAX_OVERLAP_MS} (7 days).`,
    }),
  }),
});

const RotateApiKeySuccess = builder.objectRef<RotatedApiKey>('RotateApiKeySuccess').implement({
  description: 'The key has a successor.',
  fields: (t) => ({
    apiKey: t.expose('apiKey', {
      type: ApiKeyType,
      description: 'The successor: a new id, with name, role and project of the old key.',
    }),
    secret: t.exposeString('secret', secretField),
    previous: t.expose('previous', { type: ApiKeyType, description: 'The old key with its end.' }),
  }),
});

builder.mutationField('rotateApiKey', (t) =>
  t.field({
    type: RotateApiKeySuccess,
    description: 'Replaces a key of at most the own role by one with a new secret. Needs ADMIN.',
    authScopes: { admin: true },
    errors: { types: [ValidationError, NotFoundError, InvalidStateError] },
    args: {
      input: t.arg({
        type: RotateApiKeyInput,
        required: true,
        description: 'Which key, and for how long both are valid.',
      }),
    },
    resolve: (_root, { input }, ctx) => rotateApiKey(ctx.deps, actorOf(ctx), input),
  }),
);

const RevokeApiKeyInput = builder.inputType('RevokeApiKeyInput', {
  description: 'Which key to revoke.',
  fields: (t) => ({ apiKeyId: t.id({ required: true, description: 'The key, `key_…`.' }) }),
});

const RevokeApiKeySuccess = builder.objectRef<{ readonly apiKey: ApiKey }>('RevokeApiKeySuccess').implement({
  description: 'The key is revoked, now or since before.',
  fields: (t) => ({
    apiKey: t.expose('apiKey', { type: ApiKeyType, description: 'The key with the time of its revocation.' }),
  }),
});

builder.mutationField('revokeApiKey', (t) =>
  t.field({
    type: RevokeApiKeySuccess,
    description:
      'Ends a key at once, and its open subscriptions within seconds. The last operator key that never expires ' +
      'stays (InvalidStateError). Needs ADMIN, and at least the role of the key.',
    authScopes: { admin: true },
    errors: { types: [NotFoundError, InvalidStateError, ValidationError] },
    args: { input: t.arg({ type: RevokeApiKeyInput, required: true, description: 'Which key.' }) },
    resolve: async (_root, { input }, ctx) => ({ apiKey: await revokeApiKey(ctx.deps, actorOf(ctx), input) }),
  }),
);
