/** The history of an item: every recorded attempt, with its times and what it used. */
import type { ItemKey } from '../services/find-items.ts';
import { type ItemAttempt, readAttempts } from '../services/read-attempts.ts';
import { ItemType } from './batch-item.ts';
import { ItemErrorType } from './batch-item-output.ts';
import { builder } from './builder.ts';
import { actorOf, type BatchLoad } from './context.ts';
import { millisecondsOf } from './milliseconds.ts';
import { CallUsageType } from './token-usage.ts';
import { badUserInput } from './top-level-errors.ts';

const MAX_ATTEMPTS = 100;

interface AttemptsKey {
  readonly item: ItemKey;
  readonly last: number;
}

// A statement for each `last` that the query asks for; pages ask all their items for the same.
const loadAttempts: BatchLoad<AttemptsKey, readonly ItemAttempt[]> = async (keys, ctx) => {
  const found = new Map<AttemptsKey, readonly ItemAttempt[]>();
  for (const [last, group] of Map.groupBy(keys, (key) => key.last)) {
    const items = group.map((key) => key.item);
    const lists = await readAttempts(ctx.deps, actorOf(ctx), items, last);
    for (const [index, key] of group.entries()) found.set(key, lists[index] ?? []);
  }
  return keys.map((key) => found.get(key) ?? []);
};

const OutcomeEnum = builder.enumType('AttemptOutcome', {
  description: 'How an attempt ended.',
  values: {
    SUCCEEDED: { description: 'It brought the result of its tier.' },
    FAILED: { description: 'It failed; `error` says why.' },
  },
});

const AttemptType = builder.objectRef<ItemAttempt>('BatchItemAttempt').implement({
  description:
    'One call of an agent for an item, as recorded. A call that was cut off by a cancel, a deadline or the end of its node is none of them: it is made again, or never.',
  fields: (t) => ({
    tier: t.exposeInt('tier', { description: 'The tier, from 0.' }),
    round: t.exposeInt('round', { description: 'The round: 0 for the first run, then one for each retry.' }),
    number: t.exposeInt('attempt', { description: 'Which attempt it is, from 1 in each tier and round.' }),
    outcome: t.field({
      type: OutcomeEnum,
      description: 'How it ended.',
      resolve: ({ error }) => (error === null ? 'SUCCEEDED' : 'FAILED'),
    }),
    startedAt: t.expose('startedAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When it started; null where that was not recorded.',
    }),
    endedAt: t.expose('at', { type: 'DateTime', description: 'When it ended.' }),
    durationMs: t.int({
      nullable: true,
      description: 'Milliseconds from its start to its end; null where the start was not recorded.',
      resolve: ({ startedAt, at }) => millisecondsOf(startedAt, at),
    }),
    error: t.expose('error', {
      type: ItemErrorType,
      nullable: true,
      description: 'Why it failed; null where it succeeded.',
    }),
    score: t.exposeFloat('score', {
      nullable: true,
      description: 'How sure the agent was, 0 to 1; null when it did not say.',
    }),
    usage: t.expose('usage', {
      type: CallUsageType,
      nullable: true,
      description: 'What it used of a language model; null when the agent did not say.',
    }),
  }),
});

builder.objectField(ItemType, 'attemptHistory', (t) =>
  t.field({
    type: [AttemptType],
    complexity: ({ last }) => ({ field: 2, multiplier: Math.max(1, last / 10) }),
    description: 'Its recorded attempts of all rounds and tiers, oldest first.',
    args: {
      last: t.arg.int({
        defaultValue: 10,
        required: true,
        description: `At most this many, the newest, 0-${MAX_ATTEMPTS}.`,
      }),
    },
    resolve: async (item, { last }, ctx) => {
      if (last < 0 || last > MAX_ATTEMPTS) throw badUserInput(`last must be from 0 to ${MAX_ATTEMPTS}, not ${last}.`);
      return (await ctx.loaders.of(loadAttempts, ctx).load({ item, last })).toReversed();
    },
  }),
);
