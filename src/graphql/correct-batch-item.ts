/** Corrections: the mutation that makes one, and what an item shows of them. */
import { LIMITS } from '../domain/limits.ts';
import type { Item, ItemCorrection, PatchOp } from '../domain/model.ts';
import { InvalidStateError, NotFoundError, ValidationError } from '../domain/user-error.ts';
import { correctBatchItem } from '../services/correct-batch-item.ts';
import { findItems, type ItemKey } from '../services/find-items.ts';
import { readCorrections } from '../services/read-corrections.ts';
import { readNewestResults } from '../services/read-item-outputs.ts';
import { ItemType } from './batch-item.ts';
import { DATA_COST } from './batch-item-output.ts';
import { builder } from './builder.ts';
import { actorOf, type BatchLoad, type Context } from './context.ts';
import { badUserInput } from './top-level-errors.ts';

const MAX_CORRECTIONS = 100;

/** A correction, and whether it is what the item shows. */
interface ShownCorrection extends ItemCorrection {
  readonly isCurrent: boolean;
}

// Both come with the item as the key, so that its fields share a load.
const loadPresent: BatchLoad<ItemKey, ShownCorrection | null> = async (keys, ctx) =>
  (await shown(keys, ctx, 1)).map(([newest]) => (newest?.isCurrent === true ? newest : null));

interface HistoryKey {
  readonly item: ItemKey;
  readonly last: number;
}

const loadHistory: BatchLoad<HistoryKey, readonly ShownCorrection[]> = async (keys, ctx) => {
  const found = new Map<HistoryKey, readonly ShownCorrection[]>();
  for (const [last, group] of Map.groupBy(keys, (key) => key.last)) {
    const items = group.map((key) => key.item);
    const lists = await shown(items, ctx, last);
    for (const [index, key] of group.entries()) found.set(key, lists[index] ?? []);
  }
  return keys.map((key) => found.get(key) ?? []);
};

/** The last corrections of each item, newest first: the newest is current while its result is the newest too. */
async function shown(keys: readonly ItemKey[], ctx: Context, last: number): Promise<(readonly ShownCorrection[])[]> {
  const lists = await readCorrections(ctx.deps, actorOf(ctx), keys, last);
  const corrected = keys.filter((_key, index) => (lists[index] ?? []).length > 0);
  const results = await readNewestResults(ctx.deps, actorOf(ctx), corrected);
  const newest = new Map(corrected.map((key, index) => [key, results[index] ?? null]));
  return keys.map((key, index) =>
    (lists[index] ?? []).map((correction, place) => {
      const result = newest.get(key);
      const isCurrent = place === 0 && result?.tier === correction.tier && result.round === correction.round;
      return { ...correction, isCurrent };
    }),
  );
}

const PatchOpEnum = builder.enumType('PatchOp', {
  description: 'What a patch does, as in JSON Patch (RFC 6902).',
  values: {
    ADD: {
      description: 'Sets a field that may not be there; in a list inserts before the index, at the end with `-`.',
    },
    REPLACE: { description: 'Sets what is there.' },
    REMOVE: { description: 'Takes away what is there.' },
    TEST: { description: 'Changes nothing: the correction is refused unless the value is there.' },
  } satisfies { [op in PatchOp]: { description: string } },
});

const PatchInput = builder.inputType('CorrectionPatchInput', {
  description: 'One change of the data.',
  fields: (t) => ({
    op: t.field({ type: PatchOpEnum, defaultValue: 'REPLACE', description: 'What it does.' }),
    path: t.string({
      required: true,
      description:
        'Where: a JSON Pointer (RFC 6901) into the data, e.g. `/lines/0/total`; the whole data with "". `/` in a key is `~1`, and `~` is `~0`.',
    }),
    value: t.field({ type: 'JSON', description: 'The value; null when absent, and not looked at for REMOVE.' }),
  }),
});

const CorrectInput = builder.inputType('CorrectBatchItemInput', {
  description: 'An item, and `data`, `patches` or both.',
  fields: (t) => ({
    itemId: t.id({ required: true, description: 'The item, `item_…`; it must have SUCCEEDED.' }),
    data: t.field({ type: 'JSON', description: 'The data as it should be, whole.' }),
    patches: t.field({
      type: [PatchInput],
      description: `Changes of \`data\`, or where that is absent of the present data (corrected before or not), in order and all or none; 1-${LIMITS.correctionPatches}.`,
    }),
    notes: t.string({ description: `Why, for people; at most ${LIMITS.messageLength} characters.` }),
    expectedCorrection: t.int({
      description:
        'The `number` of the last correction that you have seen, 0 for none: where there is another, nothing is changed and the answer is an InvalidStateError.',
    }),
  }),
});

