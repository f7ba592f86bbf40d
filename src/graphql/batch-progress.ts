/** Numbers of an execution: items by status, and how far it is. */
import type { ItemCounts } from '../domain/model.ts';
import type { Progress } from '../domain/progress.ts';
import { builder } from './builder.ts';

export const ItemCountsType = builder.objectRef<ItemCounts>('BatchItemCounts').implement({
  description: 'Items by status. The seven statuses add up to `total` at every revision.',
  fields: (t) => ({
    total: t.exposeInt('total', { description: 'All items known so far; final once the execution is past PREPARING.' }),
    queued: t.exposeInt('queued', { description: 'Items that wait for a slot.' }),
    running: t.exposeInt('running', { description: 'Items that an agent works on.' }),
    retrying: t.exposeInt('retrying', { description: 'Items that wait for their next attempt.' }),
    succeeded: t.exposeInt('succeeded', { description: 'Items with a result, those with field errors included.' }),
    failed: t.exposeInt('failed', { description: 'Items whose last attempt failed.' }),
    cancelled: t.exposeInt('cancelled', { description: 'Items not finished when the execution was cancelled.' }),
    expired: t.exposeInt('expired', { description: 'Items not finished when the deadline passed.' }),
  }),
});

export const ProgressType = builder.objectRef<Progress>('BatchProgress').implement({
  description: 'How far an execution is. An item counts as closed when it has ended in whatever way.',
  fields: (t) => ({
    percent: t.exposeFloat('percent', {
      description:
        'Closed items of those known so far, 0-100, rounded down to hundredths: 100 means that every item is closed. Can fall while PREPARING.',
    }),
    itemsPerSecond: t.exposeFloat('itemsPerSecond', {
      nullable: true,
      description:
        'Items closed per second, on average since the present round opened; null until one is closed in it.',
    }),
    estimatedEndAt: t.expose('estimatedEndAt', {
      type: 'DateTime',
      nullable: true,
      description:
        'When the last item closes if the rate holds; null unless the execution is RUNNING and the rate is known.',
    }),
    tierCount: t.exposeInt('tierCount', { description: 'How many tiers there are.' }),
    currentTier: t.exposeInt('currentTier', {
      nullable: true,
      description:
        'The first tier, from 0, that items are still open in; null when none is. Items do not wait for one another: later tiers may be at work too.',
    }),
    lastActivityAt: t.expose('lastActivityAt', {
      type: 'DateTime',
      description: 'When the execution or one of its items last changed.',
    }),
  }),
});
