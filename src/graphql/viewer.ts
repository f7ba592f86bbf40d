/** Who the request's key belongs to. */
import type { Actor } from '../domain/model.ts';
import { getApiKey, getCustomer, getProject } from '../services/read-tenancy.ts';
import { ApiKeyType, KeyRoleEnum } from './api-key.ts';
import { builder } from './builder.ts';
import { actorOf } from './context.ts';
import { CustomerType } from './customer.ts';
import { ProjectType } from './project.ts';

const Viewer = builder.objectRef<Actor>('Viewer').implement({
  description: 'Who makes the request, and where it works.',
  fields: (t) => ({
    role: t.expose('role', { type: KeyRoleEnum, description: 'What the key may do.' }),
    apiKey: t.field({
      type: ApiKeyType,
      nullable: true,
      description: 'The key of the request.',
      resolve: (actor, _args, ctx) => getApiKey(ctx.deps, actor, actor.keyId),
    }),
    customer: t.field({
      type: CustomerType,
      nullable: true,
      description: "The customer that the request works for: the key's, or the one that `X-Tenant-ID` names.",
      resolve: (actor, _args, ctx) => getCustomer(ctx.deps, actor, actor.customerId),
    }),
    project: t.field({
      type: ProjectType,
      nullable: true,
      description: "The project that the request works in: the key's, or the one that `X-Namespace` names.",
      resolve: (actor, _args, ctx) => getProject(ctx.deps, actor, actor.projectId),
    }),
  }),
});

builder.queryField('viewer', (t) =>
  t.field({ type: Viewer, description: 'Who makes this request.', resolve: (_root, _args, ctx) => actorOf(ctx) }),
);
