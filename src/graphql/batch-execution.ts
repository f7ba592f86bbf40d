/** A batch execution: one run of a definition over a frozen set of items. */
import type { Execution, Item } from '../domain/model.ts';
import { progressOf } from '../domain/progress.ts';
import { findExecutions } from '../services/find-executions.ts';
import { findItemByElement, findItems } from '../services/find-items.ts';
import { listItems } from '../services/list-items.ts';
import {
  type CategoryCount,
  type ErrorCount,
  MAX_ERROR_COUNTS,
  summarizeCategories,
  summarizeErrors,
} from '../services/summarize-executions.ts';
import { ItemConnection, ItemType } from './batch-item.ts';
import { ItemFilterInput } from './batch-item-filter.ts';
import { ItemCountsType, ProgressType } from './batch-progress.ts';
import { ExecutionStatusEnum, PauseReasonEnum } from './batch-status.ts';
import { TierType } from './batch-tier.ts';
import { builder } from './builder.ts';
import { countedConnectionOf, keysetArgs, ordering, type PagingArgs, pageCost, toConnection } from './connection.ts';
import { actorOf, type BatchLoad, type Context } from './context.ts';
import { ErrorCategoryCountType, ErrorCountType } from './error-counts.ts';
import { Node, registerNode } from './node.ts';
import { oncePerState } from './once-per-state.ts';
import { badUserInput } from './top-level-errors.ts';

const loadExecutions: BatchLoad<string, Execution | null> = (ids, ctx) => findExecutions(ctx.deps, actorOf(ctx), ids);

/** The execution with this id as the request's actor may see it, or null; many ids asked for together are one statement. */
export const loadExecution = (ctx: Context, id: string): Promise<Execution | null> =>
  ctx.loaders.of(loadExecutions, ctx).load(id);

const errorsOf = oncePerState<readonly ErrorCount[]>((executions, ctx) =>
  summarizeErrors(
    ctx.deps,
    actorOf(ctx),
    executions.map((execution) => execution.id),
  ),
);

const categoriesOf = oncePerState<readonly CategoryCount[]>((executions, ctx) =>
  summarizeCategories(
    ctx.deps,
    actorOf(ctx),
    executions.map((execution) => execution.id),
  ),
);

const byOrdinal = ordering<Item>('items.ordinal', { int: (item) => item.ordinal });

// A page of items is a constant number of statements, so an item costs a tenth of what a page alone would make it.
// A thousand items with everything about them fit the limit; pages of pages of them do not.
const itemsCost = (args: PagingArgs) => ({ field: 10, multiplier: Math.max(1, pageCost(args).multiplier / 10) });

