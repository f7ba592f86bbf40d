/** The tiers of an execution. */
import type { Execution } from '../domain/model.ts';
import { countsOfTiers, spansOfTiers, statusesOfTiers, type TierStatus } from '../domain/tiers.ts';
import {
  findTierFunnels,
  MAX_ERROR_COUNTS,
  summarizeTierCategories,
  summarizeTierErrors,
  type TierCategoryCount,
  type TierErrorCount,
  type TierFunnel,
} from '../services/summarize-executions.ts';
import { ItemCountsType } from './batch-progress.ts';
import { builder } from './builder.ts';
import { actorOf } from './context.ts';
import { ErrorCategoryCountType, ErrorCountType } from './error-counts.ts';
import { oncePerState } from './once-per-state.ts';

/** A tier of an execution. */
export interface ExecutionTier {
  readonly execution: Execution;
  readonly number: number;
}

const idsOf = (executions: readonly Execution[]) => executions.map((execution) => execution.id);
const errorsOf = oncePerState<readonly TierErrorCount[]>((executions, ctx) =>
  summarizeTierErrors(ctx.deps, actorOf(ctx), idsOf(executions)),
);
const categoriesOf = oncePerState<readonly TierCategoryCount[]>((executions, ctx) =>
  summarizeTierCategories(ctx.deps, actorOf(ctx), idsOf(executions)),
);
const funnelsOf = oncePerState<readonly TierFunnel[]>((executions, ctx) =>
  findTierFunnels(ctx.deps, actorOf(ctx), executions),
);

/** Counting the errors of all tiers reads the failed items of the execution once. */
const COUNT_COST = 20;

const MAX_INT = 2_147_483_647;

const TierStatusEnum = builder.enumType('BatchTierStatus', {
  description: 'Where a tier of an execution stands. More values may come.',
  values: {
    PENDING: { description: 'No item has started in it.' },
    RUNNING: { description: 'Items have started in it, and some are open in it or may still come.' },
    COMPLETED: { description: 'Every item that entered it has passed it.' },
    COMPLETED_WITH_ERRORS: { description: 'Some items that entered it have passed it, others ended in it.' },
    FAILED: { description: 'No item that entered it has passed it.' },
    SKIPPED: { description: 'No item entered it, and none will in this round.' },
  } satisfies { [status in TierStatus]: { readonly description: string } },
});

const FunnelType = builder.objectRef<TierFunnel>('BatchTierFunnel').implement({
  description: 'What became of the items that came to a tier; each number is a part of the one before.',
  fields: (t) => ({
    entered: t.exposeInt('entered', {
      description:
        'Items that came to it: in the first tier every item, in a later one those with a result of the tier before.',
    }),
    missingInput: t.exposeInt('missingInput', {
      description: 'Of these, items that FAILED because their input was no longer there; not part of `submitted`.',
    }),
    submitted: t.exposeInt('submitted', {
      description: 'Of `entered`, items for which the agent was called with its input; not those that still wait.',
    }),
    written: t.exposeInt('written', { description: 'Of `submitted`, items whose result of this tier is recorded.' }),
  }),
});

export const TierType = builder.objectRef<ExecutionTier>('BatchTier').implement({
  description: 'One stage of an execution. An item enters it as soon as it has a result of the tier before.',
  fields: (t) => ({
    number: t.exposeInt('number', { description: 'Which tier it is, from 0.' }),
    status: t.field({
      type: TierStatusEnum,
      description: 'Where it stands, as its counts say; whether the execution is paused or cancelled is said there.',
      resolve: ({ execution, number }) => statusesOfTiers(execution)[number] ?? 'PENDING',
    }),
    counts: t.field({
      type: ItemCountsType,
      description:
        'Items of this tier, at the revision shown. `total` is those that entered it, and adds up: `succeeded` is those that have passed it, wherever they are now; `queued`, `running` and `retrying` are open in it; `failed`, `cancelled` and `expired` ended in it. With one tier these are the counts of the execution.',
      resolve: ({ execution, number }) => countsOfTiers(execution)[number] ?? execution,
    }),
    funnel: t.field({
      type: FunnelType,
      complexity: COUNT_COST,
      description: 'What became of the items that came to it.',
      resolve: async ({ execution, number }, _args, ctx) =>
        (await funnelsOf(execution, ctx))[number] ?? { entered: 0, missingInput: 0, submitted: 0, written: 0 },
    }),
    startedAt: t.field({
      type: 'DateTime',
      nullable: true,
      description: 'When the first item entered it, in any round; null before.',
      resolve: ({ execution, number }) => spansOfTiers(execution)[number]?.startedAt ?? null,
    }),
    endedAt: t.field({
      type: 'DateTime',
      nullable: true,
      description: 'When its last item left it or ended in it; null while items are open in it or before it.',
      resolve: ({ execution, number }) => spansOfTiers(execution)[number]?.endedAt ?? null,
    }),
    durationMs: t.int({
      nullable: true,
      description: 'Milliseconds from its start to its end, the rest between rounds included; null unless it has both.',
      resolve: ({ execution, number }) => {
        const { startedAt = null, endedAt = null } = spansOfTiers(execution)[number] ?? {};
        return startedAt === null || endedAt === null
          ? null
          : Math.min(endedAt.getTime() - startedAt.getTime(), MAX_INT);
      },
    }),
    errorSummary: t.field({
      type: [ErrorCountType],
      complexity: { field: COUNT_COST, multiplier: 10 },
      description: `The errors that items FAILED with in it, most frequent first, at most ${MAX_ERROR_COUNTS}.`,
      resolve: async ({ execution, number }, _args, ctx) =>
        execution.failed === 0 ? [] : (await errorsOf(execution, ctx)).filter(({ tier }) => tier === number),
    }),
    errorCategories: t.field({
      type: [ErrorCategoryCountType],
      complexity: { field: COUNT_COST, multiplier: 3 },
      description: 'The kinds of errors that items FAILED with in it, most frequent first.',
      resolve: async ({ execution, number }, _args, ctx) =>
        execution.failed === 0 ? [] : (await categoriesOf(execution, ctx)).filter(({ tier }) => tier === number),
    }),
  }),
});
