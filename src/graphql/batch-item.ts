/** One item of an execution, with what it produced. */
import { itemId, parseItemId } from '../domain/ids.ts';
import type { Item, ItemFailure, ItemResult } from '../domain/model.ts';
import { mismatchErrors } from '../domain/output-rules.ts';
import { findItems, type ItemKey } from '../services/find-items.ts';
import { readCancelReasons, readFailures, readNewestResults, readTierResults } from '../services/read-item-outputs.ts';
import {
  ArtifactType,
  artifactsOf,
  DATA_COST,
  FieldErrorType,
  ItemErrorType,
  TierResultType,
} from './batch-item-output.ts';
import { ItemStatusEnum } from './batch-status.ts';
import { builder } from './builder.ts';
import { connectionOf } from './connection.ts';
import { actorOf, type BatchLoad, type Context } from './context.ts';
import { millisecondsOf } from './milliseconds.ts';
import { Node, registerNode } from './node.ts';
import { badUserInput } from './top-level-errors.ts';

const MAX_FAILURES = 100;

const loadItems: BatchLoad<ItemKey, Item | null> = (keys, ctx) => findItems(ctx.deps, actorOf(ctx), keys);
const loadResults: BatchLoad<ItemKey, ItemResult | null> = (keys, ctx) =>
  readNewestResults(ctx.deps, actorOf(ctx), keys);
const loadCancelReasons: BatchLoad<ItemKey, string | null> = (keys, ctx) =>
  readCancelReasons(ctx.deps, actorOf(ctx), keys);
const loadLastFailure: BatchLoad<ItemKey, readonly ItemFailure[]> = (keys, ctx) =>
  readFailures(ctx.deps, actorOf(ctx), keys, 1);

interface FailuresKey {
  readonly item: ItemKey;
  readonly last: number;
}

interface TierResultsKey {
  readonly item: ItemKey;
  readonly round: number | null;
}

// A statement for each round that the query asks for.
const loadTierResults: BatchLoad<TierResultsKey, readonly ItemResult[]> = async (keys, ctx) => {
  const found = new Map<TierResultsKey, readonly ItemResult[]>();
  for (const [round, group] of Map.groupBy(keys, (key) => key.round)) {
    const items = group.map((key) => key.item);
    const lists = await readTierResults(ctx.deps, actorOf(ctx), items, round);
    for (const [index, key] of group.entries()) found.set(key, lists[index] ?? []);
  }
  return keys.map((key) => found.get(key) ?? []);
};

// A statement for each `last` that the query asks for; pages ask all their items for the same.
const loadFailures: BatchLoad<FailuresKey, readonly ItemFailure[]> = async (keys, ctx) => {
  const found = new Map<FailuresKey, readonly ItemFailure[]>();
  for (const [last, group] of Map.groupBy(keys, (key) => key.last)) {
    const items = group.map((key) => key.item);
    const lists = await readFailures(ctx.deps, actorOf(ctx), items, last);
    for (const [index, key] of group.entries()) found.set(key, lists[index] ?? []);
  }
  return keys.map((key) => found.get(key) ?? []);
};

// The item itself is the key: its fields then share one load.
const newestResult = (item: Item, ctx: Context) => ctx.loaders.of(loadResults, ctx).load(item);

/** Why its last attempt failed; null unless FAILED or RETRYING. */
const lastFailure = async (item: Item, ctx: Context): Promise<ItemFailure | null> =>
  item.status === 'FAILED' || item.status === 'RETRYING'
    ? ((await ctx.loaders.of(loadLastFailure, ctx).load(item))[0] ?? null)
    : null;