const PatchType = builder.objectRef<NonNullable<ItemCorrection['patches']>[number]>('CorrectionPatch').implement({
  description: 'One change of the data, as it was asked for.',
  fields: (t) => ({
    op: t.expose('op', { type: PatchOpEnum, description: 'What it did.' }),
    path: t.exposeString('path', { description: 'Where: a JSON Pointer.' }),
    value: t.field({
      type: 'JSON',
      nullable: true,
      description: 'The value; null for REMOVE.',
      resolve: ({ value }) => value ?? null,
    }),
  }),
});

const CorrectionType = builder.objectRef<ShownCorrection>('ItemCorrection').implement({
  description: 'What a person made of a result. Nothing of it changes any more.',
  fields: (t) => ({
    number: t.exposeInt('number', { description: "Which of the item's corrections it is, from 1." }),
    data: t.expose('data', {
      type: 'JSON',
      nullable: true,
      complexity: DATA_COST,
      description: 'The data as corrected, whole.',
    }),
    patches: t.field({
      type: [PatchType],
      nullable: true,
      description: 'How it was asked for; null when the data came whole.',
      resolve: ({ patches }) => (patches === null ? null : [...patches]),
    }),
    notes: t.exposeString('notes', { nullable: true, description: 'Why, as the caller said; null when not.' }),
    tier: t.exposeInt('tier', { description: 'The tier of the result that it corrects, from 0.' }),
    round: t.exposeInt('round', { description: 'The round of the result that it corrects.' }),
    isCurrent: t.exposeBoolean('isCurrent', {
      description: 'Whether it is the `correctedData` of its item: it is the newest, and of the newest result.',
    }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was made.' }),
    createdBy: t.exposeID('createdBy', { nullable: true, description: 'The API key that made it, `key_…`.' }),
  }),
});

builder.objectFields(ItemType, (t) => ({
  correctedData: t.field({
    type: 'JSON',
    nullable: true,
    complexity: DATA_COST,
    description:
      '`data` as a person corrected it last; null while this result has no correction (`corrections` tells that from a correction to null). `data` itself never changes.',
    resolve: async (item, _args, ctx) => (await ctx.loaders.of(loadPresent, ctx).load(item))?.data ?? null,
  }),
  corrections: t.field({
    type: [CorrectionType],
    complexity: ({ last }) => ({ field: 1, multiplier: Math.max(1, last / 10) }),
    description: 'Its corrections, also of results of earlier rounds, oldest first.',
    args: {
      last: t.arg.int({
        defaultValue: 10,
        required: true,
        description: `At most this many, the newest, 0-${MAX_CORRECTIONS}.`,
      }),
    },
    resolve: async (item, { last }, ctx) => {
      if (last < 0 || last > MAX_CORRECTIONS) {
        throw badUserInput(`last must be from 0 to ${MAX_CORRECTIONS}, not ${last}.`);
      }
      return (await ctx.loaders.of(loadHistory, ctx).load({ item, last })).toReversed();
    },
  }),
}));

const CorrectSuccess = builder
  .objectRef<{ readonly batchItem: Item; readonly correction: ShownCorrection }>('CorrectBatchItemSuccess')
  .implement({
    description: 'The correction is kept; the result is as it was.',
    fields: (t) => ({
      batchItem: t.expose('batchItem', { type: ItemType, description: 'The item, with its new revision.' }),
      correction: t.expose('correction', { type: CorrectionType, description: 'The correction.' }),
    }),
  });

builder.mutationField('correctBatchItem', (t) =>
  t.field({
    type: CorrectSuccess,
    description:
      "Corrects the result of an item, also after its execution has ended. The corrected data must fit the tier's `outputSchema`. The execution takes a new revision, so that subscribers see it.",
    errors: { types: [ValidationError, NotFoundError, InvalidStateError] },
    args: { input: t.arg({ type: CorrectInput, required: true, description: 'What to correct, and how.' }) },
    resolve: async (_root, { input }, ctx) => {
      const correction = await correctBatchItem(ctx.deps, actorOf(ctx), input);
      const [batchItem] = await findItems(ctx.deps, actorOf(ctx), [correction]);
      if (batchItem == null) throw new NotFoundError('batch item', input.itemId);
      return { batchItem, correction: { ...correction, isCurrent: true } };
    },
  }),
);
