/** The mutations that make, fill and delete datasources. */
import { LIMITS } from '../domain/limits.ts';
import type { DataElement, Datasource } from '../domain/model.ts';
import { AlreadyExistsError, InvalidStateError, NotFoundError, ValidationError } from '../domain/user-error.ts';
import { addDataElements } from '../services/add-data-elements.ts';
import {
  createFolderDatasource,
  createResultsDatasource,
  createStoredDatasource,
} from '../services/create-datasource.ts';
import { deleteDatasource } from '../services/delete-datasource.ts';
import { removeDataElements } from '../services/remove-data-elements.ts';
import { builder } from './builder.ts';
import { actorOf } from './context.ts';
import { DataElementType } from './data-element.ts';
import { DatasourceType } from './datasource.ts';
import { DataElementInput } from './element-input.ts';

const NAME = `The name, 1-${LIMITS.nameLength} characters, unique in the project.`;
const DESCRIPTION = `What it is for, at most ${LIMITS.messageLength} characters.`;

const CreateFolderDatasourceInput = builder.inputType('CreateFolderDatasourceInput', {
  description: 'Which files make a datasource.',
  fields: (t) => ({
    name: t.string({ required: true, description: NAME }),
    description: t.string({ description: DESCRIPTION }),
    path: t.string({
      description:
        'The folder, relative to the project\'s own below BATCHYARD_FOLDERS_DIR, with "/" and without ".."; that itself by default. It must be there.',
    }),
    glob: t.string({
      defaultValue: '**',
      description:
        'Which files below the folder are elements: `*` and `?` within a name, `**` for any folders, `[abc]`, `{a,b}`; at most 500 characters and 12 "*". Hidden files only where the dot is named. Links are never followed.',
    }),
  }),
});

const CreateFolderDatasourceSuccess = builder
  .objectRef<{ readonly datasource: Datasource }>('CreateFolderDatasourceSuccess')
  .implement({
    description: 'The datasource was made.',
    fields: (t) => ({
      datasource: t.expose('datasource', { type: DatasourceType, description: 'The new datasource.' }),
    }),
  });

builder.mutationField('createFolderDatasource', (t) =>
  t.field({
    type: CreateFolderDatasourceSuccess,
    description: "Makes a datasource of the files below a folder of the project's. Nothing is copied.",
    errors: { types: [ValidationError, AlreadyExistsError] },
    args: { input: t.arg({ type: CreateFolderDatasourceInput, required: true, description: 'Which files.' }) },
    resolve: async (_root, { input }, ctx) => ({
      datasource: await createFolderDatasource(ctx.deps, actorOf(ctx), input),
    }),
  }),
);

const CreateStoredDatasourceInput = builder.inputType('CreateStoredDatasourceInput', {
  description: 'What an empty datasource is made from.',
  fields: (t) => ({
    name: t.string({ required: true, description: NAME }),
    description: t.string({ description: DESCRIPTION }),
  }),
});

const CreateStoredDatasourceSuccess = builder
  .objectRef<{ readonly datasource: Datasource }>('CreateStoredDatasourceSuccess')
  .implement({
    description: 'The datasource was made.',
    fields: (t) => ({
      datasource: t.expose('datasource', { type: DatasourceType, description: 'The new datasource.' }),
    }),
  });

builder.mutationField('createStoredDatasource', (t) =>
  t.field({
    type: CreateStoredDatasourceSuccess,
    description: 'Makes a datasource without elements; `addDataElements` adds them.',
    errors: { types: [ValidationError, AlreadyExistsError] },
    args: { input: t.arg({ type: CreateStoredDatasourceInput, required: true, description: 'What it is made from.' }) },
    resolve: async (_root, { input }, ctx) => ({
      datasource: await createStoredDatasource(ctx.deps, actorOf(ctx), input),
    }),
  }),
);

const CreateResultsDatasourceInput = builder.inputType('CreateResultsDatasourceInput', {
  description: 'What a datasource of results is made from.',
  fields: (t) => ({
    name: t.string({ required: true, description: NAME }),
    description: t.string({ description: DESCRIPTION }),
  }),
});

const CreateResultsDatasourceSuccess = builder
  .objectRef<{ readonly datasource: Datasource }>('CreateResultsDatasourceSuccess')
  .implement({
    description: 'The datasource was made.',
    fields: (t) => ({
      datasource: t.expose('datasource', { type: DatasourceType, description: 'The new datasource.' }),
    }),
  });

builder.mutationField('createResultsDatasource', (t) =>
  t.field({
    type: CreateResultsDatasourceSuccess,
    description:
      'Makes a datasource that gathers the results of the executions that name it as their `output`; other executions can read it.',
    errors: { types: [ValidationError, AlreadyExistsError] },
    args: {
      input: t.arg({ type: CreateResultsDatasourceInput, required: true, description: 'What it is made from.' }),
    },
    resolve: async (_root, { input }, ctx) => ({
      datasource: await createResultsDatasource(ctx.deps, actorOf(ctx), input),
    }),
  }),
);