export const ItemType = builder.objectRef<Item>('BatchItem').implement({
  description: 'One input inside an execution, and what became of it.',
  interfaces: [Node],
  fields: (t) => ({
    id: t.id({
      description: 'The id, `item_…`; made from the execution and the ordinal, and the same in every round.',
      resolve: (item) => itemId(item.executionId, item.ordinal),
    }),
    batchExecutionId: t.exposeID('executionId', { description: 'The execution it belongs to.' }),
    ordinal: t.exposeInt('ordinal', { description: 'Its place in the input, from 0.' }),
    inputDataElementId: t.exposeID('elementId', { description: 'The data element it was made from.' }),
    filename: t.exposeString('filename', { description: "The element's filename." }),
    mediaType: t.exposeString('mediaType', { description: "The element's media type." }),
    metadata: t.expose('metadata', {
      type: 'JSON',
      nullable: true,
      description: "The element's metadata, as it was when the execution took it; null when it had none.",
    }),
    inputContentHash: t.exposeString('contentHash', {
      nullable: true,
      description:
        "SHA-256, in hex, of the element's content as it was when the execution took it, to compare with `TierResult.contentHash`: " +
        'content is read anew by every attempt. Null where it was not known, as in folders.',
    }),
    status: t.expose('status', { type: ItemStatusEnum, description: 'Where it stands.' }),
    tier: t.exposeInt('tier', { description: 'The tier it is in, or ended in, from 0.' }),
    attempts: t.exposeInt('attempt', { description: 'Calls of the agent in the present tier and round.' }),
    retryCount: t.exposeInt('retryCount', { description: 'How often it was retried by hand.' }),
    nextAttemptAt: t.expose('runAfter', {
      type: 'DateTime',
      nullable: true,
      description: 'When the next attempt is due; null unless RETRYING.',
    }),
    startedAt: t.expose('startedAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When it started; null before.',
    }),
    endedAt: t.expose('endedAt', { type: 'DateTime', nullable: true, description: 'When it ended; null before.' }),
    durationMs: t.int({
      nullable: true,
      description: 'Milliseconds from its start to its end; null unless it has both.',
      resolve: ({ startedAt, endedAt }) => millisecondsOf(startedAt, endedAt),
    }),
    revision: t.exposeInt('revision', {
      description: 'The revision of the execution that last changed it, or took it in.',
    }),
    data: t.field({
      type: 'JSON',
      nullable: true,
      complexity: DATA_COST,
      description:
        'What the agent returned, as it returned it: of the last tier that the item has passed, null while it has passed none. See `tierResults` for each, also from before it was done again.',
      resolve: async (item, _args, ctx) => (await newestResult(item, ctx))?.data ?? null,
    }),
    score: t.float({
      nullable: true,
      description: 'How sure the agent is of `data`, 0 to 1; null when it did not say.',
      resolve: async (item, _args, ctx) => (await newestResult(item, ctx))?.score ?? null,
    }),
    timeMs: t.int({
      nullable: true,
      description:
        'Milliseconds that the agent took for `data`: of the one attempt that brought it, where `durationMs` has waits, earlier attempts and tiers too. null while there is none.',
      resolve: async (item, _args, ctx) => {
        const result = await newestResult(item, ctx);
        return result && millisecondsOf(result.startedAt, result.at);
      },
    }),
    fieldErrors: t.field({
      type: [FieldErrorType],
      description:
        'Flaws in single fields of `data`; where the last attempt failed with `output_mismatch`, in what its result missed the rules of the tier.',
      resolve: async (item, _args, ctx) => {
        // Together: a result that is asked for later is another statement.
        const [failure, result] = await Promise.all([lastFailure(item, ctx), newestResult(item, ctx)]);
        const missed = failure === null ? [] : mismatchErrors(failure.code, failure.details);
        return missed.length > 0 ? [...missed] : [...(result?.fieldErrors ?? [])];
      },
    }),
    outputArtifacts: t.field({
      type: [ArtifactType],
      complexity: { field: DATA_COST, multiplier: 2 },
      description: 'Files that the agent made along with `data`.',
      resolve: async (item, _args, ctx) => artifactsOf(await newestResult(item, ctx)),
    }),
    tierResults: t.field({
      type: [TierResultType],
      complexity: { field: 1, multiplier: 2 },
      description:
        'Its results by tier: of each tier that has one the newest, also where that tier is being done again.',
      args: {
        round: t.arg.int({ description: 'Only results that this round made, from 0; the newest when absent.' }),
      },
      resolve: async (item, { round }, ctx) => [
        ...(await ctx.loaders.of(loadTierResults, ctx).load({ item, round: round ?? null })),
      ],
    }),
    cancelReason: t.string({
      nullable: true,
      description:
        'Why `cancelBatchItems` cancelled it, as the caller said; null for others, also where its whole execution was cancelled.',
      resolve: async (item, _args, ctx) =>
        item.status === 'CANCELLED' ? await ctx.loaders.of(loadCancelReasons, ctx).load(item) : null,
    }),
    error: t.field({
      type: ItemErrorType,
      nullable: true,
      description: 'Why its last attempt failed; null unless FAILED or RETRYING.',
      resolve: (item, _args, ctx) => lastFailure(item, ctx),
    }),
    failures: t.field({
      type: [ItemErrorType],
      complexity: ({ last }) => ({ field: 1, multiplier: Math.max(1, last / 10) }),
      description: 'Its failed attempts of all rounds and tiers, oldest first.',
      args: {
        last: t.arg.int({
          defaultValue: 10,
          required: true,
          description: `At most this many, the newest, 0-${MAX_FAILURES}.`,
        }),
      },
      resolve: async (item, { last }, ctx) => {
        if (last < 0 || last > MAX_FAILURES) throw badUserInput(`last must be from 0 to ${MAX_FAILURES}, not ${last}.`);
        return (await ctx.loaders.of(loadFailures, ctx).load({ item, last })).toReversed();
      },
    }),
  }),
});

export const ItemConnection = connectionOf(ItemType, 'BatchItem');

registerNode('BatchItem', ItemType, async (ctx, _actor, id) => {
  const key = parseItemId(id);
  return key === null ? null : await ctx.loaders.of(loadItems, ctx).load(key);
});
