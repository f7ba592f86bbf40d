/** The mutation that changes an execution. */
import { LIMITS } from '../domain/limits.ts';
import type { Execution } from '../domain/model.ts';
import { InvalidStateError, NotFoundError, ValidationError } from '../domain/user-error.ts';
import { updateBatchExecution } from '../services/update-batch-execution.ts';
import { ExecutionType } from './batch-execution.ts';
import { builder } from './builder.ts';
import { actorOf } from './context.ts';
import { BUDGET_TEXT } from './token-usage.ts';

const { concurrency, retryLimit, priority, nameLength, metadataBytes } = LIMITS;

const UpdateInput = builder.inputType('UpdateBatchExecutionInput', {
  description: 'What to change of an execution; what is absent stays as it is.',
  fields: (t) => ({
    batchExecutionId: t.id({
      required: true,
      description: 'The execution, `exec_…`; when it has ended, only name and metadata can be changed.',
    }),
    concurrency: t.int({
      description: `Items that run at a time, ${concurrency.min}-${concurrency.max}. A lower number ends no call: the surplus runs out.`,
    }),
    retryLimit: t.int({
      description: `Automatic tries after the first, ${retryLimit.min}-${retryLimit.max}; counts for failures from now on.`,
    }),
    priority: t.int({ description: `Its weight, ${priority.min} to ${priority.max}; each step doubles its share.` }),
    deadlineAt: t.field({
      type: 'DateTime',
      description: 'When it is ended as EXPIRED, in the future; explicit null takes the deadline away.',
    }),
    tokenBudget: t.float({
      description: `${BUDGET_TEXT.tokenBudget} Explicit null takes the bound away. Resuming is a call of its own.`,
    }),
    costBudget: t.float({ description: `${BUDGET_TEXT.costBudget} Explicit null takes the bound away.` }),
    name: t.string({
      description: `Its name, 1-${nameLength} letters and digits, with ".", "_" and "-" between them; may be changed in any status.`,
    }),
    metadata: t.field({
      type: 'JSON',
      description: `Takes the place of what is attached, at most ${metadataBytes} bytes; explicit null takes it away. May be changed in any status.`,
    }),
  }),
});

const UpdateSuccess = builder
  .objectRef<{ readonly batchExecution: Execution }>('UpdateBatchExecutionSuccess')
  .implement({
    description: 'The change is committed; the running execution follows it within a second.',
    fields: (t) => ({
      batchExecution: t.expose('batchExecution', { type: ExecutionType, description: 'The execution as changed.' }),
    }),
  });

builder.mutationField('updateBatchExecution', (t) =>
  t.field({
    type: UpdateSuccess,
    description: 'Changes how an open execution runs, or the name and metadata of any.',
    errors: { types: [ValidationError, NotFoundError, InvalidStateError] },
    args: { input: t.arg({ type: UpdateInput, required: true, description: 'What to change.' }) },
    resolve: async (_root, { input }, ctx) => ({
      batchExecution: await updateBatchExecution(ctx.deps, actorOf(ctx), input),
    }),
  }),
);
