/** The filter of an execution's items. */
import { ErrorCategoryEnum, ItemStatusEnum } from './batch-status.ts';
import { builder } from './builder.ts';

export const ItemFilterInput = builder.inputType('BatchItemFilter', {
  description: 'Which items to list; all given conditions must hold. An empty list matches nothing.',
  fields: (t) => ({
    status: t.field({ type: [ItemStatusEnum], description: 'Items in one of these statuses.' }),
    tier: t.intList({ description: 'Items in, or ended in, one of these tiers, from 0.' }),
    category: t.field({
      type: [ErrorCategoryEnum],
      description: 'Items whose present error is of one of these kinds.',
    }),
    code: t.stringList({ description: 'Items whose present error has one of these codes.' }),
    filename: t.string({ description: 'Items whose filename contains this; upper and lower case alike.' }),
    minScore: t.float({
      description: 'Items whose `score` is this or more, 0 to 1; those without one never match.',
    }),
    maxScore: t.float({ description: 'Items whose `score` is this or less.' }),
    minDurationMs: t.int({
      description: 'Items whose `durationMs` is this or more; those that have not ended never match.',
    }),
    maxDurationMs: t.int({ description: 'Items whose `durationMs` is this or less.' }),
    updatedAfterRevision: t.int({
      description:
        'Items that changed after this revision of the execution: what a client that comes back has missed. 0 or less: all.',
    }),
  }),
});
