/** The tiers of an execution. */
import type { Execution, ItemCounts } from '../domain/model.ts';
import { countItemsByTier, findTierSpans, type TierSpan } from '../services/summarize-executions.ts';
import { ItemCountsType } from './batch-progress.ts';
import { builder } from './builder.ts';
import { actorOf } from './context.ts';
import { oncePerState } from './once-per-state.ts';

/** A tier of an execution. */
export interface ExecutionTier {
  readonly execution: Execution;
  readonly number: number;
}

const NONE: ItemCounts = {
  ...{ total: 0, queued: 0, running: 0, retrying: 0 },
  ...{ succeeded: 0, failed: 0, cancelled: 0, expired: 0 },
};

const countsByTier = oncePerState<readonly ItemCounts[]>((executions, ctx) =>
  countItemsByTier(ctx.deps, actorOf(ctx), executions),
);
const spansByTier = oncePerState<readonly TierSpan[]>((executions, ctx) =>
  findTierSpans(ctx.deps, actorOf(ctx), executions),
);

/** Counting the items of several tiers reads all items of the execution. */
const COUNT_COST = 50;

export const TierType = builder.objectRef<ExecutionTier>('BatchTier').implement({
  description: 'One stage of an execution. An item enters it as soon as it has a result of the tier before.',
  fields: (t) => ({
    number: t.exposeInt('number', { description: 'Which tier it is, from 0.' }),
    counts: t.field({
      type: ItemCountsType,
      complexity: COUNT_COST,
      description:
        'Items of this tier. With one tier these are the counts of the execution. With several, `total` is the items that entered this tier so far, and an item that went on counts as succeeded here; they are counted when asked for, so they may be newer than the revision shown.',
      resolve: async ({ execution, number }, _args, ctx) => (await countsByTier(execution, ctx))[number] ?? NONE,
    }),
    startedAt: t.field({
      type: 'DateTime',
      nullable: true,
      complexity: COUNT_COST,
      description: 'When the first item entered it; null before.',
      resolve: async ({ execution, number }, _args, ctx) =>
        (await spansByTier(execution, ctx))[number]?.startedAt ?? null,
    }),
    endedAt: t.field({
      type: 'DateTime',
      nullable: true,
      complexity: COUNT_COST,
      description: 'When its last item left it or ended in it; null while items are open in it or before it.',
      resolve: async ({ execution, number }, _args, ctx) =>
        (await spansByTier(execution, ctx))[number]?.endedAt ?? null,
    }),
  }),
});
