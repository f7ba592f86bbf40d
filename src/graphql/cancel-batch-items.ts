/** The mutation that cancels chosen items while their execution goes on. */
import type { Execution } from '../domain/model.ts';
import { InvalidStateError, NotFoundError, ValidationError } from '../domain/user-error.ts';
import {
  type CancelBatchItemsAnswer,
  type CancelSkipReason,
  cancelBatchItems,
} from '../services/cancel-batch-items.ts';
import { ExecutionType } from './batch-execution.ts';
import { builder } from './builder.ts';
import { actorOf } from './context.ts';

const CancelItemsInput = builder.inputType('CancelBatchItemsInput', {
  description: 'Which items of an execution to cancel: exactly one of `itemIds` and `tierNums`.',
  fields: (t) => ({
    batchExecutionId: t.id({ required: true, description: 'The execution, `exec_…`; no draft.' }),
    itemIds: t.idList({ description: 'These items, 1-10,000.' }),
    tierNums: t.intList({
      description:
        'All items that are open in these tiers at the moment, from 0. What enters the tiers later is not cancelled.',
    }),
    reason: t.string({ description: 'Why, for people, at most 1,000 characters; each item shows it.' }),
  }),
});

const CancelSkipReasonEnum = builder.enumType('CancelSkipReason', {
  description: 'Why a chosen item was not cancelled. More values may come.',
  values: {
    ALREADY_CANCELLED: { description: 'It was CANCELLED before.' },
    ALREADY_ENDED: { description: 'It had SUCCEEDED, FAILED or EXPIRED before; what it has is kept.' },
  } satisfies { [reason in CancelSkipReason]: { readonly description: string } },
});

const UncancelledItems = builder.objectRef<CancelBatchItemsAnswer['skipped'][number]>('UncancelledItems').implement({
  description: 'How many chosen items were left as they are for one reason.',
  fields: (t) => ({
    reason: t.expose('reason', { type: CancelSkipReasonEnum, description: 'Why.' }),
    count: t.exposeInt('count', { description: 'How many items.' }),
  }),
});

const CancelItemsSuccess = builder
  .objectRef<Omit<CancelBatchItemsAnswer, 'execution'> & { readonly batchExecution: Execution }>(
    'CancelBatchItemsSuccess',
  )
  .implement({
    description: 'The items are CANCELLED; calls of theirs are being aborted, and what these still return is dropped.',
    fields: (t) => ({
      batchExecution: t.expose('batchExecution', {
        type: ExecutionType,
        description: 'The execution; it has ended if these were its last open items.',
      }),
      cancelledCount: t.exposeInt('cancelledCount', { description: 'Items that this call cancelled.' }),
      skipped: t.field({
        type: [UncancelledItems],
        description: 'Chosen items that had ended before, by reason; of tiers, those that ended in them.',
        resolve: ({ skipped }) => [...skipped],
      }),
    }),
  });

builder.mutationField('cancelBatchItems', (t) =>
  t.field({
    type: CancelItemsSuccess,
    description:
      'Cancels chosen items, or all that are open in a tier, while the execution goes on with the others. May be repeated: what is cancelled stays so until it is retried.',
    errors: { types: [ValidationError, NotFoundError, InvalidStateError] },
    args: { input: t.arg({ type: CancelItemsInput, required: true, description: 'Which items.' }) },
    resolve: async (_root, { input }, ctx) => {
      const { execution, ...answer } = await cancelBatchItems(ctx.deps, actorOf(ctx), input);
      return { batchExecution: execution, ...answer };
    },
  }),
);
