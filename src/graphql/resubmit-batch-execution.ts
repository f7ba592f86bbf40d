/** The mutation that does an execution again from a tier on. */
import type { Execution } from '../domain/model.ts';
import { InvalidStateError, NotFoundError, ValidationError } from '../domain/user-error.ts';
import { type ResubmitBatchExecutionAnswer, resubmitBatchExecution } from '../services/resubmit-batch-execution.ts';
import { ExecutionType } from './batch-execution.ts';
import { builder } from './builder.ts';
import { actorOf } from './context.ts';
import { roundInputFields, SkippedItems } from './round-input.ts';

const ResubmitInput = builder.inputType('ResubmitBatchExecutionInput', {
  description: 'From where an execution is done again, and how.',
  fields: (t) => ({
    ...roundInputFields(t),
    fromTier: t.int({
      defaultValue: 0,
      description: 'The first tier that is done again, from 0: everything. Results of the tiers before are kept.',
    }),
  }),
});

const ResubmitSuccess = builder
  .objectRef<Omit<ResubmitBatchExecutionAnswer, 'execution'> & { readonly batchExecution: Execution }>(
    'ResubmitBatchExecutionSuccess',
  )
  .implement({
    description: 'What is done again. A resubmit without such items opens no round.',
    fields: (t) => ({
      batchExecution: t.expose('batchExecution', {
        type: ExecutionType,
        description: 'The execution, in its new round if one was opened.',
      }),
      resubmittedCount: t.exposeInt('resubmittedCount', {
        description: 'Items that are done again, or would be with `dryRun: false`.',
      }),
      skipped: t.field({
        type: [SkippedItems],
        description: 'Items that were left out, by reason.',
        resolve: ({ skipped }) => [...skipped],
      }),
    }),
  });

builder.mutationField('resubmitBatchExecution', (t) =>
  t.field({
    type: ResubmitSuccess,
    description:
      'Does an ended execution again from a tier on, in its next round: every item that has come to that tier, successful or not. What it has of the tiers before is what it starts from; items that ended before that tier stay as they are. Results of older rounds stay readable, see `BatchItem.tierResults`.',
    errors: { types: [ValidationError, NotFoundError, InvalidStateError] },
    args: { input: t.arg({ type: ResubmitInput, required: true, description: 'From where on.' }) },
    resolve: async (_root, { input }, ctx) => {
      const { execution, ...answer } = await resubmitBatchExecution(ctx.deps, actorOf(ctx), input);
      return { batchExecution: execution, ...answer };
    },
  }),
);