export const ExecutionType = builder.objectRef<Execution>('BatchExecution').implement({
  description: 'One run of a batch definition over a frozen set of items.',
  interfaces: [Node],
  fields: (t) => ({
    id: t.exposeID('id', { description: 'The id, `exec_…`.' }),
    customerId: t.exposeID('customerId', { description: 'The customer it belongs to.' }),
    projectId: t.exposeID('projectId', { description: 'The project it belongs to.' }),
    name: t.exposeString('name', { description: "The definition's name, unless it was changed since." }),
    metadata: t.expose('metadata', {
      type: 'JSON',
      nullable: true,
      description: 'What the creator attached, as it came; null when nothing.',
    }),
    inputOverrides: t.expose('inputOverrides', {
      type: 'JSON',
      nullable: true,
      description: 'What the creator changed of the definition; null when nothing.',
    }),
    spec: t.expose('spec', {
      type: 'JSON',
      description:
        "What it runs, as one document: the definition's spec with the overrides, and each tier's pinned agent version.",
    }),
    status: t.expose('status', { type: ExecutionStatusEnum, description: 'Where it stands.' }),
    revision: t.exposeInt('revision', {
      description: 'Its change number: every committed change of it or of its items carries the next one.',
    }),
    pauseReason: t.expose('pauseReason', {
      type: PauseReasonEnum,
      nullable: true,
      description: 'Why it is PAUSED; null while it is not.',
    }),
    waitReason: t.exposeString('waitReason', {
      nullable: true,
      description:
        'Why nothing of it starts at the moment though it is not paused, for people; null when nothing holds it.',
    }),
    waitUntil: t.expose('waitUntil', {
      type: 'DateTime',
      nullable: true,
      description: 'When it tries again; null when nothing holds it.',
    }),
    deadlineAt: t.expose('deadlineAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When it is ended as EXPIRED; null without a deadline.',
    }),
    priority: t.exposeInt('priority', {
      description: 'Its weight where executions compete for running items; each step doubles its share.',
    }),
    sampleSize: t.exposeInt('sampleSize', {
      nullable: true,
      description: 'How many items it runs before it pauses; null when it runs on.',
    }),
    toleratedFailures: t.exposeInt('toleratedFailures', {
      nullable: true,
      description: 'More failed items than this end it early as FAILED; null for any number.',
    }),
    toleratedFailurePercent: t.exposeFloat('toleratedFailurePercent', {
      nullable: true,
      description: 'A greater share of failed items than this, in percent of all, ends it early; null for any.',
    }),
    round: t.exposeInt('round', {
      description: '0 for the first run; each retry that selects something opens the next.',
    }),
    counts: t.field({
      type: ItemCountsType,
      description: 'Its items by status, at this revision.',
      resolve: (execution) => execution,
    }),
    progress: t.field({
      type: ProgressType,
      description: 'How far it is.',
      resolve: (execution, _args, ctx) => progressOf(execution, ctx.deps.now()),
    }),
    tiers: t.field({
      type: [TierType],
      complexity: { field: 1, multiplier: 3 },
      description: 'Its stages, in order.',
      resolve: (execution) => execution.spec.tiers.map((_tier, number) => ({ execution, number })),
    }),
    concurrency: t.exposeInt('concurrency', { description: 'Most of its items that run at one time, 1-999.' }),
    retryLimit: t.exposeInt('retryLimit', { description: 'Automatic tries more after an attempt failed, 0-999.' }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was made.' }),
    startedAt: t.expose('startedAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When its first item started; null before.',
    }),
    endedAt: t.expose('endedAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When it came to its final status; null before, and again after a retry.',
    }),
    cancelRequestedAt: t.expose('cancelRequestedAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When a cancel was asked for; null when none was.',
    }),
    cancelReason: t.exposeString('cancelReason', {
      nullable: true,
      description: 'Why it was cancelled, as the caller said.',
    }),
    error: t.exposeString('error', { nullable: true, description: 'Why it FAILED, for people; null otherwise.' }),
    errorSummary: t.field({
      type: [ErrorCountType],
      complexity: { field: 20, multiplier: 10 },
      description: `The errors that its FAILED items ended with, most frequent first, at most ${MAX_ERROR_COUNTS}; counted when asked for.`,
      resolve: async (execution, _args, ctx) => (execution.failed === 0 ? [] : [...(await errorsOf(execution, ctx))]),
    }),
    errorCategories: t.field({
      type: [ErrorCategoryCountType],
      complexity: { field: 20, multiplier: 3 },
      description: 'The kinds of errors that its FAILED items ended with, most frequent first; counted when asked for.',
      resolve: async (execution, _args, ctx) =>
        execution.failed === 0 ? [] : [...(await categoriesOf(execution, ctx))],
    }),
    items: t.connection(
      {
        type: ItemType,
        description: 'Its items in input order. Pages stay whole while items change.',
        complexity: itemsCost,
        args: { filter: t.arg({ type: ItemFilterInput, description: 'Which items; all by default.' }) },
        resolve: async (execution, { filter, ...args }, ctx) => {
          const page = keysetArgs(args, byOrdinal);
          const input = { executionId: execution.id, filter: filter ?? {}, page };
          return toConnection(await listItems(ctx.deps, actorOf(ctx), input), page, byOrdinal);
        },
      },
      ItemConnection,
    ),
    item: t.field({
      type: ItemType,
      nullable: true,
      complexity: 10,
      description: 'One item, by exactly one of its data element and its ordinal; null when there is none.',
      args: {
        dataElementId: t.arg.id({ description: 'The data element it was made from.' }),
        ordinal: t.arg.int({ description: 'Its place in the input, from 0.' }),
      },
      resolve: async ({ id: executionId }, { dataElementId, ordinal }, ctx) => {
        if ((dataElementId == null) === (ordinal == null)) {
          throw badUserInput('item takes exactly one of dataElementId and ordinal.');
        }
        if (dataElementId != null) return await findItemByElement(ctx.deps, actorOf(ctx), executionId, dataElementId);
        const key = { executionId, ordinal: ordinal ?? 0 };
        return (await findItems(ctx.deps, actorOf(ctx), [key]))[0] ?? null;
      },
    }),
  }),
});

export const ExecutionConnection = countedConnectionOf(ExecutionType, 'BatchExecution');

registerNode('BatchExecution', ExecutionType, (ctx, _actor, id) => loadExecution(ctx, id));