const AddDataElementsInput = builder.inputType('AddDataElementsInput', {
  description: 'Which elements to store where.',
  fields: (t) => ({
    datasourceId: t.id({ required: true, description: 'A STORED datasource, `ds_…`.' }),
    elements: t.field({
      type: [DataElementInput],
      required: true,
      description: `The elements, at most ${LIMITS.inlineItems} in one call; all are stored, or none.`,
    }),
  }),
});

interface Added {
  readonly datasource: Datasource;
  readonly added: readonly DataElement[];
  readonly updated: readonly DataElement[];
}

const AddDataElementsSuccess = builder.objectRef<Added>('AddDataElementsSuccess').implement({
  description: 'The elements were stored.',
  fields: (t) => ({
    datasource: t.expose('datasource', { type: DatasourceType, description: 'Where they are.' }),
    added: t.field({
      type: [DataElementType],
      description: 'Elements that are new, in the order of the input.',
      resolve: ({ added }) => [...added],
    }),
    updated: t.field({
      type: [DataElementType],
      description: 'Elements whose id was there: they keep their place in the datasource and have the new content.',
      resolve: ({ updated }) => [...updated],
    }),
  }),
});

builder.mutationField('addDataElements', (t) =>
  t.field({
    type: AddDataElementsSuccess,
    description:
      'Stores elements in a STORED datasource; one whose id is there is replaced, so a repeated call changes nothing. Executions that were created before keep their set of items.',
    errors: { types: [ValidationError, NotFoundError, InvalidStateError] },
    args: { input: t.arg({ type: AddDataElementsInput, required: true, description: 'Which elements, and where.' }) },
    resolve: (_root, { input }, ctx) => addDataElements(ctx.deps, actorOf(ctx), input),
  }),
);

const RemoveDataElementsInput = builder.inputType('RemoveDataElementsInput', {
  description: 'Which elements to delete from where.',
  fields: (t) => ({
    datasourceId: t.id({ required: true, description: 'A STORED datasource, `ds_…`.' }),
    elementIds: t.idList({ required: true, description: `The ids of the elements, 1-${LIMITS.inlineItems}.` }),
  }),
});

const RemoveDataElementsSuccess = builder
  .objectRef<{ readonly datasource: Datasource; readonly removedIds: readonly string[] }>('RemoveDataElementsSuccess')
  .implement({
    description: 'The elements are gone.',
    fields: (t) => ({
      datasource: t.expose('datasource', { type: DatasourceType, description: 'Where they were.' }),
      removedIds: t.field({
        type: ['ID'],
        description: 'The ids of the elements that were there, in the order of the input.',
        resolve: ({ removedIds }) => [...removedIds],
      }),
    }),
  });

builder.mutationField('removeDataElements', (t) =>
  t.field({
    type: RemoveDataElementsSuccess,
    description:
      'Deletes elements of a STORED datasource; ids that are not there are ignored. An item of an execution whose element is gone fails as `element_not_found` when it runs.',
    errors: { types: [ValidationError, NotFoundError, InvalidStateError] },
    args: {
      input: t.arg({ type: RemoveDataElementsInput, required: true, description: 'Which elements, and where.' }),
    },
    resolve: (_root, { input }, ctx) => removeDataElements(ctx.deps, actorOf(ctx), input),
  }),
);

const DeleteDatasourceInput = builder.inputType('DeleteDatasourceInput', {
  description: 'Which datasource to delete.',
  fields: (t) => ({ datasourceId: t.id({ required: true, description: 'The datasource, `ds_…`.' }) }),
});

const DeleteDatasourceSuccess = builder.objectRef<{ readonly deletedId: string }>('DeleteDatasourceSuccess').implement({
  description: 'The datasource is gone.',
  fields: (t) => ({ deletedId: t.exposeID('deletedId', { description: 'The id that it had.' }) }),
});

builder.mutationField('deleteDatasource', (t) =>
  t.field({
    type: DeleteDatasourceSuccess,
    description:
      'Deletes a datasource with its elements; files of a folder stay, and results stay with their items. Refused (InvalidStateError, status IN_USE or REFERENCED) while an execution reads it, also an ended one, since a retry reads the elements again, and while an open one writes its results to it.',
    errors: { types: [ValidationError, NotFoundError, InvalidStateError] },
    args: { input: t.arg({ type: DeleteDatasourceInput, required: true, description: 'Which one.' }) },
    resolve: async (_root, { input }, ctx) => ({
      deletedId: await deleteDatasource(ctx.deps, actorOf(ctx), input.datasourceId),
    }),
  }),
);
