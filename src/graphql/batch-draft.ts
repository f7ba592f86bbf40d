/** Drafts: executions whose items are added before they are submitted. */
import { LIMITS } from '../domain/limits.ts';
import type { Execution } from '../domain/model.ts';
import { InvalidStateError, NotFoundError, ValidationError } from '../domain/user-error.ts';
import { type AddBatchItemsAnswer, addBatchItems } from '../services/add-batch-items.ts';
import { draftEndsAt } from '../services/end-stale-drafts.ts';
import { type Draft, readDrafts } from '../services/read-drafts.ts';
import { submitBatchExecution } from '../services/submit-batch-execution.ts';
import { ExecutionType } from './batch-execution.ts';
import { builder } from './builder.ts';
import { actorOf, type BatchLoad } from './context.ts';
import { InlineItemInput } from './element-input.ts';

const loadDrafts: BatchLoad<string, Draft | null> = (ids, ctx) => readDrafts(ctx.deps, actorOf(ctx), ids);

const BatchDraft = builder.objectRef<Draft>('BatchDraft').implement({
  description: 'What a draft has gathered so far.',
  fields: (t) => ({
    itemCount: t.exposeInt('itemCount', { description: 'Items that are there.' }),
    nextIndex: t.exposeInt('nextIndex', {
      description:
        'The item of every index below is there or was removed; where a stream of items that was cut off goes on.',
    }),
    endsAt: t.field({
      type: 'DateTime',
      description: 'When it is cancelled unless something is added to it, or it is submitted.',
      resolve: (draft) => draftEndsAt(draft.lastActivityAt),
    }),
  }),
});

builder.objectFields(ExecutionType, (t) => ({
  draft: t.field({
    type: BatchDraft,
    nullable: true,
    complexity: 2,
    description:
      'What it has gathered so far while it is a DRAFT, when its items are not in `counts` yet; null otherwise.',
    resolve: (execution, _args, ctx) =>
      execution.status === 'DRAFT' ? ctx.loaders.of(loadDrafts, ctx).load(execution.id) : null,
  }),
}));

const AddItemsInput = builder.inputType('AddBatchItemsInput', {
  description: 'Items, and the draft to add them to.',
  fields: (t) => ({
    batchExecutionId: t.id({ required: true, description: 'The draft, `exec_…`.' }),
    firstIndex: t.int({
      description:
        'The index of the first item, from 0; the others follow it. It makes the call safe to repeat: the same item at the same index is added once. By default items follow the last one that is there, and only those with a `dataElementId` are safe to repeat.',
    }),
    replace: t.boolean({
      required: true,
      defaultValue: false,
      description:
        'Whether an item takes the place of another that has its index, or its `dataElementId` with other content; else that is a ValidationError.',
    }),
    items: t.field({
      type: [InlineItemInput],
      required: true,
      description: `The items in their order, at most ${LIMITS.inlineItems}. Without a \`dataElementId\` an item has "item-" and its index for one.`,
    }),
  }),
});

const AddItemsSuccess = builder.objectRef<AddBatchItemsAnswer>('AddBatchItemsSuccess').implement({
  description: 'All items are in the draft.',
  fields: (t) => ({
    batchExecution: t.field({
      type: ExecutionType,
      description: 'The execution, a DRAFT.',
      resolve: (answer) => answer.execution,
    }),
    addedCount: t.exposeInt('addedCount', { description: 'Items that are new.' }),
    repeatedCount: t.exposeInt('repeatedCount', {
      description: 'Items that were there already with the same id and content.',
    }),
    replacedCount: t.exposeInt('replacedCount', { description: 'Items that took the place of another.' }),
  }),
});

builder.mutationField('addBatchItems', (t) =>
  t.field({
    type: AddItemsSuccess,
    description:
      'Adds items to a draft, all of them or none. An item whose id is there with other content is a ValidationError, unless `replace` is true. For any number of items stream them to `POST /executions/<id>/items`.',
    errors: { types: [ValidationError, NotFoundError, InvalidStateError] },
    args: { input: t.arg({ type: AddItemsInput, required: true, description: 'What to add.' }) },
    resolve: (_root, { input }, ctx) => addBatchItems(ctx.deps, actorOf(ctx), input),
  }),
);

const SubmitInput = builder.inputType('SubmitBatchExecutionInput', {
  description: 'Which draft is complete.',
  fields: (t) => ({ batchExecutionId: t.id({ required: true, description: 'The execution, `exec_…`.' }) }),
});

const SubmitSuccess = builder
  .objectRef<{ readonly batchExecution: Execution }>('SubmitBatchExecutionSuccess')
  .implement({
    description: 'No item can be added any more, and it runs by itself.',
    fields: (t) => ({
      batchExecution: t.expose('batchExecution', {
        type: ExecutionType,
        description: 'The execution: PREPARING, or further on when it was submitted before.',
      }),
    }),
  });

builder.mutationField('submitBatchExecution', (t) =>
  t.field({
    type: SubmitSuccess,
    description:
      'Starts a draft with the items it has; without any it completes at once. An index without an item below the last one is a ValidationError that names it. Submitting again is a success.',
    errors: { types: [ValidationError, NotFoundError, InvalidStateError] },
    args: { input: t.arg({ type: SubmitInput, required: true, description: 'What to submit.' }) },
    resolve: async (_root, { input }, ctx) => ({
      batchExecution: await submitBatchExecution(ctx.deps, actorOf(ctx), input),
    }),
  }),
);
