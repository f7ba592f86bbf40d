/** The mutation that runs unsuccessful items again. */
import { LIMITS } from '../domain/limits.ts';
import type { Execution } from '../domain/model.ts';
import type { AgentVersionChoice, RetryMode, SkipReason } from '../domain/retry-selection.ts';
import { InvalidStateError, NotFoundError, ValidationError } from '../domain/user-error.ts';
import { type RetryFailedItemsAnswer, retryFailedItems } from '../services/retry-failed-items.ts';
import { ExecutionType } from './batch-execution.ts';
import { ItemStatusEnum } from './batch-status.ts';
import { builder } from './builder.ts';
import { actorOf } from './context.ts';

type Values<Name extends string> = { [name in Name]: { readonly description: string } };

const { maxRetryCount: cap } = LIMITS;

const RetryModeEnum = builder.enumType('RetryMode', {
  description: 'Which errors a retry takes.',
  values: {
    TRANSIENT_ONLY: { description: 'Items whose error is transient, and items without an error.' },
    ALL: { description: 'Items with any error.' },
  } satisfies Values<RetryMode>,
});

export const AgentVersionChoiceEnum = builder.enumType('AgentVersionChoice', {
  description: 'Which version of something is run.',
  values: {
    PINNED: { description: 'The version that was run before.' },
    LATEST: { description: 'The newest version that there is.' },
  } satisfies Values<AgentVersionChoice>,
});

const SkipReasonEnum = builder.enumType('SkipReason', {
  description: 'Why a retry left an item out. More values may come.',
  values: {
    NOT_SELECTED: { description: 'It is not in `itemIds`.' },
    OTHER_STATUS: { description: 'Its status is not in `statuses`.' },
    OTHER_TIER: { description: 'Its tier is not in `tierNums`.' },
    OTHER_CODE: { description: 'The code of its error is not in `errorCodes`.' },
    PERMANENT_ERROR: { description: 'Its error is not transient, and the mode is TRANSIENT_ONLY.' },
    RETRY_COUNT_REACHED: { description: 'It was retried `maxRetryCount` times.' },
  } satisfies Values<SkipReason>,
});

const RetryInput = builder.inputType('RetryFailedItemsInput', {
  description: 'Which items of an execution to run again; all conditions must hold.',
  fields: (t) => ({
    batchExecutionId: t.id({ required: true, description: 'The execution, `exec_…`; it must have ended.' }),
    mode: t.field({ type: RetryModeEnum, defaultValue: 'TRANSIENT_ONLY', description: 'Which errors are taken.' }),
    tierNums: t.intList({ description: 'Items that ended in these tiers, from 0; all tiers when absent or empty.' }),
    maxRetryCount: t.int({
      defaultValue: cap.default,
      description: `Items that were retried fewer times than this, ${cap.min}-${cap.max}; explicit null: no cap.`,
    }),
    itemIds: t.idList({ description: 'These items alone; all when absent.' }),
    errorCodes: t.stringList({ description: 'Items whose error has one of these codes; all when absent.' }),
    statuses: t.field({
      type: [ItemStatusEnum],
      defaultValue: ['FAILED'],
      description: 'Items in one of these statuses: FAILED, CANCELLED or EXPIRED.',
    }),
    agentVersion: t.field({
      type: AgentVersionChoiceEnum,
      defaultValue: 'PINNED',
      description: 'Which version of its agents the retry runs.',
    }),
    expectedRound: t.int({
      description:
        'The round that the caller has seen; if another retry has opened one since, nothing runs and the answer is an InvalidStateError. Makes a repeated call harmless.',
    }),
    deadlineAt: t.field({
      type: 'DateTime',
      description: 'A new deadline, in the future; needed where the present one has passed.',
    }),
    dryRun: t.boolean({ defaultValue: false, description: 'Only count; nothing is changed.' }),
  }),
});

const SkippedItems = builder.objectRef<RetryFailedItemsAnswer['skipped'][number]>('SkippedItems').implement({
  description: 'How many unsuccessful items were left out for one reason.',
  fields: (t) => ({
    reason: t.expose('reason', { type: SkipReasonEnum, description: 'Why; the first reason that applies.' }),
    count: t.exposeInt('count', { description: 'How many items.' }),
  }),
});

const RetrySuccess = builder
  .objectRef<Omit<RetryFailedItemsAnswer, 'execution'> & { readonly batchExecution: Execution }>(
    'RetryFailedItemsSuccess',
  )
  .implement({
    description: 'What was retried. A retry that selects nothing opens no round.',
    fields: (t) => ({
      batchExecution: t.expose('batchExecution', {
        type: ExecutionType,
        description: 'The execution, in its new round if one was opened.',
      }),
      retriedCount: t.exposeInt('retriedCount', {
        description: 'Items that run again, or would with `dryRun: false`.',
      }),
      skipped: t.field({
        type: [SkippedItems],
        description: 'Unsuccessful items that were left out, by reason.',
        resolve: ({ skipped }) => [...skipped],
      }),
    }),
  });

builder.mutationField('retryFailedItems', (t) =>
  t.field({
    type: RetrySuccess,
    description:
      'Runs unsuccessful items of an ended execution again, in its next round. Each goes on in the tier it ended in, with a fresh budget of automatic retries.',
    errors: { types: [ValidationError, NotFoundError, InvalidStateError] },
    args: { input: t.arg({ type: RetryInput, required: true, description: 'What to retry.' }) },
    resolve: async (_root, { input }, ctx) => {
      const { execution, ...answer } = await retryFailedItems(ctx.deps, actorOf(ctx), input);
      return { batchExecution: execution, ...answer };
    },
  }),
);
