/** Drafts: taking items out, and taking elements of a datasource in. */
import { LIMITS } from '../domain/limits.ts';
import type { Execution } from '../domain/model.ts';
import { InvalidStateError, NotFoundError, ValidationError } from '../domain/user-error.ts';
import { type AddBatchElementsAnswer, addBatchElements, type RejectedElement } from '../services/add-batch-elements.ts';
import { removeBatchItems } from '../services/remove-batch-items.ts';
import { ExecutionType } from './batch-execution.ts';
import { builder } from './builder.ts';
import { actorOf } from './context.ts';

const RemoveInput = builder.inputType('RemoveBatchItemsInput', {
  description: 'Items, and the draft to take them out of; at least one item.',
  fields: (t) => ({
    batchExecutionId: t.id({ required: true, description: 'The draft, `exec_…`.' }),
    indexes: t.intList({ description: `Items by their indexes, at most ${LIMITS.inlineItems}.` }),
    dataElementIds: t.idList({ description: `Items by their \`dataElementId\`s, at most ${LIMITS.inlineItems}.` }),
  }),
});

const RemoveSuccess = builder
  .objectRef<{ readonly execution: Execution; readonly removedCount: number }>('RemoveBatchItemsSuccess')
  .implement({
    description: 'None of the items is in the draft.',
    fields: (t) => ({
      batchExecution: t.expose('execution', { type: ExecutionType, description: 'The execution, a DRAFT.' }),
      removedCount: t.exposeInt('removedCount', { description: 'Items that were there.' }),
    }),
  });

builder.mutationField('removeBatchItems', (t) =>
  t.field({
    type: RemoveSuccess,
    description:
      'Takes items out of a draft; those that are not there are ignored. The others keep their indexes, and one that is free so may be given to another item or stay free.',
    errors: { types: [ValidationError, NotFoundError, InvalidStateError] },
    args: { input: t.arg({ type: RemoveInput, required: true, description: 'What to take out.' }) },
    resolve: (_root, { input }, ctx) => removeBatchItems(ctx.deps, actorOf(ctx), input),
  }),
);

const AddElementsInput = builder.inputType('AddBatchElementsInput', {
  description: 'Elements of a datasource, and the draft to add them to.',
  fields: (t) => ({
    batchExecutionId: t.id({ required: true, description: 'The draft, `exec_…`.' }),
    datasourceId: t.id({ required: true, description: 'Their datasource, `ds_…`; not one of kind INLINE.' }),
    elementIds: t.idList({ required: true, description: `The elements in their order, 1-${LIMITS.inlineItems}.` }),
    skipValidation: t.boolean({
      required: true,
      defaultValue: false,
      description:
        'Whether to add them without a look whether they are there, which is quicker: filename and media type then follow from the id, and an item without an element fails as `element_not_found` when it runs.',
    }),
  }),
});

const RejectedElementType = builder.objectRef<RejectedElement>('RejectedElement').implement({
  description: 'An element that was not added.',
  fields: (t) => ({
    place: t.exposeInt('place', { description: 'Its place in the input, from 0.' }),
    elementId: t.exposeID('elementId', { description: 'The id as it was given.' }),
    code: t.exposeString('code', {
      description: '`element_not_found`, or `conflict`: the draft has another item with this id.',
    }),
    message: t.exposeString('message', { description: 'What is wrong, for people.' }),
  }),
});

const AddElementsSuccess = builder.objectRef<AddBatchElementsAnswer>('AddBatchElementsSuccess').implement({
  description: 'The elements that were not rejected are in the draft.',
  fields: (t) => ({
    batchExecution: t.expose('execution', { type: ExecutionType, description: 'The execution, a DRAFT.' }),
    addedCount: t.exposeInt('addedCount', { description: 'Elements that are new in it.' }),
    repeatedCount: t.exposeInt('repeatedCount', { description: 'Elements that were in it already.' }),
    rejected: t.field({
      type: [RejectedElementType],
      description: 'Elements that were not added, by their place.',
      resolve: ({ rejected }) => [...rejected],
    }),
  }),
});

builder.mutationField('addBatchElements', (t) =>
  t.field({
    type: AddElementsSuccess,
    description:
      'Adds elements of a datasource to a draft, behind its last item: those that are there are added, the others reported. Their content is read when they run. A repeated call adds nothing twice.',
    errors: { types: [ValidationError, NotFoundError, InvalidStateError] },
    args: { input: t.arg({ type: AddElementsInput, required: true, description: 'What to add.' }) },
    resolve: (_root, { input }, ctx) => addBatchElements(ctx.deps, actorOf(ctx), input),
  }),
);
