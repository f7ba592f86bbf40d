/** The mutation that makes an execution. */
import { LIMITS } from '../domain/limits.ts';
import type { Execution } from '../domain/model.ts';
import { IdempotencyConflictError, InvalidStateError, NotFoundError, ValidationError } from '../domain/user-error.ts';
import { createBatchExecution } from '../services/create-batch-execution.ts';
import { ExecutionType } from './batch-execution.ts';
import { BatchInputOverrides, BatchSource } from './batch-spec-input.ts';
import { builder } from './builder.ts';
import { actorOf } from './context.ts';

const ToleratedFailures = builder.inputType('ToleratedFailuresInput', {
  description: 'How many items may fail; when either is exceeded, nothing more runs and the execution FAILS.',
  fields: (t) => ({
    count: t.int({ description: 'This many failed items are tolerated, from 0.' }),
    percent: t.float({
      description: 'This share of all items may fail, 0-100; judged once all items are known.',
    }),
  }),
});

const CreateInput = builder.inputType('CreateBatchExecutionInput', {
  description: 'What an execution is made from.',
  fields: (t) => ({
    idempotencyKey: t.string({
      description: `Makes the call safe to repeat, 1-${LIMITS.idempotencyKeyLength} characters: a repeat with equal input answers the same execution, with other input an IdempotencyConflictError. Kept as long as the execution.`,
    }),
    source: t.field({ type: BatchSource, required: true, description: 'What to run.' }),
    inputOverrides: t.field({ type: BatchInputOverrides, description: 'What this execution changes of it.' }),
    deadlineAt: t.field({
      type: 'DateTime',
      description: 'When it is ended as EXPIRED if it has not ended before; what has finished is kept. In the future.',
    }),
    priority: t.int({
      description: `Its weight where executions compete for running items: each step doubles its share. ${LIMITS.priority.min} to ${LIMITS.priority.max}, default ${LIMITS.priority.default}.`,
    }),
    sampleSize: t.int({
      description:
        'Run the first items only, this many, then pause; `resumeBatchExecution` goes on with the rest. At least 1.',
    }),
    toleratedFailures: t.field({
      type: ToleratedFailures,
      description: 'How many items may fail before it is ended early as FAILED; any number when absent.',
    }),
    draft: t.boolean({
      description: `Make it as a DRAFT: its items are added by \`addBatchItems\` or streamed to \`POST /executions/<id>/items\`, and it starts with \`submitBatchExecution\`. It has items of its own: \`items\` of the spec are the first of them and may be absent, a \`datasourceId\` cannot be given, and the one of a definition does not count. It is cancelled when nothing happens to it for ${LIMITS.draftHours} hours. Default false.`,
    }),
    metadata: t.field({
      type: 'JSON',
      description: `Your own, kept with the execution; at most ${LIMITS.metadataBytes / 1024} kB of JSON.`,
    }),
  }),
});

const CreateSuccess = builder
  .objectRef<{ readonly batchExecution: Execution; readonly created: boolean }>('CreateBatchExecutionSuccess')
  .implement({
    description: 'There is an execution for this input, and unless it is a draft it runs by itself.',
    fields: (t) => ({
      batchExecution: t.expose('batchExecution', {
        type: ExecutionType,
        description: 'The execution: PREPARING or DRAFT when it is new, else in whatever state it is.',
      }),
      created: t.exposeBoolean('created', {
        description: 'Whether this call made it; false when an equal call with the same idempotency key did before.',
      }),
    }),
  });

builder.mutationField('createBatchExecution', (t) =>
  t.field({
    type: CreateSuccess,
    description:
      'Makes an execution and starts it: its items are read from the datasource, and the first ones run meanwhile. Watch it with `batchExecutionUpdated`. Zero matching items are no error: it completes at once.',
    errors: { types: [ValidationError, NotFoundError, InvalidStateError, IdempotencyConflictError] },
    args: { input: t.arg({ type: CreateInput, required: true, description: 'What it is made from.' }) },
    resolve: async (_root, { input }, ctx) => {
      const { execution, created } = await createBatchExecution(ctx.deps, actorOf(ctx), input);
      return { batchExecution: execution, created };
    },
  }),
);
