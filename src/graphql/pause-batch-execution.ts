/** The mutations that pause an execution and let it go on. */
import type { Execution } from '../domain/model.ts';
import { InvalidStateError, NotFoundError } from '../domain/user-error.ts';
import { pauseBatchExecution, resumeBatchExecution } from '../services/pause-batch-execution.ts';
import { ExecutionType } from './batch-execution.ts';
import { builder } from './builder.ts';
import { actorOf } from './context.ts';

interface Moved {
  readonly batchExecution: Execution;
}

const PauseInput = builder.inputType('PauseBatchExecutionInput', {
  description: 'Which execution to pause.',
  fields: (t) => ({ batchExecutionId: t.id({ required: true, description: 'The execution, `exec_…`.' }) }),
});

const PauseSuccess = builder.objectRef<Moved>('PauseBatchExecutionSuccess').implement({
  description: 'The pause is committed: nothing starts any more; what runs may finish.',
  fields: (t) => ({
    batchExecution: t.expose('batchExecution', { type: ExecutionType, description: 'The execution, PAUSED.' }),
  }),
});

builder.mutationField('pauseBatchExecution', (t) =>
  t.field({
    type: PauseSuccess,
    description: 'Pauses a QUEUED or RUNNING execution. Pausing again is a success.',
    errors: { types: [NotFoundError, InvalidStateError] },
    args: { input: t.arg({ type: PauseInput, required: true, description: 'What to pause.' }) },
    resolve: async (_root, { input }, ctx) => ({
      batchExecution: await pauseBatchExecution(ctx.deps, actorOf(ctx), input),
    }),
  }),
);

const ResumeInput = builder.inputType('ResumeBatchExecutionInput', {
  description: 'Which execution goes on.',
  fields: (t) => ({ batchExecutionId: t.id({ required: true, description: 'The execution, `exec_…`.' }) }),
});

const ResumeSuccess = builder.objectRef<Moved>('ResumeBatchExecutionSuccess').implement({
  description: 'It goes on, past its sample if that is what paused it.',
  fields: (t) => ({
    batchExecution: t.expose('batchExecution', { type: ExecutionType, description: 'The execution.' }),
  }),
});

builder.mutationField('resumeBatchExecution', (t) =>
  t.field({
    type: ResumeSuccess,
    description: 'Lets a PAUSED execution go on, whatever paused it. Resuming again is a success.',
    errors: { types: [NotFoundError, InvalidStateError] },
    args: { input: t.arg({ type: ResumeInput, required: true, description: 'What goes on.' }) },
    resolve: async (_root, { input }, ctx) => ({
      batchExecution: await resumeBatchExecution(ctx.deps, actorOf(ctx), input),
    }),
  }),
);
