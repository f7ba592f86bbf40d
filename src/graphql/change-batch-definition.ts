/** The mutations that make, update and delete versions of definitions. */
import { LIMITS } from '../domain/limits.ts';
import type { BatchDefinition } from '../domain/model.ts';
import {
  IdempotencyConflictError,
  InvalidStateError,
  NotFoundError,
  ValidationError,
  VersionConflictError,
} from '../domain/user-error.ts';
import { createBatchDefinition } from '../services/create-batch-definition.ts';
import { type DefinitionScope, deleteBatchDefinition } from '../services/delete-batch-definition.ts';
import { updateBatchDefinition } from '../services/update-batch-definition.ts';
import { BatchDefinitionType } from './batch-definition.ts';
import { BatchSpecChanges } from './batch-spec-changes.ts';
import { BatchSpecInput } from './batch-spec-input.ts';
import { builder } from './builder.ts';
import { actorOf } from './context.ts';

const KEY = `Makes the call safe to repeat, 1-${LIMITS.idempotencyKeyLength} characters: a repeat with equal input answers the same version, with other input an IdempotencyConflictError. Creates and updates of definitions share the keys of a project.`;

const CreateBatchDefinitionInput = builder.inputType('CreateBatchDefinitionInput', {
  description: 'What a version of a definition is made from.',
  fields: (t) => ({
    idempotencyKey: t.string({ description: KEY }),
    spec: t.field({
      type: BatchSpecInput,
      required: true,
      description: 'Its content; the name in it says whose version it is.',
    }),
    description: t.string({
      description: `What it is for, at most ${LIMITS.messageLength} characters; kept with a new version, and no part of its content.`,
    }),
  }),
});

const CreateBatchDefinitionSuccess = builder
  .objectRef<{ readonly batchDefinition: BatchDefinition; readonly created: boolean }>('CreateBatchDefinitionSuccess')
  .implement({
    description: 'The definition has a version with this content.',
    fields: (t) => ({
      batchDefinition: t.expose('batchDefinition', { type: BatchDefinitionType, description: 'That version.' }),
      created: t.exposeBoolean('created', {
        description: 'Whether this call made it; false when the same content was stored before.',
      }),
    }),
  });

builder.mutationField('createBatchDefinition', (t) =>
  t.field({
    type: CreateBatchDefinitionSuccess,
    description:
      'Stores a recipe. The same content under a name is the same version; new content is the next one. Nothing runs.',
    errors: { types: [ValidationError, IdempotencyConflictError] },
    args: { input: t.arg({ type: CreateBatchDefinitionInput, required: true, description: 'What it is made from.' }) },
    resolve: async (_root, { input }, ctx) => {
      const { definition, created } = await createBatchDefinition(ctx.deps, actorOf(ctx), input);
      return { batchDefinition: definition, created };
    },
  }),
);

const UpdateBatchDefinitionInput = builder.inputType('UpdateBatchDefinitionInput', {
  description: 'Which version to go on from, and what is otherwise in the next one.',
  fields: (t) => ({
    batchDefinitionId: t.id({ required: true, description: 'The version to go on from, `def_…`.' }),
    expectedVersion: t.int({
      description:
        'The number of the newest version that the caller knows, from 1; by default that of the version to go on from. If the newest is another, nothing is made and the answer is a VersionConflictError. To go back to an older version, name the newest here.',
    }),
    idempotencyKey: t.string({ description: KEY }),
    description: t.string({
      description: `What it is for, at most ${LIMITS.messageLength} characters; absent: as it is, null: nothing.`,
    }),
    changes: t.field({ type: BatchSpecChanges, description: 'What is otherwise in its content.' }),
  }),
});

const UpdateBatchDefinitionSuccess = builder
  .objectRef<{ readonly batchDefinition: BatchDefinition; readonly changed: boolean }>('UpdateBatchDefinitionSuccess')
  .implement({
    description: 'There is a version with the changes.',
    fields: (t) => ({
      batchDefinition: t.expose('batchDefinition', {
        type: BatchDefinitionType,
        description: 'That version; its `parent` is the one it was made from.',
      }),
      changed: t.exposeBoolean('changed', {
        description: 'Whether this call made it; false when the changes change nothing, or were made before.',
      }),
    }),
  });

builder.mutationField('updateBatchDefinition', (t) =>
  t.field({
    type: UpdateBatchDefinitionSuccess,
    description:
      'Makes the next version of a definition from another one and some changes; the other one stays as it is, and so do its executions. Of two updates at once one is a VersionConflictError.',
    errors: {
      types: [ValidationError, NotFoundError, InvalidStateError, VersionConflictError, IdempotencyConflictError],
    },
    args: { input: t.arg({ type: UpdateBatchDefinitionInput, required: true, description: 'What is to change.' }) },
    resolve: async (_root, { input }, ctx) => {
      const { definition, changed } = await updateBatchDefinition(ctx.deps, actorOf(ctx), input);
      return { batchDefinition: definition, changed };
    },
  }),
);

const DefinitionScopeEnum = builder.enumType('BatchDefinitionScope', {
  description: 'What of a definition is meant.',
  values: {
    ALL_VERSIONS: { description: 'All versions of its name.' },
    THIS_VERSION: { description: 'The version alone.' },
  } satisfies { [scope in DefinitionScope]: { description: string } },
});

const DeleteBatchDefinitionInput = builder.inputType('DeleteBatchDefinitionInput', {
  description: 'Which definition to delete.',
  fields: (t) => ({
    batchDefinitionId: t.id({ required: true, description: 'Any of its versions, `def_…`.' }),
    scope: t.field({ type: DefinitionScopeEnum, defaultValue: 'ALL_VERSIONS', description: 'What of it.' }),
  }),
});

const DeleteBatchDefinitionSuccess = builder
  .objectRef<{ readonly batchDefinition: BatchDefinition; readonly deletedCount: number }>(
    'DeleteBatchDefinitionSuccess',
  )
  .implement({
    description: 'The definition is deleted.',
    fields: (t) => ({
      batchDefinition: t.expose('batchDefinition', {
        type: BatchDefinitionType,
        description: 'The version that was named, with `deletedAt`.',
      }),
      deletedCount: t.exposeInt('deletedCount', {
        description: 'How many versions this call deleted; 0 when the version had been deleted before.',
      }),
    }),
  });

builder.mutationField('deleteBatchDefinition', (t) =>
  t.field({
    type: DeleteBatchDefinitionSuccess,
    description:
      'Takes a definition out of the lists: nothing new is made from it any more. Its executions, also those that run, go on, can be retried, and show it with `deletedAt`; id and URN still find it. Its name is free again, and goes on counting versions where it was.',
    errors: { types: [ValidationError, NotFoundError] },
    args: { input: t.arg({ type: DeleteBatchDefinitionInput, required: true, description: 'Which one.' }) },
    resolve: async (_root, { input }, ctx) => {
      const { definition, deletedCount } = await deleteBatchDefinition(ctx.deps, actorOf(ctx), input);
      return { batchDefinition: definition, deletedCount };
    },
  }),
);
