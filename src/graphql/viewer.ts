/** Who the request's key belongs to. */
import { KEY_ROLES, type Actor } from '../domain/model.ts';
import { builder } from './builder.ts';
import { actorOf } from './context.ts';

export const KeyRoleEnum = builder.enumType('KeyRole', {
  description: 'What a key may do; each role includes those before it. More values may come.',
  values: {
    READER: { description: 'Reads everything in its project.' },
    MEMBER: { description: 'Also changes what is in its project.' },
    ADMIN: { description: "Also makes projects and keys, in every project of the key's customer." },
    OPERATOR: { description: 'Also makes customers, and works in every project of every customer.' },
  } satisfies { [role in (typeof KEY_ROLES)[number]]: { description: string } },
});

const Viewer = builder.objectRef<Actor>('Viewer').implement({
  description: 'Who makes the request, and in which project.',
  fields: (t) => ({
    role: t.field({ type: KeyRoleEnum, description: 'What the key may do.', resolve: (actor) => actor.role }),
  }),
});

builder.queryField('viewer', (t) =>
  t.field({ type: Viewer, description: 'Who makes this request.', resolve: (_root, _args, ctx) => actorOf(ctx) }),
);
