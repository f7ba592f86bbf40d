/** The mutation that runs a past execution again, and the way back to that one. */
import { LIMITS } from '../domain/limits.ts';
import type { Execution } from '../domain/model.ts';
import type { AgentVersionChoice } from '../domain/retry-selection.ts';
import { IdempotencyConflictError, InvalidStateError, NotFoundError, ValidationError } from '../domain/user-error.ts';
import { rerunBatchExecution } from '../services/rerun-batch-execution.ts';
import { ExecutionType, loadExecution } from './batch-execution.ts';
import { builder } from './builder.ts';
import { actorOf } from './context.ts';
import { AgentVersionChoiceEnum } from './round-input.ts';

builder.objectField(ExecutionType, 'rerunOf', (t) =>
  t.field({
    type: ExecutionType,
    nullable: true,
    description: 'The execution that it runs again; null when none, or when that is gone.',
    resolve: ({ rerunOf }, _args, ctx) => (rerunOf === null ? null : loadExecution(ctx, rerunOf)),
  }),
);

const DefinitionVersionChoiceEnum = builder.enumType('DefinitionVersionChoice', {
  description: 'Which version of its definition is run.',
  values: {
    PINNED: { description: 'The version that the execution ran before.' },
    LATEST: { description: 'The newest version of its name that is not deleted.' },
  } satisfies { [choice in AgentVersionChoice]: { description: string } },
});

const RerunInput = builder.inputType('RerunBatchExecutionInput', {
  description: 'Which execution to run again, and what is otherwise.',
  fields: (t) => ({
    batchExecutionId: t.id({ required: true, description: 'The execution, `exec_…`, in any state but DRAFT.' }),
    definitionVersion: t.field({
      type: DefinitionVersionChoiceEnum,
      defaultValue: 'PINNED',
      description: 'Which version of its definition.',
    }),
    agentVersion: t.field({
      type: AgentVersionChoiceEnum,
      defaultValue: 'PINNED',
      description:
        'The agent versions that it ran, or the newest ones. An agent that only the newest definition names runs in its newest version.',
    }),
    idempotencyKey: t.string({
      description: `Makes the call safe to repeat, 1-${LIMITS.idempotencyKeyLength} characters, as at \`createBatchExecution\`, with which it shares the keys of the project.`,
    }),
    metadata: t.field({
      type: 'JSON',
      description: `Other metadata, at most ${LIMITS.metadataBytes / 1024} kB of JSON; null: none, absent: the same.`,
    }),
    deadlineAt: t.field({
      type: 'DateTime',
      description: 'A deadline, in the future; none when absent, also where the past one had one.',
    }),
  }),
});

const RerunSuccess = builder
  .objectRef<{ readonly batchExecution: Execution; readonly created: boolean }>('RerunBatchExecutionSuccess')
  .implement({
    description: 'There is an execution that runs the past one again.',
    fields: (t) => ({
      batchExecution: t.expose('batchExecution', {
        type: ExecutionType,
        description: 'The new execution; its `rerunOf` is the past one.',
      }),
      created: t.exposeBoolean('created', {
        description: 'Whether this call made it; false when an equal call with the same idempotency key did before.',
      }),
    }),
  });

builder.mutationField('rerunBatchExecution', (t) =>
  t.field({
    type: RerunSuccess,
    description:
      'Runs a past execution again as a new one, with its overrides, metadata, priority, sample and tolerated failures. Its elements are looked up anew: those of a draft are the same, a datasource has what it has now.',
    errors: { types: [ValidationError, NotFoundError, InvalidStateError, IdempotencyConflictError] },
    args: { input: t.arg({ type: RerunInput, required: true, description: 'Which one.' }) },
    resolve: async (_root, { input }, ctx) => {
      const { execution, created } = await rerunBatchExecution(ctx.deps, actorOf(ctx), input);
      return { batchExecution: execution, created };
    },
  }),
);
