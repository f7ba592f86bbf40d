/** The mutation that cancels an execution. */
import type { CANCEL_MODES, Execution } from '../domain/model.ts';
import { InvalidStateError, NotFoundError, ValidationError } from '../domain/user-error.ts';
import { cancelBatchExecution } from '../services/cancel-batch-execution.ts';
import { ExecutionType } from './batch-execution.ts';
import { builder } from './builder.ts';
import { actorOf } from './context.ts';

const CancelModeEnum = builder.enumType('CancelMode', {
  description: 'What a cancel does to items that run.',
  values: {
    ABORT: { description: 'They are aborted; what they return within the grace time is kept.' },
    DRAIN: { description: 'They may finish; nothing new starts.' },
  } satisfies { [mode in (typeof CANCEL_MODES)[number]]: { description: string } },
});

const CancelInput = builder.inputType('CancelBatchExecutionInput', {
  description: 'Which execution to cancel, and how.',
  fields: (t) => ({
    batchExecutionId: t.id({ required: true, description: 'The execution, `exec_…`.' }),
    mode: t.field({ type: CancelModeEnum, defaultValue: 'ABORT', description: 'What happens to items that run.' }),
    reason: t.string({ description: 'Why, for people; kept as `cancelReason`. At most 1,000 characters.' }),
  }),
});

const CancelSuccess = builder
  .objectRef<{ readonly batchExecution: Execution }>('CancelBatchExecutionSuccess')
  .implement({
    description: 'The cancel is committed: nothing starts any more. It is CANCELLED once nothing runs any more.',
    fields: (t) => ({
      batchExecution: t.expose('batchExecution', {
        type: ExecutionType,
        description: 'The execution, CANCELLING or already CANCELLED.',
      }),
    }),
  });

builder.mutationField('cancelBatchExecution', (t) =>
  t.field({
    type: CancelSuccess,
    description:
      'Cancels an execution; what has finished is kept. Cancelling again is a success, and ABORT may follow DRAIN.',
    errors: { types: [ValidationError, NotFoundError, InvalidStateError] },
    args: { input: t.arg({ type: CancelInput, required: true, description: 'What to cancel.' }) },
    resolve: async (_root, { input }, ctx) => ({
      batchExecution: await cancelBatchExecution(ctx.deps, actorOf(ctx), input),
    }),
  }),
);
