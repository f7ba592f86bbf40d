/** How many items failed with an error, or with a kind of error. */
import { itemId } from '../domain/ids.ts';
import type { ErrorCategory } from '../domain/item-error.ts';
import type { ItemKey } from '../services/find-items.ts';
import { readFailures } from '../services/read-item-outputs.ts';
import type { ErrorCount } from '../services/summarize-executions.ts';
import { ErrorCategoryEnum } from './batch-status.ts';
import { builder } from './builder.ts';
import { actorOf, type BatchLoad } from './context.ts';

const loadMessages: BatchLoad<ItemKey, string | null> = async (keys, ctx) => {
  const failures = await readFailures(ctx.deps, actorOf(ctx), keys, 1);
  return failures.map(([last]) => last?.message ?? null);
};

export const ErrorCountType = builder.objectRef<ErrorCount>('ErrorCount').implement({
  description: 'How many failed items ended with one error.',
  fields: (t) => ({
    category: t.expose('category', { type: ErrorCategoryEnum, description: 'What kind of error it is.' }),
    code: t.exposeString('code', { description: 'The error for programs.' }),
    count: t.exposeInt('count', { description: 'Failed items whose last error it is.' }),
    sampleItemId: t.id({
      description: 'The first of these items, `item_…`.',
      resolve: ({ executionId, sampleOrdinal }) => itemId(executionId, sampleOrdinal),
    }),
    sampleMessage: t.string({
      nullable: true,
      complexity: 2,
      description: 'What the error of that item says, for people; null when it was retried meanwhile.',
      resolve: ({ executionId, sampleOrdinal: ordinal }, _args, ctx) =>
        ctx.loaders.of(loadMessages, ctx).load({ executionId, ordinal }),
    }),
  }),
});

export const ErrorCategoryCountType = builder
  .objectRef<{ readonly category: ErrorCategory; readonly count: number }>('ErrorCategoryCount')
  .implement({
    description: 'How many failed items ended with one kind of error.',
    fields: (t) => ({
      category: t.expose('category', { type: ErrorCategoryEnum, description: 'The kind of error.' }),
      count: t.exposeInt('count', { description: 'Failed items whose last error is of it.' }),
    }),
  });
