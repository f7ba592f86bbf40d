/** The mutation that runs unsuccessful items again. */
import { LIMITS } from '../domain/limits.ts';
import type { Execution } from '../domain/model.ts';
import type { RetryMode } from '../domain/retry-selection.ts';
import { InvalidStateError, NotFoundError, ValidationError } from '../domain/user-error.ts';
import { type RetryFailedItemsAnswer, retryFailedItems } from '../services/retry-failed-items.ts';
import { ExecutionType } from './batch-execution.ts';
import { ItemFilterInput } from './batch-item-filter.ts';
import { ErrorCategoryEnum, ItemStatusEnum } from './batch-status.ts';
import { builder } from './builder.ts';
import { actorOf } from './context.ts';
import { roundInputFields, SkippedItems } from './round-input.ts';

const { maxRetryCount: cap } = LIMITS;

const RetryModeEnum = builder.enumType('RetryMode', {
  description: 'Which errors a retry takes.',
  values: {
    TRANSIENT_ONLY: { description: 'Items whose error is transient, and items without an error.' },
    ALL: { description: 'Items with any error.' },
  } satisfies { [mode in RetryMode]: { readonly description: string } },
});

const RetryInput = builder.inputType('RetryFailedItemsInput', {
  description: 'Which items of an execution to run again; all conditions must hold.',
  fields: (t) => ({
    ...roundInputFields(t),
    mode: t.field({ type: RetryModeEnum, defaultValue: 'TRANSIENT_ONLY', description: 'Which errors are taken.' }),
    tierNums: t.intList({ description: 'Items that ended in these tiers, from 0; all tiers when absent or empty.' }),
    maxRetryCount: t.int({
      defaultValue: cap.default,
      description: `Items that were retried fewer times than this, ${cap.min}-${cap.max}; explicit null: no cap.`,
    }),
    itemIds: t.idList({ description: 'These items alone; all when absent.' }),
    errorCategories: t.field({
      type: [ErrorCategoryEnum],
      description: 'Items whose error is of one of these kinds; all when absent.',
    }),
    errorCodes: t.stringList({ description: 'Items whose error has one of these codes; all when absent.' }),
    statuses: t.field({
      type: [ItemStatusEnum],
      defaultValue: ['FAILED'],
      description: 'Items in one of these statuses: FAILED, CANCELLED or EXPIRED.',
    }),
    filter: t.field({
      type: ItemFilterInput,
      description: 'Items that this filter lists too; with it, what `items` shows can be retried as it is.',
    }),
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
