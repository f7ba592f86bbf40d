/** Secrets: values that only the calls of agents ever see. */
import { LIMITS } from '../domain/limits.ts';
import type { Secret } from '../domain/model.ts';
import { LimitExceededError, NotFoundError, ValidationError } from '../domain/user-error.ts';
import { deleteSecret } from '../services/delete-secret.ts';
import { listSecrets } from '../services/list-secrets.ts';
import { setSecret } from '../services/set-secret.ts';
import { builder } from './builder.ts';
import { connectionOf, keysetArgs, ordering, pageCost, toConnection } from './connection.ts';
import { actorOf } from './context.ts';

const SecretType = builder.objectRef<Secret>('Secret').implement({
  description:
    'A named value of the project that agents refer to by its name. It is stored encrypted, and no field gives it out.',
  fields: (t) => ({
    name: t.exposeString('name', { description: 'The name, unique in the project.' }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When the name was first given a value.' }),
    updatedAt: t.expose('updatedAt', { type: 'DateTime', description: 'When it was last given a value.' }),
  }),
});

const byName = ordering<Secret>('secrets.name', { text: (row) => row.name });

builder.queryField('secrets', (t) =>
  t.connection(
    {
      type: SecretType,
      description: "The project's secrets by name, without their values.",
      complexity: pageCost,
      resolve: async (_root, args, ctx) => {
        const page = keysetArgs(args, byName);
        return toConnection(await listSecrets(ctx.deps, actorOf(ctx), page), page, byName);
      },
    },
    connectionOf(SecretType, 'Secret'),
  ),
);

const { min, max } = LIMITS.secretLength;

const SetSecretInput = builder.inputType('SetSecretInput', {
  description: 'A secret and its value.',
  fields: (t) => ({
    name: t.string({
      required: true,
      description: 'The name: 1-100 letters and digits, with ".", "_" and "-" between them.',
    }),
    value: t.string({
      required: true,
      description: `The value, ${min}-${max} characters of printable ASCII without spaces around it. It can be replaced, and never read.`,
    }),
  }),
});

const SetSecretSuccess = builder.objectRef<{ readonly secret: Secret }>('SetSecretSuccess').implement({
  description: 'The secret has the value.',
  fields: (t) => ({
    secret: t.expose('secret', { type: SecretType, description: 'The secret, without its value.' }),
  }),
});

builder.mutationField('setSecret', (t) =>
  t.field({
    type: SetSecretSuccess,
    description: `Stores a secret, in place of the value that the name had; calls of agents use it within a second. A project has at most ${LIMITS.secretsPerProject}.`,
    errors: { types: [ValidationError, LimitExceededError] },
    args: { input: t.arg({ type: SetSecretInput, required: true, description: 'Its name and value.' }) },
    resolve: async (_root, { input }, ctx) => ({ secret: await setSecret(ctx.deps, actorOf(ctx), input) }),
  }),
);

const DeleteSecretInput = builder.inputType('DeleteSecretInput', {
  description: 'Which secret to delete.',
  fields: (t) => ({ name: t.string({ required: true, description: 'Its name.' }) }),
});

const DeleteSecretSuccess = builder.objectRef<{ readonly deletedName: string }>('DeleteSecretSuccess').implement({
  description: 'The secret is gone.',
  fields: (t) => ({ deletedName: t.exposeString('deletedName', { description: 'The name that it had.' }) }),
});

builder.mutationField('deleteSecret', (t) =>
  t.field({
    type: DeleteSecretSuccess,
    description:
      'Deletes a secret. Calls of agents that refer to it fail from then on, as AUTHENTICATION with code `secret_missing`, until it is set again.',
    errors: { types: [NotFoundError, ValidationError] },
    args: { input: t.arg({ type: DeleteSecretInput, required: true, description: 'Which one.' }) },
    resolve: async (_root, { input }, ctx) => ({ deletedName: await deleteSecret(ctx.deps, actorOf(ctx), input) }),
  }),
);
