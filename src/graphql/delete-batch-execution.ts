/** The mutation that deletes an execution. */
import { InvalidStateError, NotFoundError, ValidationError } from '../domain/user-error.ts';
import { deleteBatchExecution } from '../services/delete-batch-execution.ts';
import { builder } from './builder.ts';
import { actorOf } from './context.ts';

const DeleteInput = builder.inputType('DeleteBatchExecutionInput', {
  description: 'Which execution to delete.',
  fields: (t) => ({
    batchExecutionId: t.id({ required: true, description: 'The execution, `exec_…`: a DRAFT, or one that has ended.' }),
  }),
});

const DeleteSuccess = builder.objectRef<{ readonly deletedId: string }>('DeleteBatchExecutionSuccess').implement({
  description: 'The execution can no longer be found; its streams have ended.',
  fields: (t) => ({ deletedId: t.exposeID('deletedId', { description: 'The id that it had.' }) }),
});

builder.mutationField('deleteBatchExecution', (t) =>
  t.field({
    type: DeleteSuccess,
    description:
      'Deletes an execution that has ended, or a draft, with its items, results, failures and logs, and with the inline items and the results datasource that were made for it alone. It is gone at once; the space is given back by and by. An open one is an InvalidStateError: cancel it first. Deleting it again is a success.',
    errors: { types: [ValidationError, NotFoundError, InvalidStateError] },
    args: { input: t.arg({ type: DeleteInput, required: true, description: 'Which one.' }) },
    resolve: async (_root, { input }, ctx) => ({
      deletedId: await deleteBatchExecution(ctx.deps, actorOf(ctx), input),
    }),
  }),
);
